"""A FHIR Consent counts with the package that the patient's agent signed for this organisation, and not otherwise."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from careledger.adapters.books.memory import MemoryBooks
from careledger.adapters.books.sqlite import SqliteBooks
from careledger.domain.consents import Grantee, GranteeKind, Permission, Purpose, Scope, Window
from careledger.domain.errors import (
    AccessRefused,
    CannotExpress,
    CannotOpen,
    CareLedgerError,
    FhirRefused,
    MalformedBytes,
    SignatureRefused,
    StoreUnavailable,
)
from careledger.domain.parties import PartyId
from careledger.fhir.json_text import read
from careledger.fhir.validation.check import examine
from careledger.formats.patients import Certificate, Envelope, GrantPackage, RecordKey
from careledger.formats.signatures import SigningKey
from careledger.formats.signed import open_signed, sign
from careledger.sealing.grants import open_package, seal_package
from careledger.workflows import rotate_keys
from careledger.workflows.accesses import by_consent
from careledger.workflows.actors import Holder, Organisation
from careledger.workflows.epochs import own_statement, publish_statement
from careledger.workflows.grant import Granted, grant
from careledger.workflows.received import (
    EPOCH_KEYS,
    RECEIVED,
    check_grant,
    grants,
    keep_grant,
    known_statement,
    live_grant,
)
from careledger.workflows.retrieve import retrieve
from careledger.workflows.revoke import revoke
from careledger.workflows.signed_consents import SEALED, is_signed, signed_consent, take_signed
from world import APPEND, DAY, DIAGNOSIS, GUARDED, REPORT, VIEW, World, condition, texts

Consent = dict[str, Any]


@pytest.fixture
def mine(world: World) -> Holder:
    """A claimed record with one diagnosis, of which the clinic knows nothing."""
    holder = world.patient(compartments=(DIAGNOSIS, REPORT, GUARDED))
    world.put(world.writer(), holder.alias, condition(world.doctor))
    return world.claim(holder).holder


def unread(world: World) -> Organisation:
    """The clinic with books in which nothing came from the board."""
    return replace(world.clinic, books=MemoryBooks())


def stated(world: World, mine: Holder, granted: Granted) -> Consent:
    made = signed_consent(world.network, mine, granted.given)
    assert examine(read(_json(made))).errors == ()
    return made


def _json(made: Consent) -> bytes:
    return json.dumps(made).encode()


def rows(organisation: Organisation) -> tuple[set[bytes], set[bytes]]:
    books = organisation.books
    return {key for key, _ in books.rows(RECEIVED)}, {key for key, _ in books.rows(EPOCH_KEYS)}


def envelope(world: World, consent: Consent) -> Envelope:
    return Envelope.decode(
        open_package(world.clinic.sealing, base64.b64decode(consent["sourceAttachment"]["data"]))
    )


def repacked(
    world: World, consent: Consent, change: Callable[[Envelope], Envelope], key: Any = None
) -> Consent:
    """The Consent with another package, sealed to the clinic again."""
    opener = key or world.clinic.sealing
    package = base64.b64decode(consent["sourceAttachment"]["data"])
    changed = change(Envelope.decode(open_package(opener, package)))
    data = base64.b64encode(seal_package(world.clinic.sealing.public, changed.encode())).decode()
    return {**consent, "sourceAttachment": {"contentType": SEALED, "data": data}}


# What counts -------------------------------------------------------------------------------------


def test_a_grant_that_came_by_a_consent_reads_as_one_that_came_by_the_board(
    world: World, mine: Holder
) -> None:
    consent = stated(world, mine, world.grant(mine, world.outsider))
    clinic = unread(world)
    staff = replace(world.outsider, organisation=clinic)
    with pytest.raises(AccessRefused):
        live_grant(world.network, staff, mine.alias, "TREAT")
    taken = take_signed(world.network, clinic, consent)
    assert taken.new
    received = live_grant(world.network, staff, mine.alias, "TREAT")
    access = by_consent(world.session(staff), received)
    assert texts(retrieve(world.network, access, world.statement(mine.alias), [DIAGNOSIS])) == ["asthma"]
    assert texts(world.read_by_consent(world.outsider, mine.alias)) == ["asthma"]
    assert rows(clinic) == rows(world.clinic)


def test_the_same_again_is_harmless(world: World, mine: Holder) -> None:
    consent, clinic = stated(world, mine, world.grant(mine, world.outsider)), unread(world)
    take_signed(world.network, clinic, consent)
    before = rows(clinic)
    assert not take_signed(world.network, clinic, deepcopy(consent)).new
    assert rows(clinic) == before
    assert len(grants(clinic)) == 1


def test_narrowed_consents_are_taken_too(world: World, mine: Holder) -> None:
    clinic = unread(world)
    [record] = world.read_own(mine).records
    author = frozenset({PartyId(world.hospital.number)})
    for narrowed in (
        {"authors": author, "from_month": "2020-01"},
        {"exceptions": frozenset({record.handle})},
        {"permissions": (VIEW, APPEND), "compartments": (DIAGNOSIS, REPORT, GUARDED)},
    ):
        assert take_signed(
            world.network, clinic, stated(world, mine, world.grant(mine, world.outsider, **narrowed))
        ).new
    single = Scope(frozenset({DIAGNOSIS}), frozenset({VIEW}), handles=frozenset({record.handle}))
    key = RecordKey(record.handle, DIAGNOSIS.number, record.secret.reveal())
    grantee, now = (
        Grantee(GranteeKind.ORGANISATION, world.clinic.number, PartyId(world.clinic.number)),
        world.clock.now(),
    )
    given = grant(world.network, mine, grantee, single, Purpose.TREAT, Window(now, now + DAY), [key])
    assert take_signed(world.network, clinic, stated(world, mine, given)).new
    assert len(grants(clinic)) == 4


def test_what_is_sent_again_late_displaces_nothing_newer(world: World, mine: Holder) -> None:
    granted, clinic = world.grant(mine, world.outsider), unread(world)
    early = stated(world, mine, granted)
    old, _ = own_statement(mine)
    newer = publish_statement(
        world.network, mine, old.custodians, old.custodian_seed, old.registrar, old.escrow
    )
    take_signed(world.network, clinic, stated(world, newer, granted))
    take_signed(world.network, clinic, early)
    assert known_statement(clinic, mine.alias).number == old.number + 1


def test_of_two_processes_that_take_at_once_none_displaces_what_the_other_took(
    world: World, mine: Holder, tmp_path: Path
) -> None:
    granted, alias = world.grant(mine, world.outsider), mine.alias
    early = envelope(world, stated(world, mine, granted))
    old, _ = own_statement(mine)
    newer = publish_statement(
        world.network, mine, old.custodians, old.custodian_seed, old.registrar, old.escrow
    )
    late = envelope(world, stated(world, newer, granted))
    books, others = (SqliteBooks(tmp_path / "books.db", bytes(32)) for _ in range(2))
    others._db.execute("PRAGMA busy_timeout = 0")
    one, other = (replace(world.clinic, books=each) for each in (books, others))
    came = list[bool]()

    class Between:
        """The other process comes while the first one has looked and not yet written, and is held up, or not."""

        def now(self) -> int:
            with suppress(StoreUnavailable):
                keep_grant(world.network, other, late, check_grant(world.network, other, late))
                came.append(True)
            return world.clock.now()

    network = replace(world.network, clock=cast(Any, Between()))
    keep_grant(network, one, early, check_grant(network, one, early))
    if not came:
        keep_grant(world.network, other, late, check_grant(world.network, other, late))
    assert known_statement(one, alias).number == known_statement(other, alias).number == old.number + 1
    for each in (books, others):
        each.close()


# What does not -----------------------------------------------------------------------------------


def refused(
    world: World, clinic: Organisation, consent: Consent, why: type[CareLedgerError], said: str = "."
) -> None:
    with pytest.raises(why, match=said):
        take_signed(world.network, clinic, consent)
    assert rows(clinic) == (set(), set())


def test_another_organisation_cannot_open_it(world: World, mine: Holder) -> None:
    consent = stated(world, mine, world.grant(mine, world.outsider))
    refused(world, world.pharmacy, consent, CannotOpen, "another organisation")


def test_a_grant_to_another_organisation_sealed_to_this_one_is_refused(world: World, mine: Holder) -> None:
    """An insider of the grantee's hands on what was for the grantee alone."""
    consent = stated(world, mine, world.grant(mine, world.doctor))
    handed_on = repacked(world, consent, lambda envelope: envelope, world.hospital.sealing)
    refused(world, unread(world), handed_on, MalformedBytes, "another organisation")


