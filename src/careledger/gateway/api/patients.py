"""Whom one's own organisation registered, and the consents that name the asking post.

The same is shown as by FHIR: the organisation's identity table, which ones of its posts may read by the matrix, and of
consents everything but which records they leave out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated

from msgspec import Meta, Struct

from careledger.app.names import Names
from careledger.domain.categories import Category, Compartment, Sensitivity
from careledger.domain.errors import (
    AccessRefused,
    ApiRefused,
    NotEnoughCustodians,
    PatientNotFound,
    RecordNotFound,
    WritingRefused,
)
from careledger.domain.matrix import VERSIONS, WriteCell
from careledger.domain.parties import ControllerKind
from careledger.gateway.api.pages import Page, Paged, page, page_along
from careledger.gateway.api.rows import PARTS, Called, Row
from careledger.gateway.api.times import Moment, is_day, moment
from careledger.gateway.desk import Desk
from careledger.gateway.grounds import unreadable
from careledger.gateway.operations.consents import KIND, Held, holding, holding_after, is_held
from careledger.ports import LedgerView
from careledger.workflows import register as workflows_register
from careledger.workflows.alike import KnownPeople
from careledger.workflows.identity_rows import Identity
from careledger.workflows.judging import post_at
from careledger.workflows.register import identities, identity_of

Alias = Annotated[
    str,
    Meta(
        pattern=f"^{PARTS['patient'].pattern}$",
        max_length=64,
        description="The patient's alias, as in FHIR's Patient/ and behind it.",
    ),
]
MOST_LIKE = 20
CONTROLLERS = {
    ControllerKind.SELF: "patient",
    ControllerKind.GUARDIAN: "guardian",
    ControllerKind.REGISTRAR: "registrar",
    ControllerKind.NOBODY: "nobody",
    ControllerKind.UNKNOWN: "unknown",
}


class Patient(Struct, frozen=True):
    """A row of the organisation's own identity table; what is not known is empty."""

    alias: Alias
    name: str
    romanised: str
    birth: Annotated[str, Meta(description="A date, as exact as it is known: 1979, 1979-02, 1979-02-27.")]
    national_id: str
    controller: Annotated[
        str, Meta(description=f"Who holds the keys now: {', '.join(CONTROLLERS.values())}.")
    ]


