"""Custodians as the ledger and this machine have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from careledger.app.names import Names, parties_of
from careledger.cli.overview import party_facts
from careledger.cli.screen import Screen
from careledger.cli.words import NONE, Facts, moment
from careledger.domain.errors import PartyNotFound

if TYPE_CHECKING:
    from careledger.app.world import World


def listed(world: World) -> list[Facts]:
    """Every organisation that is or was a custodian."""
    view = world.ledger.fresh_head()
    names = Names(world, view)
    found = [party_facts(world, view, names, each) for each in parties_of(world, view)]
    return [
        {"name": each["name"], "id": each["id"], **each["custodian"]} for each in found if each["custodian"]
    ]


def status(world: World, number: int) -> Facts:
    """One custodian: its log against the ledger, what it keeps, what it owes; raises PartyNotFound."""
    view = world.ledger.fresh_head()
    facts, checkpoint = view.custodian(number), view.checkpoint(number)
    if facts is None:
        raise PartyNotFound(custodian=number)
    here = world.directories.get(number)
    return {
        "name": Names(world, view).of(number),
        "leaving": facts.leaving,
        "here": here is not None,
        "patients": len(here.rows.aliases()) if here else None,
        "log_lines": here.journal.log().size() if here else None,
        "anchored_lines": checkpoint.size if checkpoint else 0,
        "anchored_at": moment(checkpoint.time) if checkpoint else None,
        "cosigners": [Names(world, view).of(each) for each in sorted(checkpoint.cosigners)]
        if checkpoint
        else [],
        "forked": bool(checkpoint and checkpoint.forked),
        "attestations_owed": len(here.rows.owed_attestations()) if here else None,
        "evidence": len(list(here.journal.evidence())) if here else None,
    }


def show_list(screen: Screen, found: list[Facts]) -> None:
    """The table, and how many lines each has written."""
    rows = []
    for each in found:
        state = "forked" if each["forked"] else "leaving" if each["leaving"] else "serves"
        lines = NONE if each["log_lines"] is None else f"{each['log_lines']:,}"
        rows.append((each["name"], state, "yes" if each["here"] else "elsewhere", lines, each["anchored_lines"],
                     each["cosigners"]))  # fmt: skip
    screen.table("Custodians", ("custodian", "state", "here", "log lines", "anchored", "cosigned by"), rows)
    counts = [(each["name"], each["log_lines"]) for each in found if each["log_lines"]]
    if counts:
        screen.bars("Lines of the release logs", counts)


def show_status(screen: Screen, found: Facts) -> None:
    """Names and values."""
    pairs = [(name.replace("_", " "), value) for name, value in found.items() if name != "name"]
    screen.facts(found["name"], [(name, NONE if value is None else _said(value)) for name, value in pairs])


def _said(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(value) or NONE if isinstance(value, list) else str(value)
