"""An app whose scopes are refined finds what matches by every route, and of the rest nothing shows or changes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest

from careledger.app import tokens
from careledger.domain.categories import Category, Compartment
from careledger.domain.consents import Permission, Purpose
from careledger.domain.parties import Role
from careledger.formats.apps import AppGrant
from careledger.gateway import searching
from careledger.workflows import register
from careledger.workflows.identity_rows import Identity
from gateway.edge_world import DAY, JSON, Client, Edge, Reply
from gateway.oauth_world import app, asked, machine, service, signed_in
from gateway.test_fhir_writing import post, put
from gateway.test_oauth_backend import refused
from story import DIAGNOSIS, REPORT

CATEGORIES = "http://terminology.hl7.org/CodeSystem/observation-category"
LABORATORY = f"Observation.rs?category={CATEGORIES}|laboratory"
HIDDEN = "a pulse that no laboratory measured"


def observation(patient: str, category: str, text: str, **more: Any) -> dict[str, Any]:
    coding = {"system": CATEGORIES, "code": category}
    return {"resourceType": "Observation", "status": "final", "category": [{"coding": [coding]}],
            "code": {"text": text}, "subject": {"reference": f"Patient/{patient}"}, **more}  # fmt: skip


@dataclass
class Laboratory:
    """A post that reads and writes both kinds of Adam's, and one of each that it wrote."""

    edge: Edge
    post: int
    label: str
    whole: Client
    lab: dict[str, Any]
    vital: dict[str, Any]

    @property
    def patient(self) -> str:
        return self.edge.story.adam.hex()

    @property
    def labs(self) -> set[str]:
        """What the laboratory measured, of all that the post sees."""
        every = self.whole.ask(f"Observation?patient={self.patient}&_count=1000").matches
        named = {each["code"]["text"] for each in every if "laboratory" in str(each["category"])}
        assert "sodium" in named
        assert len(named) < len(every)
        return named

    def app(self, *scopes: str) -> Client:
        staff, now = self.edge.story.staff[self.label], self.edge.story.world.clock.now()
        said = tokens.issue(staff, Purpose.TREAT, now, DAY, "an app", " ".join(scopes))[0]
        return Client(self.edge.gateway.base, said)

    def of_one(self, *scopes: str) -> Client:
        """An app that was launched for Adam."""
        staff, now = self.edge.story.staff[self.label], self.edge.story.world.clock.now()
        grant = AppGrant(
            app(self.edge, "Delta").id, staff.number, "TREAT", " ".join(scopes), self.edge.story.adam, "", b"", b"",
            b"u" * 16, b"", now, b"",
        )  # fmt: skip
        token = tokens.issue_to_app(staff.organisation.books, grant, now + 3_600, now, 900)
        return Client(self.edge.gateway.base, token)


@pytest.fixture(scope="module")
def laboratory(edge: Edge) -> Laboratory:
    story = edge.story
    number = machine(story, "Delta", Role.DOCTOR)
    [label] = [label for label, staff in story.staff.items() if staff.number == number]
    for permission in (Permission.VIEW, Permission.APPEND):
        both = (DIAGNOSIS, REPORT, Compartment(Category.MEASUREMENT))
        story.grant(story.adam, story.staff[label], both, permission)
    client, patient = edge.client(label), story.adam.hex()
    lab = post(client, observation(patient, "laboratory", "sodium"))
    assert lab.status == 201, lab.body
    named = {"derivedFrom": [{"reference": f"Observation/{lab.body['id']}"}]}
    vital = post(client, observation(patient, "vital-signs", HIDDEN, **named))
    assert vital.status == 201, vital.body
    return Laboratory(edge, number, label, client, lab.body, vital.body)


def found(reply: Reply) -> set[str]:
    assert reply.status == 200, reply.body
    return {
        each["resource"]["code"]["text"]
        for each in reply.body.get("entry", ())
        if each["resource"]["resourceType"] == "Observation"
    }


def routes(laboratory: Laboratory) -> list[str]:
    patient = laboratory.patient
    return [
        f"Observation?patient={patient}", f"Observation?patient={patient}&category=vital-signs,laboratory",
        f"Observation?patient={patient}&_include=*&_revinclude=Observation:derived-from",
        f"Observation?patient={patient}&_sort=-_lastUpdated", "Observation", f"Patient/{patient}/Observation",
        f"Patient/{patient}/*?_type=Observation", f"?_type=Observation&patient={patient}", "?_type=Observation",
    ]  # fmt: skip