class NewPatient(Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody to be registered; nothing is mandatory."""

    name: Annotated[str, Meta(max_length=200, description="In any script.")] = ""
    romanised: Annotated[str, Meta(max_length=200, description="In Latin letters.")] = ""
    birth: Annotated[
        str,
        Meta(
            pattern="^([0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?)?$",
            max_length=10,
            description="A date, as exact as it is known: 1979, 1979-02, 1979-02-27.",
        ),
    ] = ""
    national_id: Annotated[str, Meta(max_length=64)] = ""
    escrow: Annotated[bool, Meta(description="Whether records may be opened in an emergency.")] = True


class Registered(Struct, frozen=True):
    """Who was registered, and whom of the organisation's own patients it may be: for people to judge."""

    patient: Patient
    like: Annotated[list[str], Meta(max_length=MOST_LIKE)]


class Covered(Struct, frozen=True):
    """A category of records; restricted ones only where it says so."""

    category: str
    restricted: bool


class Grantee(Struct, frozen=True):
    """Whom a consent names."""

    kind: str
    id: str
    name: str | None
    organisation: str


class Consent(Struct, frozen=True):
    """A consent that names this post, one of its teams or its organisation. Which records it leaves out is not said."""

    commitment: str
    patient: Alias
    state: Annotated[str, Meta(description="proposed, active or inactive.")]
    grantee: Grantee
    may: list[str]
    categories: list[Covered]
    single_records: Annotated[
        int | None, Meta(description="Only so many records, where it is about single ones.")
    ]
    authors: Annotated[list[str] | None, Meta(description="Only what these wrote.")]
    from_month: str | None
    to_month: str | None
    purpose: str
    start: Moment
    end: Moment
    given: Annotated[Moment | None, Meta(description="When the ledger took it.")]


class OfPatient(Paged, frozen=True, forbid_unknown_fields=True):
    """Which part of a list, of one patient or of all."""

    patient: Annotated[
        str,
        Meta(
            pattern=f"^({PARTS['patient'].pattern})?$", max_length=64, description="Only those of this alias."
        ),
    ] = ""


def patients(desk: Desk, called: Called) -> Page[Patient]:
    """The identity table, by alias; raises AccessRefused."""
    _check_reads(desk, called)
    view = desk.world.ledger.fresh_head()
    rows = {row.alias.hex(): row for row in identities(called.who.staff.organisation)}
    return page(called, rows, lambda name: _patient(view, rows[name]))


def patient(desk: Desk, called: Called) -> Patient:
    """One row of it; raises AccessRefused, PatientNotFound."""
    _check_reads(desk, called)
    row = identity_of(called.who.staff.organisation, bytes.fromhex(called.parts["patient"]))
    return _patient(desk.world.ledger.fresh_head(), row)


def consents(desk: Desk, called: Called) -> Page[Consent]:
    """What this post holds, by commitment."""
    names = _names(desk, called)
    if called.query.patient:
        wanted = [bytes.fromhex(called.query.patient)]
        found = {each.commitment.hex(): each for each in holding(desk.world, called.who, wanted)}
        return page(called, found, lambda name: _consent(names, found[name]))

    def following(after: str) -> Iterator[tuple[str, Consent]]:
        for each in holding_after(desk.world, called.who, bytes.fromhex(after)):
            yield each.commitment.hex(), _consent(names, each)

    return page_along(called, following)


def consent(desk: Desk, called: Called) -> Consent:
    """One of them; raises RecordNotFound."""
    if not is_held(KIND, called.parts["consent"]):
        raise RecordNotFound()
    for each in holding(desk.world, called.who, commitment=bytes.fromhex(called.parts["consent"])):
        return _consent(_names(desk, called), each)
    raise RecordNotFound()


def covered(compartments: Iterable[Compartment]) -> list[Covered]:
    """Compartments as answers write them."""
    return [
        Covered(each.category.code, each.sensitivity is Sensitivity.RESTRICTED)
        for each in sorted(compartments)
    ]


def register(desk: Desk, called: Called) -> Registered:
    """Registers somebody, whose keys the organisation holds until they are claimed.

    A repetition by the same idempotency key is the same person, finished. Raises ApiRefused, WritingRefused.
    """
    body, network, registrar = called.body, desk.world.network, called.who.staff.organisation
    check_registers(network.ledger.fresh_head(), called.who.staff.number)
    if body.birth and not is_day(body.birth, network.clock.now()):
        raise ApiRefused(why="birth is no date that has come")
    row = Identity(bytes(32), bytes(16), body.name, body.romanised, body.national_id, body.birth, bytes(32))
    like = [each.alias.hex() for each in KnownPeople(registrar).like(row) if each.alias != called.unique]
    made = workflows_register.patient(network, registrar, row, body.escrow, alias=called.unique)
    kept = identity_of(registrar, made.alias)
    return Registered(_patient(network.ledger.fresh_head(), kept), like[:MOST_LIKE])


def check_registers(view: LedgerView, post: int) -> None:
    """Raises WritingRefused for a post that the matrix does not let write who a patient is."""
    matrix, acting = VERSIONS[view.matrix_version()], post_at(view, post).acting
    if all(matrix.writing(role, Category.IDENTITY_PATIENT) is WriteCell.NO for role in acting):
        raise WritingRefused(because="The access matrix does not let this post write who a patient is.")


def _check_reads(desk: Desk, called: Called) -> None:
    if Category.IDENTITY_PATIENT in unreadable(desk.world.network, called.who):
        raise AccessRefused(because="The access matrix does not let this post read who a patient is.")


def _names(desk: Desk, called: Called) -> Names:
    return Names(desk.world, desk.world.ledger.fresh_head(), called.who.staff.organisation)


def _patient(view: LedgerView, row: Identity) -> Patient:
    facts = view.alias(row.alias)
    kind = facts.kind if facts else ControllerKind.UNKNOWN
    return Patient(row.alias.hex(), row.name, row.romanised, row.birth, row.national_id, CONTROLLERS[kind])


def _consent(names: Names, held: Held) -> Consent:
    agreed, scope, grantee = held.agreed, held.agreed.scope, held.agreed.grantee
    return Consent(
        held.commitment.hex(),
        held.alias.hex(),
        held.status,
        Grantee(
            grantee.kind.code,
            names.id(grantee.number),
            names.known(grantee.number),
            names.id(grantee.organisation.number),
        ),
        [each.code for each in sorted(scope.permissions)],
        covered(scope.compartments),
        None if scope.handles is None else len(scope.handles),
        None if scope.authors is None else sorted(names.id(each.number) for each in scope.authors),
        scope.from_month,
        scope.to_month,
        agreed.purpose.code,
        moment(agreed.window.start),
        moment(agreed.window.end),
        moment(held.given_at) if held.given_at else None,
    )


ROWS = (
    Row("GET", "/patients", "patients", "Whom one's own organisation registered.", patients, Page[Patient],
        query=Paged, refusals=(AccessRefused,), shows=lambda page: [each["alias"] for each in page["items"]]),
    Row("POST", "/patients", "register", "Register somebody; the organisation holds the keys until they are claimed.",
        register, Registered, takes=NewPatient, refusals=(WritingRefused, NotEnoughCustodians), status=201,
        shows=lambda made: made["like"]),
    Row("GET", "/patients/{patient}", "patient", "One of them.", patient, Patient,
        refusals=(AccessRefused, PatientNotFound), shows=lambda row: [row["alias"]]),
    Row("GET", "/consents", "consents", "The consents that name this post, its teams or its organisation, ended ones "
        "included.", consents, Page[Consent], query=OfPatient),
    Row("GET", "/consents/{consent}", "consent", "One of them.", consent, Consent),
)  # fmt: skip
