"""A command's data directory, opened for as long as the command runs; the patients whose keys lie in it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from careledger.adapters.locks import hold, turn
from careledger.app.settings import FILE
from careledger.app.vault import Ask
from careledger.cli.passphrases import ask, ask_first
from careledger.domain.errors import DirectoryInUse, DirectoryNotFound, PatientNotFound, StoreCorrupt
from careledger.formats.patients import AliasStatement
from careledger.workflows.actors import Holder
from careledger.workflows.epochs import own_statement

if TYPE_CHECKING:
    from careledger.app.service.table import Service
    from careledger.app.world import World

SHORT, PATIENTS = 8, "patients"


def existing(folder: Path) -> Path:
    """That directory, if CareLedger made it; raises DirectoryNotFound."""
    if not (folder / FILE).is_file():
        raise DirectoryNotFound(folder=str(folder))
    return folder


@contextmanager
def opened(folder: Path, passphrase: Ask = ask, service: Service | None = None) -> Iterator[World]:
    """The directory with its ledger, blocks and custodians; raises what existing, open_world raise.

    Files go through the scanner that ``service`` names, or the directory's configuration without one; raises
    ConfigurationRefused.

    Before it is closed, organisations do what has come due and custodians anchor what they wrote to their release
    logs; what cannot be done now is done the next time. A ``service`` leaves patients' keys and books to others, and is
    known by its turn at the directory.
    """
    from careledger.app.service.reading import configured
    from careledger.app.service.scanner import scanning
    from careledger.app.world import open_world

    try:
        told = service or configured(existing(folder), os.environ).service
        world = open_world(existing(folder), passphrase=passphrase)
        world.scanning, world.outside, world.licensed = scanning(told), told.outside, told.licensed
        try:
            with turn(folder) if service else _agents(folder):
                yield world
                _tend(world)
        finally:
            world.close()
    except sqlite3.DatabaseError as error:
        raise StoreCorrupt(why=str(error)) from None


@contextmanager
def reached(folder: Path) -> Iterator[World]:
    """As ``opened``, or, while a service has the directory, what a patient's agent has of it through that service:
    keys and books of this device, and of the ledger what custodians sign.

    Raises DirectoryInUse where something else has it, or an agent is at work.
    """
    with ExitStack() as stack:
        said = ask_first(existing(folder))
        try:
            world = stack.enter_context(opened(folder, said))
        except DirectoryInUse:
            world = stack.enter_context(_through(folder, said))
        yield world


@contextmanager
def office(folder: Path) -> Iterator[World]:
    """As ``opened``, or, while a service has the directory, its organisations' keys and books alone, which that service
    reads anew for each request: what is changed there holds from its next one on.

    Raises DirectoryInUse where something else has it, or for whatever is not in books.
    """
    with ExitStack() as stack:
        said = ask_first(existing(folder))
        try:
            world = stack.enter_context(opened(folder, said))
        except DirectoryInUse:
            world = stack.enter_context(_beside(folder, said))
        yield world


@contextmanager
def _beside(folder: Path, passphrase: Ask) -> Iterator[World]:
    from careledger.app.running import beside

    world = beside(folder, passphrase)
    if world is None:
        raise DirectoryInUse(directory=folder.name)
    try:
        yield world
    except sqlite3.DatabaseError as error:
        raise StoreCorrupt(why=str(error)) from None
    finally:
        world.close()


@contextmanager
def _through(folder: Path, passphrase: Ask) -> Iterator[World]:
    from careledger.app.running import reach

    world = reach(folder, passphrase)
    if world is None:
        raise DirectoryInUse(directory=folder.name)
    try:
        with _agents(folder):
            yield world
    finally:
        world.close()


@contextmanager
def _agents(folder: Path) -> Iterator[None]:
    """The patients' keys and books of this device are one process's at a time; raises DirectoryInUse."""
    held = hold(folder / PATIENTS)
    try:
        yield
    finally:
        os.close(held)


def _tend(world: World) -> None:
    from careledger.app.tending import steps

    for step in steps(world):
        step()


@dataclass(frozen=True, repr=False)
class Mine:
    """A patient whose keys are on this device."""

    label: str
    holder: Holder
    statement: AliasStatement


def patient(world: World, named: str) -> Mine:
    """The patient of that name, or whose name or alias alone begins so; raises PatientNotFound, BadParameter.

    First its agent tends what was left open; what still waits is said on stderr.
    """
    from careledger.app.unlocking import unlock

    label = _label(world, named)
    unlocked = unlock(world, label)
    for waiting in unlocked.tended.waiting:
        typer.echo(f"careledger: Still waits: {waiting}.", err=True)
    return Mine(label, unlocked.holder, own_statement(unlocked.holder)[0])


def each_patient(world: World) -> list[Mine]:
    """Every patient of this device, to be listed: nothing is tended."""
    from careledger.app.unlocking import load

    found = [(label, load(world, label)) for label in world.keyring.patients()]
    return [Mine(label, holder, own_statement(holder)[0]) for label, holder in found]


def _label(world: World, named: str) -> str:
    """Names and aliases are never repeated in an error: they are personal."""
    labels = world.keyring.patients()
    if named in labels:
        return named
    said = named.casefold()
    fitting = [label for label in labels if label.casefold().startswith(said)]
    if len(said) >= SHORT:
        fitting += [label for label in labels if world.keyring.patient(label)[0].hex().startswith(said)]
    if not fitting or not said:
        raise PatientNotFound()
    if len(set(fitting)) > 1:
        raise typer.BadParameter(
            "several patients of this device fit; write more of the name", param_hint="PATIENT"
        )
    return fitting[0]
