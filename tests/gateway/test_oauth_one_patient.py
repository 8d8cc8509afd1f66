"""An app that was launched for one patient reaches that one by every route, and of others nothing shows or changes."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass

import pytest

from careledger.app import app_grants, tokens
from careledger.app.scopes import PATIENT, word
from careledger.app.tokens import Bearers
from careledger.domain.consents import Permission
from careledger.domain.errors import AccessRefused, ScopeRefused
from careledger.formats.apps import AppGrant
from careledger.gateway.application import FEATURES
from careledger.gateway.grounds import check_reaches
from careledger.gateway.http import Handler
from careledger.workflows import register
from careledger.workflows.identity_rows import Identity
from gateway.edge_world import JSON, Client, Edge
from gateway.oauth_world import app
from gateway.test_fhir_writing import condition, post
from story import DIAGNOSIS, EVERYTHING

OTHERS_ILLNESS = "an illness of somebody else"


@dataclass
class Ward:
    """City's doctor, an app of whom is for one patient; and another patient, about whom City wrote too."""

    edge: Edge
    whole: Client
    limited: Client
    one: bytes
    other: bytes
    written: str
    own: str


@pytest.fixture(scope="module")
def ward(edge: Edge) -> Ward:
    story, wanted = edge.story, [each.number for each in EVERYTHING]
    doctor = story.staff["Dr City"]
    network, city = story.world.network, doctor.organisation
    for permission in (Permission.VIEW, Permission.APPEND):
        story.grant(story.adam, doctor, (DIAGNOSIS,), permission)
    row = Identity(bytes(32), bytes(16), "Somebody Else", "", "", "1970-01-01", bytes(32))
    other = register.patient(network, city, row, escrow=False, compartments=wanted).alias
    [(record, _)] = story.note(other, OTHERS_ILLNESS).handles.items()
    edge.gateway._desk.charts.of(city).look_again()
    whole = edge.client("Dr City")
    made = post(whole, condition(story.adam.hex(), "an illness of the one"))
    assert made.status == 201
    return Ward(
        edge, whole, limited(edge, "patient/*.cruds user/*.cruds"), story.adam, other,
        f"Condition/{uuid.UUID(bytes=record)}", f"Condition/{made.body['id']}",
    )  # fmt: skip


def limited(edge: Edge, scopes: str) -> Client:
    """A program of City's doctor with a token for adam alone."""
    doctor, now = edge.story.staff["Dr City"], edge.story.world.clock.now()
    client = app(edge).id
    grant = AppGrant(
        client, doctor.number, "TREAT", scopes, edge.story.adam, "", b"", b"", b"u" * 16, b"", now, b""
    )
    token = tokens.issue_to_app(doctor.organisation.books, grant, now + 3_600, now, 900)
    return Client(edge.gateway.base, token)


def test_it_reads_the_one_and_nothing_of_the_other(ward: Ward) -> None:
    for client in (ward.whole, ward.limited):
        assert client.ask(f"Condition?patient={ward.one.hex()}").matches
        assert client.ask(f"Patient/{ward.one.hex()}/$everything").matches
        assert client.ask(ward.own).status == 200
    assert ward.whole.ask(ward.written).status == 200
    assert ward.limited.ask(ward.written).status == 404
    assert ward.limited.ask(f"{ward.written}/_history").status == 404
    for path in (
        "Patient/{}",
        "Patient/{}/$everything",
        "Patient/{}/$summary",
        "Condition?patient={}",
        "Patient?_id={}",
    ):
        assert ward.whole.ask(path.format(ward.other.hex())).status == 200, path
        refused = ward.limited.ask(path.format(ward.other.hex()))
        assert (refused.status, refused.issue[1]) == (403, "This app was launched for another patient."), path
    unknown = ward.limited.ask(f"Condition?patient={'0' * 64}")
    assert (unknown.status, unknown.issue[1]) == (403, "This app was launched for another patient.")
    both = ward.limited.ask(f"Condition?patient={ward.one.hex()},{ward.other.hex()}")
    assert both.status == 403


def test_searches_that_name_nobody_are_about_the_one(ward: Ward) -> None:
    assert OTHERS_ILLNESS in str(ward.whole.ask("Condition?_count=1000").body)
    for path in ("Condition?_count=1000", "Condition?code:text=illness", "Condition?_sort=_lastUpdated",
                 "Condition?_summary=count", "Condition?_include=*&_revinclude=Encounter:diagnosis"):  # fmt: skip
        found = ward.limited.ask(path)
        assert found.status == 200, (path, found.body)
        assert OTHERS_ILLNESS not in str(found.body)
        assert ward.other.hex() not in str(found.body)
    count = ward.limited.ask(f"Condition?patient={ward.one.hex()}&_summary=count").body["total"]
    assert ward.limited.ask("Condition?_summary=count").body["total"] == count
    names = ward.edge.client("Dr City").ask("Patient?name=Somebody").matches
    assert ward.other.hex() in {each["id"] for each in names}
    for path in ("Patient?name=Somebody", "Patient", "Patient?_count=1000"):
        found = ward.limited.ask(path)
        assert {each["id"] for each in found.matches} <= {ward.one.hex()}, path
        assert "Somebody Else" not in str(found.body)
    assert ward.limited.ask(f"Consent?patient={ward.other.hex()}").status == 403
    ward.edge.story.grant(
        ward.edge.story.berta, ward.edge.story.staff["Dr City"], (DIAGNOSIS,), Permission.VIEW
    )
    held = {each["id"]: str(each) for each in ward.whole.ask("Consent").matches}
    others = [id for id, said in held.items() if ward.edge.story.berta.hex() in said]
    assert len(others) == 1 < len(held)
    assert ward.whole.ask(f"Consent/{others[0]}").status == 200
    assert ward.limited.ask(f"Consent/{others[0]}").status == 404
    assert all(ward.one.hex() in str(each) for each in ward.limited.ask("Consent").matches)


