"""Records that a post reads, and what it could not look into, with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from careledger.app.names import Names
from careledger.cli.opening import Mine
from careledger.cli.people import Known
from careledger.cli.records import print_trust_of, record_facts, record_table
from careledger.cli.screen import Screen
from careledger.cli.words import Facts, listed
from careledger.domain.categories import Compartment
from careledger.domain.consents import Purpose
from careledger.domain.reasons import Rule
from careledger.formats.releases import SignedAgreement
from careledger.workflows.accesses import by_holder
from careledger.workflows.actors import Session
from careledger.workflows.grounds import Reading, reading
from careledger.workflows.lease import open_lease
from careledger.workflows.retrieve import Record, Retrieved, newest, retrieve

if TYPE_CHECKING:
    from careledger.app.world import World

_WHY = {
    Rule.CONSENT: "the consent does not name it",
    Rule.REGISTRAR: "the registrar's rule does not reach restricted records",
    Rule.GENERAL: "the rule for general information reaches nothing else",
    Rule.BREAK_GLASS: "breaking the glass does not reach it, or it was not asked for apart",
    Rule.OFFICERS: "the officers' decision does not name it",
    Rule.OWN: "",
}


@dataclass(frozen=True, repr=False)
class Read:
    """What came of asking; ``closed`` are the wanted compartments that the ground never opens. Never printed."""

    rule: Rule
    retrieved: Retrieved
    records: tuple[Record, ...]
    closed: tuple[Compartment, ...]
    names: Names
    listed_on: int

    @property
    def unread(self) -> list[tuple[str, str]]:
        """What could not be looked into, and why."""
        return [(str(each), _WHY[self.rule]) for each in self.closed]


def read(
    world: World,
    asking: Session,
    known: Known,
    wanted: Sequence[Compartment],
    purpose: Purpose = Purpose.TREAT,
    rule: Rule | None = None,
    agreement: SignedAgreement | None = None,
) -> Read:
    """One release under the strongest ground that the post has, kept in a lease while the command runs.

    Raises what ``grounds.reading``, ``open_lease`` and ``retrieve`` raise.
    """
    ground = reading(world.network, asking, known.statement, wanted, purpose, rule, agreement)
    return read_on(world, asking, known, ground)


def read_on(world: World, asking: Session, known: Known, ground: Reading) -> Read:
    """The same on a ground that is given."""
    network, access = world.network, ground.access
    if ground.handles is None:
        lease = open_lease(network, asking, access, known.statement, ground.compartments)
        found, records = lease.retrieved, lease.records(network)
    else:
        found = retrieve(network, access, known.statement, handles=ground.handles)
        records = list(found.records)
    return _read(world, access.rule, found, records, ground.closed, known)


def read_own(world: World, mine: Mine, wanted: Sequence[Compartment]) -> Read:
    """The patient's own agent asks."""
    access = by_holder(world.network, mine.holder, mine.statement, wanted)
    found = retrieve(world.network, access, mine.statement, wanted)
    return _read(world, Rule.OWN, found, list(found.records), (), Known(mine.holder.alias, mine.statement))


def _read(
    world: World,
    rule: Rule,
    found: Retrieved,
    records: list[Record],
    closed: Sequence[Compartment],
    known: Known,
) -> Read:
    names = Names(world, world.ledger.fresh_head())
    chosen = sorted(newest(records), key=lambda each: each.manifest.clinical_date or "", reverse=True)
    return Read(rule, found, tuple(chosen), tuple(closed), names, len(known.statement.custodians))


def facts(found: Read, records: Sequence[Record] | None = None) -> Facts:
    """As it stands in ``--json``; ``records``: only these."""
    shown = found.records if records is None else records
    return {
        "rule": found.rule.code,
        "complete": found.retrieved.complete,
        "records": [record_facts(found.names, each) for each in shown],
        "not_looked_into": [{"category": category, "why": why} for category, why in found.unread],
        "problems": [str(problem) for problem in found.retrieved.problems],
    }


def show(screen: Screen, found: Read, records: Sequence[Record] | None = None, title: str = "") -> None:
    """The table, and what could not be looked into."""
    shown = list(found.records if records is None else records)
    record_table(screen, title or f"{len(shown)} records, by {found.rule.code}", found.names, shown)
    by_reason: dict[str, list[str]] = {}
    for category, why in found.unread:
        by_reason.setdefault(why, []).append(category)
    for why, categories in by_reason.items():
        screen.warns(f"Not looked into ({why}): {listed(categories)}.")
    print_trust_of(screen, found.retrieved, found.listed_on)