@pytest.mark.parametrize("one", [False, True])
def test_a_search_by_any_route_finds_the_labs_and_nothing_of_the_rest(
    laboratory: Laboratory, one: bool
) -> None:
    client = laboratory.of_one(f"patient/{LABORATORY}") if one else laboratory.app(f"user/{LABORATORY}")
    labs = laboratory.labs
    for route in routes(laboratory):
        assert HIDDEN in found(laboratory.whole.ask(route)), route
        reply = client.ask(route)
        assert found(reply) == labs, route
        assert reply.body["total"] == len(labs), route
        assert laboratory.vital["id"] not in str(reply.body), route
        assert "Observation (in part)" in str(reply.body) or "patient=" not in route


def test_no_question_is_answered_out_of_what_is_hidden(laboratory: Laboratory) -> None:
    client, patient = laboratory.app(f"user/{LABORATORY}"), laboratory.patient
    for question in (
        "category=vital-signs", f"code:text={quote(HIDDEN)}", "_has:Observation:derived-from:status=final",
        "_has:Observation:derived-from:category=vital-signs", f"_id={laboratory.vital['id']}",
        "derived-from.status=final",
    ):  # fmt: skip
        asked_for = f"Observation?patient={patient}&{question}"
        assert laboratory.whole.ask(asked_for).matches, question
        reply = client.ask(asked_for)
        assert (reply.matches, reply.body["total"]) == ([], 0), question
    page, pages = client.ask(f"Observation?patient={patient}&_count=1"), 1
    while following := [each["url"] for each in page.body["link"] if each["relation"] == "next"]:
        page, pages = client.ask(following[0]), pages + 1
        assert found(page) <= laboratory.labs
    assert pages == len(laboratory.labs)


def test_one_record_is_read_by_its_address_where_it_matches(laboratory: Laboratory) -> None:
    client = laboratory.app(f"user/{LABORATORY}")
    for each in (client, laboratory.whole):
        assert found(each.ask(f"Observation?patient={laboratory.patient}"))
    for path in ("{}", "{}/_history", "{}/_history/" + "{version}", "{}/$meta"):
        for record, status in ((laboratory.lab, 200), (laboratory.vital, 404)):
            version = record["meta"]["versionId"]
            place = path.replace("{version}", version).replace("{}", f"Observation/{record['id']}")
            assert laboratory.whole.ask(place).status == 200
            assert client.ask(place).status == status, place
    nothing = client.ask("Observation/00000000-0000-4000-8000-000000000000")
    hidden = client.ask(f"Observation/{laboratory.vital['id']}")
    assert (hidden.status, hidden.issue) == (nothing.status, nothing.issue)


def test_everything_and_batches_hold_what_matches(laboratory: Laboratory) -> None:
    client, patient = laboratory.app(f"user/{LABORATORY}", "user/Patient.rs"), laboratory.patient
    assert found(client.ask(f"Patient/{patient}/$everything?_count=1000")) == laboratory.labs
    urls = [f"Observation?patient={patient}", f"Observation/{laboratory.vital['id']}"]
    entries = [{"request": {"method": "GET", "url": url}} for url in urls]
    batch = {"resourceType": "Bundle", "type": "batch", "entry": entries}
    reply = client.ask("", "POST", json.dumps(batch).encode(), Content_Type=JSON)
    assert [each["response"]["status"][:3] for each in reply.body["entry"]] == ["200", "404"]
    assert HIDDEN not in str(reply.body)


def test_what_is_not_kept_apart_is_refused(laboratory: Laboratory) -> None:
    client, patient = laboratory.app(f"user/{LABORATORY}", "user/Patient.rs"), laboratory.patient
    for path in ("Observation/_history", "_history", "$export", f"Patient/{patient}/$summary",
                 f"Patient/{patient}/$pdf"):  # fmt: skip
        if path != "$export":
            assert client.ask(path).status == 403, path
    export = client.ask("$export?_type=Observation", Prefer="respond-async", Accept="application/fhir+json")
    assert export.status == 403
    assert client.ask("?_type=Condition").status == 403


