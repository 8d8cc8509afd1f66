"""Patients as an organisation of this machine knows them: by its identity table, by grants, or by a patient's device.

A name that fits nobody or several is never repeated: it is personal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from careledger.cli.opening import SHORT
from careledger.domain.errors import PatientNotFound
from careledger.formats.patients import AliasStatement
from careledger.workflows.actors import Organisation
from careledger.workflows.custody import find_statement
from careledger.workflows.received import grants
from careledger.workflows.register import identities

if TYPE_CHECKING:
    from careledger.app.world import World


@dataclass(frozen=True, repr=False)
class Known:
    """A patient somebody here knows, with the newest statement that custodians hold."""

    alias: bytes
    statement: AliasStatement


def anyone(world: World, named: str) -> Known:
    """The patient of that name on any device or in any table of this machine; raises PatientNotFound, BadParameter."""
    alias = alias_of(world, named)
    return Known(alias, find_statement(world.network, alias, world.custodians))


def alias_of(world: World, named: str) -> bytes:
    """Only the alias, which the dead have too."""
    return _one(_names(world, list(world.keyring.organisations().values())), named)


def in_table(organisation: Organisation, named: str) -> bytes:
    """The alias of that patient in this organisation's own table; raises PatientNotFound, BadParameter."""
    return _one(_table(organisation), named)


def _names(world: World, organisations: list[Organisation]) -> Iterator[tuple[str, bytes]]:
    for label in world.keyring.patients():
        yield label, world.keyring.patient(label)[0]
    for each in organisations:
        yield from _table(each)
        yield from (("", received.alias) for received in grants(each))


def _table(organisation: Organisation) -> Iterator[tuple[str, bytes]]:
    for row in identities(organisation):
        yield from ((name, row.alias) for name in {row.name, row.romanised, row.national_id, ""})


def _one(names: Iterator[tuple[str, bytes]], named: str) -> bytes:
    """The alias that this name, its beginning, or these digits of an alias belong to; a whole name comes first."""
    wanted, known = named.strip().casefold(), list(names)
    whole = {alias for name, alias in known if name and name.casefold() == wanted}
    fitting = whole or {alias for name, alias in known if _fits(name, alias, wanted)}
    if not fitting or not wanted:
        raise PatientNotFound()
    if len(fitting) > 1:
        raise typer.BadParameter("several patients fit; write more of the name", param_hint="PATIENT")
    return next(iter(fitting))


def _fits(name: str, alias: bytes, wanted: str) -> bool:
    return (bool(name) and name.casefold().startswith(wanted)) or (
        len(wanted) >= SHORT and alias.hex().startswith(wanted)
    )
