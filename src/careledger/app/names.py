"""What to call the parties, and who there is: the ledger's rows with the names that this machine knows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from careledger.domain.facts import PartyFacts
from careledger.domain.parties import party_id
from careledger.formats import cbor
from careledger.ports import LedgerView
from careledger.workflows.actors import Organisation
from careledger.workflows.teams import every_label

if TYPE_CHECKING:
    from careledger.app.world import World

Newest = dict[int | bytes, tuple[object, ...]]


class Names:
    """What to call the parties: the label that this device knows, else the public identifier.

    ``inside``: posts and teams by name only as far as they are this organisation's, for what is said to its programs.
    """

    def __init__(self, world: World, view: LedgerView, inside: Organisation | None = None) -> None:
        self._labels = world.keyring.labels(inside)
        for organisation in world.keyring.organisations().values() if inside is None else (inside,):
            self._labels.update(every_label(organisation))
        self._view = view

    def known(self, number: int) -> str | None:
        """The label, None where this device knows none."""
        return self._labels.get(number)

    def of(self, number: int) -> str:
        """A party's name; a dash for nobody (0)."""
        return self._labels.get(number) or self.id(number)

    def id(self, number: int) -> str:
        """The identifier whose prefix shows the group; the bare number in hex where the ledger has no such party."""
        facts = self._view.party(number) if number else None
        if facts is None:
            return f"{number:016x}" if number else "–"
        return party_id(number, facts.roles)


def newest_rows(world: World, kind: str = "") -> dict[str, Newest]:
    """The newest row of every key that has one part, by kind and that part; of one kind alone if it is named."""
    found: dict[str, Newest] = {}
    for packed, _, value in world.ledger.rows(kind):  # by key, then block: the newest row comes last
        kind, *parts = cbor.decode(packed)
        if len(parts) == 1:
            found.setdefault(kind, {})[parts[0]] = tuple(cbor.decode(value))
    return found


def numbers_of(world: World) -> list[int]:
    """Every party on the ledger, in order of its number."""
    return sorted(
        number for number in newest_rows(world, "party").get("party", {}) if isinstance(number, int)
    )


def parties_of(world: World, view: LedgerView) -> list[PartyFacts]:
    """Organisations with their posts after them, by name."""
    return in_order(Names(world, view), view, numbers_of(world))


def in_order(names: Names, view: LedgerView, numbers: Iterable[int | bytes]) -> list[PartyFacts]:
    """These parties likewise."""
    found = [view.party(number) for number in numbers if isinstance(number, int)]
    return sorted((each for each in found if each is not None), key=lambda each: _place(names, each))


def _place(names: Names, facts: PartyFacts) -> tuple[str, bool, str]:
    return names.of(facts.employer or facts.number), bool(facts.employer), names.of(facts.number)