def test_scopes_add_up_and_one_without_a_query_covers_all(laboratory: Laboratory) -> None:
    path = f"Observation?patient={laboratory.patient}"
    two = laboratory.app(f"user/{LABORATORY}", "user/Observation.rs?category=vital-signs")
    for client in (two, laboratory.app(f"user/{LABORATORY}", "user/Observation.rs")):
        assert found(client.ask(path)) >= {"sodium", HIDDEN}


def test_a_record_that_left_the_scope_is_gone_with_its_older_versions(laboratory: Laboratory) -> None:
    client, patient = laboratory.app("user/Observation.rs?status=preliminary"), laboratory.patient
    made = post(laboratory.whole, observation(patient, "laboratory", "potassium", status="preliminary"))
    place = f"Observation/{made.body['id']}"
    assert found(client.ask(f"Observation?patient={patient}")) == {"potassium"}
    assert put(laboratory.whole, made.body | {"status": "final"}).status == 200
    client = laboratory.app("user/Observation.rs?status=preliminary")  # what others have open stays as it was
    assert found(client.ask(f"Observation?patient={patient}")) == set()
    for path in (place, f"{place}/_history", f"{place}/_history/{made.body['meta']['versionId']}"):
        assert client.ask(path).status == 404, path
    later = laboratory.app("user/Observation.rs?status=final")
    assert "potassium" in found(later.ask(f"Observation?patient={patient}&_count=1000"))
    assert [each["resource"]["status"] for each in later.ask(f"{place}/_history").body["entry"]] == ["final"]


def test_what_is_written_matches_before_and_after(laboratory: Laboratory) -> None:
    client = laboratory.app("user/Observation.cruds?category=laboratory")
    patient, whole = laboratory.patient, laboratory.whole
    assert post(client, observation(patient, "vital-signs", "a pulse")).status == 403
    made = post(client, observation(patient, "laboratory", "calcium"))
    assert made.status == 201, made.body
    assert put(client, made.body | {"status": "amended"}).status == 200
    now = client.ask(f"Observation/{made.body['id']}").body
    moved = now | {"category": laboratory.vital["category"]}
    assert put(client, moved).status == 403
    patched = json.dumps([{"op": "replace", "path": "/category/0/coding/0/code", "value": "vital-signs"}])
    place, as_patch = f"Observation/{made.body['id']}", "application/json-patch+json"
    assert client.ask(place, "PATCH", patched.encode(), Content_Type=as_patch).status == 403
    assert whole.ask(place).body["meta"]["versionId"] == now["meta"]["versionId"]
    theirs = laboratory.vital | {"category": laboratory.lab["category"]}
    unknown = theirs | {"id": "00000000-0000-4000-8000-000000000000"}
    assert put(client, theirs).status == put(client, unknown).status == 405
    assert client.ask(f"Observation/{laboratory.vital['id']}", "DELETE").status == 404
    assert whole.ask(f"Observation/{laboratory.vital['id']}").status == 200
    reading = laboratory.app("user/Observation.rs", "user/Observation.ud?category=laboratory")
    assert put(reading, laboratory.vital).status == 403
    assert reading.ask(f"Observation/{laboratory.vital['id']}", "DELETE").status == 403
    unsearched = post(client, observation(patient, "laboratory", "x"), If_None_Exist="category=laboratory")
    assert unsearched.status == 403
    assert client.ask(place, "DELETE").status == 204
    assert whole.ask(place).status in (404, 410)


def test_who_registered_a_part_is_given_no_more_and_the_words_stay(laboratory: Laboratory) -> None:
    edge = laboratory.edge
    some = service(edge, "Delta", scopes=f"system/{LABORATORY}", post=laboratory.post)
    for wanted in (f"system/{LABORATORY}", "system/Observation.cruds", "system/*.rs"):
        assert some.token(wanted).body["scope"] == f"system/{LABORATORY}"
    other = some.token("system/Observation.rs?category=vital-signs").body["scope"]
    assert other == f"system/Observation.rs?category=vital-signs&category={CATEGORIES}|laboratory"
    client = some.client("system/Observation.rs")
    assert found(client.ask(f"Observation?patient={laboratory.patient}")) == laboratory.labs
    told = asked(edge, "introspect", {"token": client.token}, laboratory.edge.token(laboratory.label))
    assert told.body["scope"] == f"system/{LABORATORY}"
    for wrong in (
        "system/Observation.rs?patient=x",
        "system/Observation.rs?nothing=x",
        "system/*.rs?status=final",
    ):
        refused(some.token(wrong), 400, "invalid_scope")
    refused(some.token("system/Condition.rs"), 400, "invalid_scope")


