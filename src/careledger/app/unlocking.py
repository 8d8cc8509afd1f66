"""A patient's agent on this device is unlocked: its keys loaded, then everything tended that was left open."""

from __future__ import annotations

from dataclasses import dataclass

from careledger.app.world import World
from careledger.workflows.actors import Holder, load_holder
from careledger.workflows.tend import Tended, tend


@dataclass(frozen=True, repr=False)
class Unlocked:
    """The holder, and what was done and still waits."""

    holder: Holder
    tended: Tended


def unlock(world: World, label: str) -> Unlocked:
    """The patient of that label or alias, tended; raises PatientNotFound, what the keyring raises."""
    holder = load(world, label)
    tended = tend(world.network, holder)
    return Unlocked(holder.fresh(), tended)


def load(world: World, label: str) -> Holder:
    """The same without tending, to list who there is."""
    alias, phrase, books = world.keyring.patient(label)
    return load_holder(phrase, alias, books)
