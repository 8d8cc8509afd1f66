"""Requests for access: what a patient was asked, and what became of what a post asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from careledger.app.names import Names
from careledger.cli.opening import Mine
from careledger.cli.screen import Screen
from careledger.cli.words import Facts, listed, minute, moment
from careledger.domain.categories import Compartment
from careledger.domain.consents import Purpose
from careledger.formats.patients import AccessRequest
from careledger.workflows.actors import Organisation
from careledger.workflows.received import fetch_grants
from careledger.workflows.request_access import answer_to, read_requests, sent_requests

if TYPE_CHECKING:
    from careledger.app.world import World


def incoming(world: World, mine: Mine) -> list[AccessRequest]:
    """Those that wait for the patient's answer, oldest first."""
    return sorted(read_requests(world.network, mine.holder), key=lambda each: each.made)


def facts(world: World, request: AccessRequest, answer: str | None = None) -> Facts:
    """One request, as it stands in ``--json``."""
    names = Names(world, world.ledger.fresh_head())
    return {
        "request": request.id.hex(),
        "reader": names.of(request.reader),
        "employer": names.of(request.employer),
        "may": list(request.scope.permissions),
        "categories": [str(Compartment.numbered(number)) for number in request.scope.compartments],
        "purpose": request.purpose,
        "start": moment(request.start),
        "end": moment(request.end),
        "reason": request.reason,
        "made": moment(request.made),
        "answer": answer,
        "until": request.end,
    }


def sent(world: World, organisation: Organisation) -> list[Facts]:
    """What this organisation's posts asked, with the answers that have come."""
    fetch_grants(world.network, organisation)
    found = sorted(sent_requests(organisation), key=lambda each: each.made)
    return [facts(world, each, answer_to(organisation, each.id) or "no answer yet") for each in found]


def show(screen: Screen, found: list[Facts], answers: bool = False) -> None:
    """The table."""
    if not found:
        screen.says("No requests.")
        return
    rows = [
        (
            each["request"][:8],
            f"{each['reader']}\n{each['employer']}",
            f"{listed(each['may'])}: {listed(each['categories'])}",
            f"{Purpose.of(each['purpose']).words}\n{each['reason']}",
            each["answer"] if answers else minute(each["until"]),
        )
        for each in found
    ]
    last = "answer" if answers else "until (UTC)"
    screen.table("Requests for access", ("request", "who", "what", "why", last), rows, whole=("request",))
