"""A post reads the consents that it holds; a Consent that it writes is a document; the log is the patient's."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from careledger.domain.categories import Category
from careledger.domain.consents import Grantee, GranteeKind, Permission, Purpose, Scope, Window
from careledger.domain.parties import PartyId
from careledger.fhir.consent import words
from careledger.fhir.consent.agreed import Known
from careledger.fhir.consent.reading import agreements
from careledger.formats.patients import ReceivedGrant
from careledger.formats.scopes import grantee_form, scope_form
from careledger.workflows import register
from careledger.workflows.grant import Granted, grant
from careledger.workflows.received import grants
from careledger.workflows.revoke import revoke
from careledger.workflows.signed_consents import signed_consent
from gateway.edge_world import JSON, Edge, Reply
from story import DIAGNOSIS, REPORT

LATER = (Category.VISIT, Category.GENERAL, Category.MEASUREMENT)
HIDDEN = b"\7" * 32
"""A record that a consent leaves out."""


def given(edge: Edge, label: str, scope: Scope, kind: GranteeKind = GranteeKind.POST) -> Granted:
    """Adam lets that post, or its organisation, do this for an hour."""
    story, staff = edge.story, edge.story.staff[label]
    number = staff.number if kind is GranteeKind.POST else staff.organisation.number
    grantee = Grantee(kind, number, PartyId(staff.organisation.number))
    now = story.world.clock.now()
    holder = story.holder(story.adam)
    return grant(story.world.network, holder, grantee, scope, Purpose.TREAT, Window(now - 10, now + 3600))


def view_of(*compartments: Any, **narrowed: Any) -> Scope:
    return Scope(frozenset(compartments), frozenset({Permission.VIEW}), **narrowed)


def test_a_post_finds_the_consents_that_name_it_and_each_says_what_its_certificate_says(edge: Edge) -> None:
    made = given(edge, "Dr Stay", view_of(DIAGNOSIS, REPORT, from_month="2020-01"))
    found = edge.client("Dr Stay").ask(f"Consent?patient={edge.story.adam.hex()}&status=active")
    held = {each["id"]: each for each in found.matches}
    one = held[made.commitment.hex()]
    assert edge.client("Dr Stay").ask(f"Consent/{one['id']}").body == one
    staff = edge.story.staff["Dr Stay"]
    whom = Grantee(GranteeKind.POST, staff.number, PartyId(staff.organisation.number))
    read = {name: value for name, value in one.items() if name != "meta"}
    alias = frozenset({f"{words.ALIAS}|{edge.story.adam.hex()}"})
    (agreed,) = agreements(read, Known(alias, lambda name: whom, lambda name: None))
    assert grantee_form(agreed.grantee) == made.certificate.grantee
    assert scope_form(agreed.scope) == made.certificate.scope
    assert (agreed.purpose, agreed.window.end) == (Purpose.TREAT, made.given.end)
    assert one["identifier"][0]["value"] == made.commitment.hex()


def test_a_post_does_not_find_what_names_another_post_or_another_organisation(edge: Edge) -> None:
    made = given(edge, "clerk", view_of(DIAGNOSIS))
    id = made.commitment.hex()
    assert edge.client("clerk").ask(f"Consent/{id}").status == 200
    for stranger in ("Dr City", "Dr Lake", "Dr Stay"):
        reply = edge.client(stranger).ask(f"Consent/{id}")
        unknown = edge.client(stranger).ask(f"Consent/{bytes(32).hex()}")
        assert (reply.status, reply.issue) == (404, unknown.issue)
        assert id not in json.dumps(edge.client(stranger).ask("Consent").body)
    whole = given(edge, "Dr City", view_of(DIAGNOSIS), GranteeKind.ORGANISATION).commitment.hex()
    assert {edge.client(each).ask(f"Consent/{whole}").status for each in ("clerk", "Dr City")} == {200}
    assert edge.client("Dr Stay").ask(f"Consent/{whole}").status == 404


def test_a_consent_that_was_revoked_is_found_as_inactive_and_opens_nothing(edge: Edge) -> None:
    adam, client = edge.story.adam, edge.client("Dr Lake")
    found = client.ask(f"Consent?patient={adam.hex()}").matches
    assert edge.story.revoked is not None
    by_id = {each["id"]: each["status"] for each in found}
    assert by_id[edge.story.revoked.commitment.hex()] == "inactive"
    assert client.ask(f"Condition?patient={adam.hex()}").status == 403
    made = given(edge, "Dr Lake", view_of(DIAGNOSIS))
    assert client.ask(f"Consent/{made.commitment.hex()}").body["status"] == "active"
    revoke(edge.story.world.network, edge.story.holder(adam), made.owner)
    assert client.ask(f"Consent/{made.commitment.hex()}").body["status"] == "inactive"


def test_whoever_holds_no_consent_of_a_patient_is_refused_as_for_any_search(edge: Edge) -> None:
    reply = edge.client("Dr Lake").ask(f"Consent?patient={edge.story.berta.hex()}")
    assert (reply.status, reply.issue[0]) == (403, "forbidden")


def test_a_record_that_a_consent_leaves_out_is_not_named_and_nothing_tells_that_there_is_one(
    edge: Edge,
) -> None:
    plain = given(edge, "Dr Stay", view_of(DIAGNOSIS))
    less = given(edge, "Dr Stay", view_of(DIAGNOSIS, exceptions=frozenset({HIDDEN})))
    made = []
    for each in (plain, less):
        body = edge.client("Dr Stay").ask(f"Consent/{each.commitment.hex()}").body
        assert body["meta"]["security"][0]["code"] == "REDACTED"
        del body["id"], body["identifier"], body["dateTime"], body["provision"]["period"]
        made.append(body)
    assert made[0] == made[1]
    assert HIDDEN.hex() not in json.dumps(made)


def test_a_consent_that_is_held_cannot_be_written_or_taken_back_here(edge: Edge) -> None:
    assert edge.story.staying is not None
    client, id = edge.client("Dr Stay"), edge.story.staying.commitment.hex()
    body = json.dumps(client.ask(f"Consent/{id}").body).encode()
    assert client.ask(f"Consent/{id}", "PUT", body, Content_Type=JSON).status == 405
    assert client.ask(f"Consent/{id}", "DELETE").status == 404
    assert client.ask(f"Consent/{id}/_history").status == 404
    assert client.ask(f"Consent/{id}").status == 200


def test_no_grant_is_opened_that_is_not_asked_for(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    client, opened = edge.client("Dr Stay"), list[bytes]()
    made = [given(edge, "Dr Stay", view_of(replace(DIAGNOSIS, category=each))) for each in LATER]
    assert client.ask("Consent").status == 200  # takes them from the board
    organisation, decode = edge.story.staff["Dr Stay"].organisation, ReceivedGrant.decode

    def counted(row: bytes) -> ReceivedGrant:
        opened.append(row)
        return decode(row)

    monkeypatch.setattr(ReceivedGrant, "decode", counted)
    every = sorted(each.certificate.commitment for each in grants(organisation))
    assert len(every) == len(opened) > 3
    opened.clear()
    one = made[0].commitment.hex()
    assert client.ask(f"Consent/{one}").body["id"] == one
    assert len(opened) == 1
    place, listed, most = "consents?limit=2", list[str](), 0
    api = replace(client, base=client.base.removesuffix("/fhir") + "/api/v1")
    while place:
        opened.clear()
        body = api.ask(place).body
        listed += [each["commitment"] for each in body["items"]]
        place, most = (body["next"] or "").partition("/api/v1/")[2], max(most, len(opened))
    mine = [each for each in every if each.hex() in listed]
    assert listed == [each.hex() for each in mine]
    assert {each.commitment for each in made} <= set(mine)
    assert most < len(every)


def test_pages_of_consents_hold_each_once(edge: Edge) -> None:
    client = edge.client("Dr Stay")
    for category in (Category.VISIT, Category.GENERAL):
        given(edge, "Dr Stay", view_of(replace(DIAGNOSIS, category=category)))
    every = [each["id"] for each in client.ask("Consent").matches]
    assert len(every) >= 3
    paged, reply = [], client.ask("Consent?_count=1")
    while True:
        paged += [each["id"] for each in reply.matches]
        if (following := reply.link("next")) is None:
            break
        reply = client.ask(following)
    assert paged == every


def written(edge: Edge, scope: str) -> bytes:
    """A Consent that would let Dr Lake read, if it counted."""
    named = {"system": words.PARTY, "value": f"{edge.story.staff['Dr Lake'].number:016x}"}
    role = {"coding": [{"system": words.PARTICIPATION, "code": "IRCP"}]}
    actor = {"role": role, "reference": {"type": "Practitioner", "identifier": named}}
    consent = {
        "resourceType": "Consent",
        "status": "active",
        "scope": {"coding": [{"system": words.SCOPES, "code": scope}]},
        "category": [{"coding": [{"system": words.LOINC, "code": "59284-0"}]}],
        "patient": {"reference": f"Patient/{edge.story.adam.hex()}"},
        "dateTime": "2026-05-04",
        "policy": [{"uri": words.NO_MORE}],
        "provision": {"type": "permit", "actor": [actor]},
    }
    return json.dumps(consent).encode()


def assert_grants_nothing(edge: Edge, held: int) -> None:
    assert len(grants(edge.story.organisations["Lakeside"])) == held
    assert edge.client("Dr Lake").ask(f"Condition?patient={edge.story.adam.hex()}").status == 403


def test_an_advance_directive_is_kept_as_a_document_and_answered_that_it_grants_nothing(edge: Edge) -> None:
    clerk, who = edge.client("clerk"), "urn:uuid:0d1b2c3d-0000-4000-8000-000000000009"
    patient = {"resourceType": "Patient", "name": [{"text": "Somebody"}], "birthDate": "1950-01"}
    directive = {**json.loads(written(edge, "adr")), "patient": {"reference": who}}
    request = {"method": "POST", "url": "Consent"}
    entries = [
        {"fullUrl": who, "resource": patient, "request": {"method": "POST", "url": "Patient"}},
        {"resource": directive, "request": request},
    ]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    reply = clerk.ask("", "POST", json.dumps(bundle).encode(), Content_Type=JSON)
    taken = [each["response"] for each in reply.body["entry"]]
    assert [each["status"] for each in taken] == ["201 Created", "201 Created"]
    assert "outcome" not in taken[0]
    assert "grants nothing" in taken[1]["outcome"]["issue"][0]["diagnostics"]
    alias = taken[0]["location"].split("/")[1]
    single = json.dumps({**directive, "patient": {"reference": f"Patient/{alias}"}}).encode()
    reply = clerk.ask("Consent", "POST", single, Content_Type=JSON)
    assert reply.status == 201
    assert "grants nothing" in reply.issue[1]
    alone = reply.headers["Location"].split("/fhir/")[1].partition("/_history")[0]
    found = [f"Consent/{each['id']}" for each in clerk.ask(f"Consent?patient={alias}").matches]
    assert set(found) == {taken[1]["location"].partition("/_history")[0], alone}
    assert edge.client("Dr Lake").ask(f"Consent?patient={alias}").status == 403


@pytest.fixture(scope="module")
def newcomer(edge: Edge) -> str:
    """Somebody whom City registered and who has not claimed the record."""
    city = edge.story.organisations["City"]
    return register.patient(edge.story.world.network, city, compartments=()).alias.hex()


@pytest.mark.parametrize("scope", ["patient-privacy", "research", "treatment"])
def test_a_consent_that_nobody_signed_is_kept_as_a_restricted_document_and_grants_nothing(
    edge: Edge, newcomer: str, scope: str
) -> None:
    held = len(grants(edge.story.organisations["Lakeside"]))
    consent = json.loads(written(edge, scope)) | {"patient": {"reference": f"Patient/{newcomer}"}}
    clerk, doctor = edge.client("clerk"), edge.client("Dr City")
    reply = clerk.ask("Consent", "POST", json.dumps(consent).encode(), Content_Type=JSON)
    assert (reply.status, reply.issue[0]) == (201, "informational")
    assert "grants nothing" in reply.issue[1]
    address = reply.headers["Location"].split("/fhir/")[1].partition("/_history")[0]
    assert clerk.ask(f"Consent?patient={newcomer}").matches == []  # restricted: in nobody's view unless named
    assert doctor.ask(f"Consent?patient={newcomer}").matches == []
    kept = doctor.ask(
        address
    )  # the organisation's own chart, for those whom the matrix lets read a diagnosis
    assert (kept.status, kept.body["scope"]) == (200, consent["scope"])
    for stranger in ("clerk", "Dr Lake", "Dr Stay"):
        assert edge.client(stranger).ask(address).status == 404
    assert edge.client("Dr Lake").ask(f"Condition?patient={newcomer}").status == 403
    assert len(grants(edge.story.organisations["Lakeside"])) == held
    changed = json.dumps(consent | {"id": address.split("/")[1]}).encode()
    assert doctor.ask(address, "PUT", changed, Content_Type=JSON).status == 405


def test_a_consent_about_somebody_whom_nobody_here_may_write_about_is_refused(edge: Edge) -> None:
    held = len(grants(edge.story.organisations["Lakeside"]))
    for label in ("Dr City", "Dr Lake"):
        body = written(edge, "patient-privacy")
        reply = edge.client(label).ask("Consent", "POST", body, Content_Type=JSON)
        assert (reply.status, reply.issue[0]) == (403, "forbidden")
    assert_grants_nothing(edge, held)


# A Consent that the patient's agent signed -------------------------------------------------------


def signed(edge: Edge, granted: Granted) -> bytes:
    """What the patient's agent prints for the grantee's organisation."""
    story = edge.story
    made = signed_consent(story.world.network, story.holder(story.adam), granted.given)
    return json.dumps(made).encode()


def post(edge: Edge, label: str, body: bytes, path: str = "Consent", method: str = "POST") -> Reply:
    return edge.client(label).ask(path, method, body, Content_Type=JSON)


def test_a_signed_consent_that_a_post_brings_opens_what_it_says(edge: Edge) -> None:
    adam = edge.story.adam.hex()
    granted = given(edge, "Dr Lake", view_of(DIAGNOSIS))
    body, id = signed(edge, granted), granted.commitment.hex()
    replies = [post(edge, "Dr Lake", body) for _ in range(2)]
    assert replies[0].status in (200, 201)  # the board may have brought it already
    assert replies[1].status == 200
    for reply in replies:
        assert reply.headers["Location"] == f"{edge.gateway.base}/Consent/{id}"
        assert (reply.body["id"], reply.body["status"]) == (id, "active")
        assert "sourceAttachment" not in reply.body
    lake = edge.client("Dr Lake")
    assert lake.ask(f"Condition?patient={adam}").matches
    assert lake.ask(f"Observation?patient={adam}").matches == []
    wider = given(edge, "Dr Lake", view_of(DIAGNOSIS, REPORT))
    lake.ask("Consent", "POST", signed(edge, wider), Content_Type=JSON)
    assert lake.ask(f"Observation?patient={adam}").matches
    revoke(edge.story.world.network, edge.story.holder(edge.story.adam), wider.owner)
    revoke(edge.story.world.network, edge.story.holder(edge.story.adam), granted.owner)
    replayed = post(edge, "Dr Lake", body)
    assert (replayed.status, replayed.issue) == (403, ("forbidden", "The consent was revoked."))
    assert edge.client("Dr Lake").ask(f"Condition?patient={adam}").status == 403


def test_any_post_of_the_organisation_may_bring_it_and_sees_no_more_by_that(edge: Edge) -> None:
    granted = given(edge, "Dr City", view_of(DIAGNOSIS))
    reply = post(edge, "clerk", signed(edge, granted))
    assert reply.status in (200, 201)
    assert reply.issue[0] == "informational"
    id = granted.commitment.hex()
    assert edge.client("clerk").ask(f"Consent/{id}").status == 404
    assert edge.client("Dr City").ask(f"Consent/{id}").status == 200


def test_nobody_elses_organisation_takes_it_and_without_a_token_nobody(edge: Edge) -> None:
    body, lakeside = (
        signed(edge, given(edge, "Dr Stay", view_of(DIAGNOSIS))),
        edge.story.organisations["Lakeside"],
    )
    held = len(grants(lakeside))
    reply = post(edge, "Dr Lake", body)
    assert (reply.status, reply.issue[0]) == (422, "processing")
    assert edge.stranger().ask("Consent", "POST", body, Content_Type=JSON).status == 401
    assert len(grants(lakeside)) == held


def test_a_signed_consent_that_says_more_than_its_certificate_is_refused_with_its_path(edge: Edge) -> None:
    granted = given(edge, "Dr Stay", view_of(REPORT))
    made = json.loads(signed(edge, granted))
    made["provision"]["class"][0]["code"] = "diagnosis"
    reply = post(edge, "Dr Stay", json.dumps(made).encode())
    assert (reply.status, reply.issue[0]) == (422, "processing")
    assert "Consent.provision" in reply.issue[1]
    made = json.loads(signed(edge, granted)) | {"performer": [{"display": "somebody"}]}
    assert "Consent.performer" in post(edge, "Dr Stay", json.dumps(made).encode()).issue[1]


def test_a_signed_consent_is_taken_by_itself_and_written_nowhere(edge: Edge) -> None:
    granted = given(edge, "Dr Stay", view_of(DIAGNOSIS))
    body = signed(edge, granted)
    entry = {"resource": json.loads(body), "request": {"method": "POST", "url": "Consent"}}
    for kind in ("transaction", "batch", "collection"):
        bundle = json.dumps({"resourceType": "Bundle", "type": kind, "entry": [entry]}).encode()
        reply = post(edge, "Dr Stay", bundle, "")
        assert (reply.status, reply.issue[0]) == (400, "invalid")
        assert "posted by itself" in reply.issue[1]
    alias = edge.story.adam.hex()
    reply = post(edge, "Dr Stay", body, f"Consent?patient={alias}&status=proposed", "PUT")
    assert reply.status in (400, 405)
    broken = body.replace(b'"data": "', b'"data": "!!')
    assert post(edge, "Dr Stay", broken).status == 400


def test_no_post_reads_or_writes_the_patients_log_as_audit_events(edge: Edge) -> None:
    client, alias = edge.client("Dr Stay"), edge.story.adam.hex()
    assert client.ask(f"Condition?patient={alias}").matches  # this, and more before it, stands in the log
    assert client.ask(f"AuditEvent?patient={alias}").matches == []
    event = {
        "resourceType": "AuditEvent",
        "type": {"system": "http://terminology.hl7.org/CodeSystem/audit-event-type", "code": "rest"},
        "recorded": "2026-05-04T10:00:00Z",
        "agent": [{"requestor": True}],
        "source": {"observer": {"display": "somebody"}},
        "entity": [{"what": {"reference": f"Patient/{alias}"}}],
    }
    reply = client.ask("AuditEvent", "POST", json.dumps(event).encode(), Content_Type=JSON)
    assert reply.status == 400
    assert "accesses are kept in the release log" in reply.issue[1]


def test_a_consent_without_an_end_that_can_be_said_spoils_no_other(edge: Edge) -> None:
    sane = given(edge, "Dr Stay", view_of(DIAGNOSIS)).commitment.hex()
    story, staff = edge.story, edge.story.staff["Dr Stay"]
    grantee = Grantee(GranteeKind.ORGANISATION, staff.organisation.number, PartyId(staff.organisation.number))
    window = Window(story.world.clock.now() - 10, 2**40)
    endless = grant(
        story.world.network, story.holder(story.adam), grantee, view_of(DIAGNOSIS), Purpose.TREAT, window
    ).commitment.hex()
    client = edge.client("Dr Stay")
    assert sane in {each["id"] for each in client.ask("Consent?_count=1000").matches}
    assert client.ask(f"Consent/{sane}").status == 200
    assert client.ask(f"Consent/{endless}").status == 404  # FHIR has no way to say when it ends
    plain = client.ask(f"{edge.gateway.url}/api/v1/consents?limit=200")
    assert plain.status == 200
    until = {each["commitment"]: each for each in plain.body["items"]}[endless]
    assert "9999-12-31T23:59:59Z" in json.dumps(until)
