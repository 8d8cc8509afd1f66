"""Breaking the glass over HTTP: two posts, each by its own token, and a third who reviews.

A doctor proposes, another post of the same organisation confirms, and only that enters the emergency. The opener then
reads over FHIR with a token of the purpose BTG; the patient is alarmed. Whoever opened or confirmed reviews nothing.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from careledger.app import emergencies as on_ledger
from careledger.app.names import Names
from careledger.domain.categories import Compartment, Sensitivity
from careledger.domain.errors import ActRefused, LedgerRefused, PatientNotFound, RecordNotFound
from careledger.domain.facts import BreakGlassFacts
from careledger.domain.parties import Role
from careledger.formats.releases import EmergencyProposal
from careledger.gateway.api.pages import Page, Paged, page
from careledger.gateway.api.parties import Identifier, seen
from careledger.gateway.api.patients import Alias
from careledger.gateway.api.requests import CategoryName, category_of
from careledger.gateway.api.rows import Called, Row
from careledger.gateway.api.times import Moment, moment
from careledger.gateway.desk import Desk
from careledger.workflows.actors import Organisation, Staff
from careledger.workflows.break_glass import LONGEST
from careledger.workflows.break_glass import review as review_entry
from careledger.workflows.emergencies import PROPOSED_FOR, confirm_emergency, propose_emergency, proposed_here
from careledger.workflows.network import party

OPENERS = frozenset({Role.DOCTOR})
SECONDS = frozenset({Role.DOCTOR, Role.NURSE, Role.OPERATOR})
REVIEWERS = frozenset({Role.MINISTRY, Role.OPERATOR})


class NewEmergency(Struct, frozen=True, forbid_unknown_fields=True):
    """An emergency that a doctor proposes."""

    patient: Alias
    reason: Annotated[
        str,
        Meta(
            pattern="^[a-z][a-z0-9-]{0,31}$",
            max_length=32,
            description="A code without a person in it: unconscious.",
        ),
    ]
    seconds: Annotated[int, Meta(ge=60, le=LONGEST)] = LONGEST
    restricted: Annotated[
        list[CategoryName], Meta(max_length=20, description="Of these categories the restricted records too.")
    ] = []


class Proposal(Struct, frozen=True):
    """A proposed emergency that waits for a second post."""

    id: str
    patient: Alias
    reason: str
    seconds: int
    restricted: list[str]
    opener: Identifier
    made: Moment
    until: Annotated[Moment, Meta(description="When it can no longer be confirmed.")]


class Agreed(Struct, frozen=True, forbid_unknown_fields=True):
    """What the second post agrees to, said again so that nothing is confirmed unread."""

    patient: Alias


class Emergency(Struct, frozen=True):
    """An emergency on the ledger, which names no patient."""

    entry: str
    opener: Identifier
    second: Identifier
    opened: Moment
    until: Moment
    restricted: bool
    state: Annotated[str, Meta(description="open, waits for its review, or reviewed.")]
    justified: Annotated[bool | None, Meta(description="What the review found.")]


class Found(Struct, frozen=True, forbid_unknown_fields=True):
    """What a review found."""

    justified: bool


def propose(desk: Desk, called: Called) -> Proposal:
    """A doctor proposes. Raises ApiRefused, PatientNotFound, ActRefused while a review of the doctor's is overdue."""
    body, staff, network = called.body, called.who.staff, desk.world.network
    view, alias = network.ledger.fresh_head(), bytes.fromhex(body.patient)
    if view.alias(alias) is None:
        raise PatientNotFound()
    if not view.may_break_glass(staff.number):
        raise ActRefused(why="an emergency of this post waits for its review for more than 72 hours")
    apart = {Compartment(category_of(each), Sensitivity.RESTRICTED).number for each in body.restricted}
    made = EmergencyProposal(
        called.unique[:16], staff.number, alias, body.reason, tuple(sorted(apart)), body.seconds,
        network.clock.now(), 0,
    )  # fmt: skip
    propose_emergency(staff, made)
    return _proposal(seen(desk, called)[1], made)


def proposals(desk: Desk, called: Called) -> Page[Proposal]:
    """Those of one's own organisation that wait."""
    names = seen(desk, called)[1]
    found = {each.id.hex(): each for each in _waiting(desk, called) if not each.second}
    return page(called, found, lambda name: _proposal(names, found[name]))


def confirm(desk: Desk, called: Called) -> Emergency:
    """Another post confirms. Raises RecordNotFound, ActRefused, LedgerRefused."""
    second, wanted = called.who.staff, bytes.fromhex(called.parts["proposal"])
    found = next((each for each in _waiting(desk, called) if each.id == wanted), None)
    if found is None or found.alias.hex() != called.body.patient:
        raise RecordNotFound()
    opener = _post(desk, second.organisation, found.opener)
    made = confirm_emergency(desk.world.network, opener, second, wanted)
    return _entry(desk, called, made.entry)


