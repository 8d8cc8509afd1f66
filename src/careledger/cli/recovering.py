"""A patient's agent made again on this device from the 24 words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from careledger.adapters.books.memory import MemoryBooks
from careledger.cli.words import Facts
from careledger.sealing.phrase import Phrase
from careledger.workflows.grant import given_consents
from careledger.workflows.recover import Recovered, end_undescribed, recover
from careledger.workflows.tend import tend

if TYPE_CHECKING:
    from careledger.app.world import World


def recovered(world: World, phrase: Phrase, label: str) -> list[Facts]:
    """Looks first, then keeps the keys of each alias on this device and fills its books; repeating goes on.

    Raises PatientNotFound, NotEnoughCustodians, BadParameter for a label of another patient.
    """
    found = recover(world.network, phrase, MemoryBooks())
    return [_kept(world, phrase, _label(label, place), each) for place, each in enumerate(found, start=1)]


def _label(label: str, place: int) -> str:
    return label if place == 1 else f"{label}, {place}"


def _kept(world: World, phrase: Phrase, label: str, seen: Recovered) -> Facts:
    alias, keyring = seen.holder.alias, world.keyring
    if label in keyring.patients():
        known, _, books = keyring.patient(label, anew=True)
        if known != alias:
            raise typer.BadParameter("another patient of this device is called so", param_hint="--label")
    else:
        books = keyring.new_patient(label, alias, phrase)
    made = next(each for each in recover(world.network, phrase, books) if each.holder.alias == alias)
    for each in made.undescribed:
        end_undescribed(world.network, made.holder, each)
    tend(world.network, made.holder)
    return {
        "patient": label,
        "alias": alias.hex(),
        "consents": len(given_consents(made.holder)),
        "ended": len(made.undescribed),
    }