def test_a_stranger_signs_for_nobody(world: World, mine: Holder) -> None:
    granted, stranger = world.grant(mine, world.outsider), SigningKey.random()
    consent, deployment = stated(world, mine, granted), world.ledger.deployment

    def forged(envelope: Envelope) -> Envelope:
        package = GrantPackage.decode(envelope.content.body)
        wider = replace(granted.certificate, purpose="HRESCH")
        mixed = replace(package, certificate=sign(wider, stranger, deployment))
        return replace(envelope, content=sign(mixed, stranger, deployment))

    def resigned(envelope: Envelope) -> Envelope:
        return replace(
            envelope, content=sign(GrantPackage.decode(envelope.content.body), stranger, deployment)
        )

    def slipped_in(envelope: Envelope) -> Envelope:
        package = GrantPackage.decode(envelope.content.body)
        mixed = replace(package, certificate=sign(granted.certificate, stranger, deployment))
        return replace(envelope, content=sign(mixed, mine.controller, deployment))

    for change in (forged, resigned, slipped_in):
        refused(world, unread(world), repacked(world, consent, change), SignatureRefused)


def test_a_package_of_another_kind_is_refused(world: World, mine: Holder) -> None:
    consent = stated(world, mine, world.grant(mine, world.outsider))
    other = repacked(world, consent, lambda envelope: replace(envelope, kind="located"))
    refused(world, unread(world), other, MalformedBytes, "no grant package")