def test_a_person_reads_what_it_is_and_what_is_renewed_is_what_was_granted(laboratory: Laboratory) -> None:
    edge = laboratory.edge
    chart, doctor = app(edge), signed_in(edge, "Dr City")
    labs, vitals = f"user/{LABORATORY}", "user/Observation.rs?category=vital-signs"
    page = doctor.go(chart.request(f"{labs} {vitals} offline_access"))
    assert f"read, search: Observation records whose category is {CATEGORIES}|laboratory" in page.text
    said = chart.given(doctor, f"{labs} {vitals} online_access")
    assert said["scope"].split() == [labs, vitals, "online_access"]
    less = chart.renew(said["refresh_token"], scope=labs).body
    assert less["scope"].split() == [labs]
    refused(chart.renew(less["refresh_token"], scope="user/Observation.rs"), 400, "invalid_scope")


@pytest.fixture(scope="module")
def registered(edge: Edge) -> str:
    """A patient whom City registered, who lets nobody see anything."""
    wanted = [DIAGNOSIS.number, Compartment(Category.MEASUREMENT).number]
    row = Identity(bytes(32), bytes(16), "Somebody Else", "", "", "1970-01-01", bytes(32))
    city = edge.story.staff["Dr City"].organisation
    made = register.patient(edge.story.world.network, city, row, escrow=False, compartments=wanted)
    return made.alias.hex()


def test_own_writings_show_where_they_match(
    edge: Edge, registered: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, books = edge.client("Dr City"), edge.story.staff["Dr City"].organisation
    pulse = post(whole, observation(registered, "vital-signs", HIDDEN))
    named = {"derivedFrom": [{"reference": f"Observation/{pulse.body['id']}"}]}
    exam = post(whole, observation(registered, "exam", "reflexes", **named))
    others = [post(whole, observation(registered, "vital-signs", HIDDEN)) for _ in range(2)]
    assert {each.status for each in (pulse, exam, *others)} == {201}
    edge.gateway._desk.charts.of(books).look_again()
    client = narrow(edge, "user/Observation.rs?category=exam")
    both = narrow(edge, "user/Observation.rs?category=exam", "user/Observation.rs?status=final")
    monkeypatch.setattr(searching, "FEWEST", 1)
    for route in (f"Observation?patient={registered}", "Observation", "Observation?_count=1", "?_type=Observation",
                  "Observation?_sort=date&_count=1", "Observation?derived-from:missing=false&_revinclude=*",
                  f"Patient/{registered}/Observation?_include=*"):  # fmt: skip
        assert whole.ask(route).matches, route
        reply = client.ask(route)
        assert (found(reply), reply.body["total"], len(reply.body["link"])) == ({"reflexes"}, 1, 1), route
        assert HIDDEN not in str(reply.body), route
    assert found(both.ask("Observation?_count=100")) >= {"reflexes", HIDDEN}
    for question in ("category=vital-signs", "_has:Observation:derived-from:status=final", f"_id={pulse.body['id']}",
                     "derived-from.status=final"):  # fmt: skip
        assert whole.ask(f"Observation?{question}").matches, question
        assert client.ask(f"Observation?{question}").body["total"] == 0, question
    for path in ("", "/_history", f"/_history/{pulse.body['meta']['versionId']}", "/$meta"):
        assert whole.ask(f"Observation/{pulse.body['id']}{path}").status == 200
        assert client.ask(f"Observation/{pulse.body['id']}{path}").status == 404
    assert client.ask(f"Observation/{exam.body['id']}").status == 200
    assert whole.ask(f"Observation/{pulse.body['id']}", "DELETE").status == 204
    assert whole.ask(f"Observation/{pulse.body['id']}").status == 410
    assert client.ask(f"Observation/{pulse.body['id']}").status == 404


def narrow(edge: Edge, *scopes: str) -> Client:
    staff, now = edge.story.staff["Dr City"], edge.story.world.clock.now()
    said = tokens.issue(staff, Purpose.TREAT, now, DAY, "an app", " ".join(scopes))[0]
    return Client(edge.gateway.base, said)