def test_it_writes_about_the_one_and_takes_back_nothing_of_the_other(ward: Ward) -> None:
    about = condition(ward.other.hex(), "by the app")
    assert post(ward.limited, about).status == 403
    made = post(ward.limited, condition(ward.one.hex(), "by the app"))
    assert made.status == 201
    assert ward.limited.ask(f"Condition/{made.body['id']}", "DELETE").status == 204
    assert ward.limited.ask(ward.written, "DELETE").status == 404
    whole = ward.whole.ask(ward.written).body
    put = ward.limited.ask(ward.written, "PUT", json.dumps(whole).encode(), Content_Type=JSON)
    assert put.status in (404, 405)
    patch = [{"op": "replace", "path": "/code/text", "value": "x"}]
    patched = ward.limited.ask(
        ward.written, "PATCH", json.dumps(patch).encode(), Content_Type="application/json-patch+json"
    )
    assert patched.status in (404, 405)
    assert ward.limited.ask(f"Condition?patient={ward.one.hex()}").matches
    own = ward.limited.ask(ward.own).body
    there = {**own, "subject": {"reference": f"Patient/{ward.other.hex()}"}}
    assert ward.limited.ask(ward.own, "PUT", json.dumps(there).encode(), Content_Type=JSON).status == 400
    assert ward.whole.ask(ward.written).body == whole


def test_what_is_about_more_than_one_is_refused_and_a_new_route_is_unless_it_says_otherwise(
    ward: Ward,
) -> None:
    routes = (
        ("GET", "$export"), ("GET", "Patient/$export"), ("POST", "Patient/$match"), ("GET", "_history"),
        ("GET", "Condition/_history"), ("POST", ""), ("GET", "Group/1"), ("GET", "Group/1/$export"),
        ("PUT", f"Condition?patient={ward.one.hex()}"), ("DELETE", f"Condition?patient={ward.one.hex()}"),
        ("POST", "Subscription"),
    )  # fmt: skip
    person = {"resourceType": "Patient", "identifier": [{"value": "of somebody else"}]}
    new = {"resourceType": "Bundle", "type": "transaction", "entry": [{"resource": person}]}
    for method, path in routes:
        body = b'{"resourceType": "Parameters"}' if method in ("POST", "PUT") else None
        body = body if path else json.dumps(new).encode()
        reply = ward.limited.ask(path, method, body, Content_Type=JSON)
        assert reply.status == 403, (method, path, reply.body)
    entries = [{"request": {"method": method, "url": path}} for method, path in routes]
    batch = json.dumps({"resourceType": "Bundle", "type": "batch", "entry": entries}).encode()
    answers = ward.limited.ask("", "POST", batch, Content_Type=JSON).body["entry"]
    assert len(answers) == len(routes)
    assert {each["response"]["status"] for each in answers} <= {"400", "403", "404"}
    assert [each["response"]["status"] for each in answers].count("403") >= 5
    assert Handler("GET", "/new", lambda who, asked: None).of_one is False  # type: ignore[arg-type, return-value]
    handlers = [each for feature in FEATURES for each in feature(ward.edge.gateway._desk)]
    open_to_it = {(each.method, each.path) for each in handlers if each.of_one}
    assert len(open_to_it) <= len(handlers) / 2
    assert not any("$export" in path or "Group" in path or "$match" in path for _, path in open_to_it)


def test_a_token_for_one_patient_is_so_by_its_scopes_whatever_else_they_say(ward: Ward) -> None:
    edge, now = ward.edge, ward.edge.story.world.clock.now()
    bearers = Bearers(edge.story.world.keyring)
    for scopes, reaches in (
        ("patient/Condition.rs", True),
        ("user/*.rs patient/Condition.rs", True),
        ("user/*.rs", False),
    ):
        who = bearers.bearer(limited(edge, scopes).token, now)
        assert who.patient == (edge.story.adam if reaches else b"")
        assert who.scopes.limited
        check_reaches(who, edge.story.adam)
        if reaches:
            with pytest.raises(AccessRefused):
                check_reaches(who, ward.other)
    nothing = bearers.bearer(limited(edge, "openid launch/patient").token, now)
    assert not nothing.scopes.shows("Condition")
    assert word("patient/*.rs", (PATIENT,)).level == PATIENT
    with pytest.raises(ScopeRefused):
        word("patient/*.rs")
    assert app_grants.standing(edge.story.organisations["City"], nothing.digest, now) is not None