def test_a_consent_that_is_over_revoked_or_of_a_former_controller_is_refused(
    world: World, mine: Holder
) -> None:
    clinic = unread(world)
    short = stated(world, mine, world.grant(mine, world.outsider, seconds=60))
    longer = world.grant(mine, world.outsider)
    kept = stated(world, mine, longer)
    world.clock.advance(60)
    refused(world, clinic, short, AccessRefused, "consent-expired")
    revoke(world.network, mine, longer.owner)
    refused(world, clinic, kept, AccessRefused, "consent-revoked")
    before = stated(world, mine, world.grant(mine, world.outsider))
    rotate_keys.rotate(world.network, mine)
    refused(world, clinic, before, SignatureRefused)


def test_what_was_signed_and_does_not_stand_on_the_ledger_is_refused_until_it_does(
    world: World, mine: Holder
) -> None:
    granted, deployment = world.grant(mine, world.outsider), world.ledger.deployment
    consent = stated(world, mine, granted)

    def unentered(envelope: Envelope) -> Envelope:
        package = GrantPackage.decode(envelope.content.body)
        other = replace(granted.certificate, salt=bytes(32))
        return replace(
            envelope,
            content=sign(
                replace(package, certificate=sign(other, mine.controller, deployment)),
                mine.controller,
                deployment,
            ),
        )

    refused(world, unread(world), repacked(world, consent, unentered), AccessRefused, "no-consent")
    revoke(world.network, mine, granted.owner)
    with pytest.raises(AccessRefused, match="consent-revoked"):
        signed_consent(world.network, mine, granted.given)


