"""Requests for access: a post asks a patient, whose agent answers; silence grants nothing. A post sees its own."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from careledger.domain.categories import Category, Compartment, Sensitivity
from careledger.domain.consents import Permission, Scope, Window
from careledger.domain.errors import ApiRefused, PatientNotFound, RecordNotFound
from careledger.formats.patients import AccessRequest
from careledger.gateway.api.pages import Page, Paged, page
from careledger.gateway.api.patients import Alias, Covered, covered
from careledger.gateway.api.rows import Called, Row
from careledger.gateway.api.times import Moment, moment
from careledger.gateway.desk import Desk
from careledger.workflows import request_access
from careledger.workflows.custody import find_statement
from careledger.workflows.received import fetch_grants

CATEGORIES = [each.code for each in Category]
CategoryName = Annotated[str, Meta(extra_json_schema={"enum": CATEGORIES})]
Permitted = Annotated[str, Meta(extra_json_schema={"enum": [each.code for each in Permission]})]
YEARS = 50 * 366 * 24 * 3600


class NewRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """What a patient is asked for, for the purpose that the token was issued for."""

    patient: Alias
    categories: Annotated[list[CategoryName], Meta(max_length=20, description="Their normal records.")] = []
    restricted: Annotated[
        list[CategoryName], Meta(max_length=20, description="Of these categories the restricted records too.")
    ] = []
    may: Annotated[tuple[Permitted, ...], Meta(min_length=1, max_length=3)] = ("view",)
    seconds: Annotated[int, Meta(ge=60, le=YEARS, description="For how long, from now.")] = 30 * 24 * 3600
    reason: Annotated[str, Meta(max_length=500, description="Why, for the patient to read.")] = ""


class Request(Struct, frozen=True):
    """A request for access, and what was answered."""

    id: str
    patient: Alias
    may: list[str]
    categories: list[Covered]
    purpose: str
    start: Moment
    end: Moment
    reason: str
    made: Moment
    answer: Annotated[str | None, Meta(description="granted or refused; null while there is no answer.")]


def ask(desk: Desk, called: Called) -> Request:
    """Asks, in the token's session; raises ApiRefused, PatientNotFound."""
    body, who, network = called.body, called.who, desk.world.network
    compartments = {Compartment(category_of(each)) for each in body.categories}
    compartments |= {Compartment(category_of(each), Sensitivity.RESTRICTED) for each in body.restricted}
    if not compartments:
        raise ApiRefused(why="name at least one category")
    statement = find_statement(network, bytes.fromhex(body.patient), desk.world.custodians)
    now = max(network.clock.now(), network.ledger.fresh_head().head.time)
    scope = Scope(frozenset(compartments), frozenset(map(_permission, body.may)))
    made = request_access.request_access(
        network, desk.leases.session(who), statement, scope, who.purpose, Window(now, now + body.seconds),
        body.reason, called.unique[:16],
    )  # fmt: skip
    return _request(made, None)


def requests(desk: Desk, called: Called) -> Page[Request]:
    """What this post asked, by id."""
    found = _own(desk, called)
    return page(called, found, lambda name: found[name])


def request(desk: Desk, called: Called) -> Request:
    """One of them; raises RecordNotFound."""
    found = _own(desk, called).get(called.parts["request"])
    if found is None:
        raise RecordNotFound()
    return found


def _own(desk: Desk, called: Called) -> dict[str, Request]:
    staff = called.who.staff
    fetch_grants(desk.world.network, staff.organisation)
    mine = [each for each in request_access.sent_requests(staff.organisation) if each.reader == staff.number]
    return {
        each.id.hex(): _request(each, request_access.answer_to(staff.organisation, each.id)) for each in mine
    }


def _request(made: AccessRequest, answer: str | None) -> Request:
    return Request(
        made.id.hex(),
        made.alias.hex(),
        list(made.scope.permissions),
        covered(Compartment.numbered(number) for number in made.scope.compartments),
        made.purpose,
        moment(made.start),
        moment(made.end),
        made.reason,
        moment(made.made),
        answer,
    )


def category_of(code: str) -> Category:
    """The category of that name; raises ApiRefused."""
    if code not in CATEGORIES:
        raise ApiRefused(why="a category that there is not")
    return Category.of(code)


def _permission(code: str) -> Permission:
    for each in Permission:
        if each.code == code:
            return each
    raise ApiRefused(why="a permission that there is not")


ROWS = (
    Row("POST", "/consent-requests", "ask", "Ask a patient for access; silence grants nothing.", ask, Request,
        takes=NewRequest, refusals=(PatientNotFound,), status=201),
    Row("GET", "/consent-requests", "requests", "What this post asked, and what was answered.", requests,
        Page[Request], query=Paged),
    Row("GET", "/consent-requests/{request}", "request", "One of them.", request, Request),
)  # fmt: skip