def emergencies(desk: Desk, called: Called) -> Page[Emergency]:
    """Those of one's own organisation's posts; an officer of the ministry sees all."""
    found = {
        each.entry.hex(): each for each in on_ledger.entries(desk.world) if _concerns(desk, called, each)
    }
    names, now = seen(desk, called)[1], desk.world.clock.now()
    return page(called, found, lambda name: _emergency(names, now, found[name]))


def emergency(desk: Desk, called: Called) -> Emergency:
    """One of them; raises RecordNotFound."""
    return _entry(desk, called, bytes.fromhex(called.parts["entry"]))


def review(desk: Desk, called: Called) -> Emergency:
    """An officer of the ministry, or the employer's operator, says what the review found.

    Raises RecordNotFound, ActRefused for whoever opened or confirmed it, LedgerRefused for a second review.
    """
    entry, staff, network = bytes.fromhex(called.parts["entry"]), called.who.staff, desk.world.network
    facts = network.ledger.fresh_head().break_glass(entry)
    if facts is None or not _concerns(desk, called, facts):
        raise RecordNotFound()
    if staff.number in (facts.opener, facts.second):
        raise ActRefused(why="who opened or confirmed an emergency does not review it")
    if _is_officer(desk, staff):
        review_entry(network, entry, called.body.justified, staff.number, staff.key)
    else:
        employer = staff.organisation
        review_entry(network, entry, called.body.justified, employer.number, employer.controller)
    return _entry(desk, called, entry)


def _waiting(desk: Desk, called: Called) -> list[EmergencyProposal]:
    return proposed_here(called.who.staff.organisation, desk.world.clock.now())


def _post(desk: Desk, employer: Organisation, number: int) -> Staff:
    for staff in desk.world.keyring.all_staff(employer).values():
        if staff.number == number:
            return staff
    raise RecordNotFound()


def _is_officer(desk: Desk, staff: Staff) -> bool:
    return Role.MINISTRY in party(desk.world.ledger.fresh_head(), staff.number).roles


def _concerns(desk: Desk, called: Called, each: BreakGlassFacts) -> bool:
    """Whether the opener is a post of one's own organisation, or the asking post an officer's."""
    if _is_officer(desk, called.who.staff):
        return True
    opener = party(desk.world.ledger.fresh_head(), each.opener)
    return opener.employer == called.who.staff.organisation.number


def _entry(desk: Desk, called: Called, entry: bytes) -> Emergency:
    view, names = seen(desk, called)
    facts = view.break_glass(entry)
    if facts is None or not _concerns(desk, called, facts):
        raise RecordNotFound()
    return _emergency(names, desk.world.clock.now(), facts)


def _emergency(names: Names, now: int, each: BreakGlassFacts) -> Emergency:
    return Emergency(
        each.entry.hex(),
        names.id(each.opener),
        names.id(each.second),
        moment(each.opened_at),
        moment(each.until),
        each.restricted,
        on_ledger.state_of(each, now),
        each.justified if each.reviewed else None,
    )


def _proposal(names: Names, made: EmergencyProposal) -> Proposal:
    return Proposal(
        made.id.hex(),
        made.alias.hex(),
        made.reason,
        made.seconds,
        [Compartment.numbered(number).category.code for number in made.restricted],
        names.id(made.opener),
        moment(made.made),
        moment(made.made + PROPOSED_FOR),
    )


ROWS = (
    Row("POST", "/emergency-proposals", "propose", "A doctor proposes to break the glass; nothing is open yet.",
        propose, Proposal, OPENERS, takes=NewEmergency, refusals=(PatientNotFound,), status=201, fresh=True),
    Row("GET", "/emergency-proposals", "proposals", "Proposed emergencies of one's own organisation that wait for a "
        "second post.", proposals, Page[Proposal], SECONDS, query=Paged),
    Row("POST", "/emergency-proposals/{proposal}/confirmation", "confirm", "Another post confirms, and the "
        "emergency is open: its opener reads, the patient is alarmed.", confirm, Emergency, SECONDS, takes=Agreed,
        refusals=(LedgerRefused,), status=201, fresh=True),
    Row("GET", "/emergencies", "emergencies", "Emergencies of one's own organisation; for officers of the ministry "
        "all.", emergencies, Page[Emergency], query=Paged),
    Row("GET", "/emergencies/{entry}", "emergency", "One of them.", emergency, Emergency),
    Row("POST", "/emergencies/{entry}/review", "review", "Say whether it was justified: an officer of the ministry, or "
        "an operator of the opener's employer; never who opened or confirmed it.", review, Emergency, REVIEWERS,
        takes=Found, refusals=(LedgerRefused,), fresh=True),
)  # fmt: skip