def _set(*path: str | int, to: Any) -> Callable[[Consent], None]:
    def change(consent: Consent) -> None:
        place: Any = consent
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = to

    return change


CLASS = {"system": "urn:careledger:category", "code": "report"}
RESTRICTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
PURPOSE = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HRESCH"}
COLLECT = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentaction", "code": "collect"}]}


@pytest.mark.parametrize(
    "change",
    [
        lambda consent: consent["provision"]["class"].append(CLASS),
        lambda consent: consent["provision"].pop("class"),
        lambda consent: consent["provision"]["securityLabel"].append(RESTRICTED),
        lambda consent: consent["provision"]["purpose"].append(PURPOSE),
        lambda consent: consent["provision"]["action"].append(COLLECT),
        lambda consent: consent["provision"].update(dataPeriod={"start": "2020-01"}),
        lambda consent: consent["provision"].pop("provision"),
        lambda consent: consent["provision"].update(extension=[{"url": "urn:x", "valueString": "more"}]),
        lambda consent: consent.update(performer=[{"display": "somebody"}]),
        lambda consent: consent.update(text={"status": "generated", "div": "<div>everything</div>"}),
        lambda consent: consent.update(verification=[{"verified": True}]),
        lambda consent: consent.update(organization=[{"reference": "Organization/x"}]),
        lambda consent: consent.pop("provision"),
        _set("provision", "purpose", to=[PURPOSE]),
        _set("provision", "type", to="deny"),
        _set("provision", "period", "end", to="2090-01-01"),
        _set("provision", "period", "start", to="2000-01-01"),
        _set("patient", "identifier", "value", to="00" * 32),
        _set("provision", "actor", 0, "reference", "identifier", "value", to=f"{51:016x}"),
        _set("provision", "provision", 0, "data", 0, "reference", "identifier", "value", to="07" * 32),
        _set("policy", to=[{"uri": "https://example.org/more"}]),
        _set("status", to="inactive"),
        _set("scope", "coding", 0, "code", to="research"),
        _set("identifier", to=[{"system": "urn:careledger:consent", "value": "00" * 32}]),
        _set("sourceAttachment", "title", to="everything"),
    ],
)
def test_a_resource_that_says_more_less_or_something_else_than_its_certificate_is_refused(
    world: World, mine: Holder, change: Callable[[Consent], None]
) -> None:
    granted = world.grant(mine, world.outsider, exceptions=frozenset({b"\5" * 32}))
    consent, clinic = stated(world, mine, granted), unread(world)
    changed = deepcopy(consent)
    change(changed)
    refused(world, clinic, changed, CannotExpress)
    assert take_signed(world.network, clinic, consent).new


@pytest.mark.parametrize("data", [None, "", "####", "AAAA", 7, base64.b64encode(bytes(4096)).decode()[:-4]])
def test_an_attachment_that_is_no_package_is_refused(world: World, mine: Holder, data: Any) -> None:
    consent = stated(world, mine, world.grant(mine, world.outsider))
    consent["sourceAttachment"]["data"] = data
    assert is_signed(consent)
    refused(world, unread(world), consent, FhirRefused)


def test_a_package_that_was_changed_does_not_open(world: World, mine: Holder) -> None:
    consent = stated(world, mine, world.grant(mine, world.outsider))
    package = bytearray(base64.b64decode(consent["sourceAttachment"]["data"]))
    package[len(package) // 2] ^= 1
    consent["sourceAttachment"]["data"] = base64.b64encode(bytes(package)).decode()
    refused(world, unread(world), consent, CannotOpen)


def test_the_certificate_inside_is_the_one_that_the_agent_signed(world: World, mine: Holder) -> None:
    granted = world.grant(mine, world.outsider)
    taken = take_signed(world.network, unread(world), stated(world, mine, granted))
    signed = taken.received.package.certificate
    made = open_signed(Certificate, signed, mine.controller.address, world.ledger.deployment)
    assert made == granted.certificate
    assert Permission.VIEW.code in made.scope.permissions
