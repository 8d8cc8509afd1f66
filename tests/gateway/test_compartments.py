"""A patient's compartment by its address holds what R4 says, and shows what a search by ``patient=`` does."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

import second_search as second
from careledger.app import tokens
from careledger.domain.consents import Purpose
from careledger.fhir.definitions.tables import patient_compartment, resource_types, search_definitions
from careledger.fhir.sample import sample_file, sample_names
from gateway.edge_world import DAY, JSON, Client, Edge, Reply
from gateway.ward import Ward, settled

FORM = "application/x-www-form-urlencoded"
IN = patient_compartment().types
QUERIES = (
    "", "_id=none", "_lastUpdated=ge2000", "_summary=count", "_sort=-_lastUpdated", "_elements=code", "_include=*",
    "_count=1", "nonsense=1", "_total=none",
)  # fmt: skip


@pytest.fixture(scope="module")
def imported(edge: Edge) -> tuple[Client, str]:
    """City's doctor, and the alias of a sample patient whose records the doctor sent."""
    doctor = settled(edge.client("Dr City"))
    known = {each["id"] for each in registered(doctor)}
    sent = doctor.ask("", "POST", sample_file(sample_names()[0]), Content_Type=JSON)
    assert sent.status == 200, sent.body
    edge.gateway._desk.charts.of(edge.story.organisations["City"]).look_again()
    (alias,) = {each["id"] for each in registered(doctor)} - known
    return settled(doctor), alias


def registered(client: Client) -> list[Any]:
    return everything(client, client.ask("Patient"))


def everything(client: Client, page: Reply) -> list[Any]:
    found = list(page.matches)
    while (following := page.link("next")) is not None:
        page = client.ask(following)
        assert page.status == 200, page.body
        found += page.matches
    return found


def same(one: Reply, other: Reply) -> bool:
    """But for the address under which each was asked for, and the names of pages."""

    def plain(reply: Reply) -> Any:
        body = {**reply.body, "link": [each["relation"] for each in reply.body.get("link", ())]}
        return reply.status, re.sub(r"_page=[0-9a-f]{32}", "", json.dumps(body))

    return bool(plain(one) == plain(other))


def own_search(kind: str) -> str:
    return "_id" if kind == "Patient" else "patient"


@pytest.mark.parametrize("reader", ["Dr Stay", "Dr City", "Dr Lake", "clerk"])
def test_an_address_in_a_compartment_answers_as_the_search_that_names_the_patient(
    edge: Edge, reader: str
) -> None:
    client, patient = settled(edge.client(reader)), edge.story.adam.hex()
    for kind in ("Condition", "Encounter", "Observation", "Patient", "Consent"):
        for asked in QUERIES:
            there = client.ask(f"Patient/{patient}/{kind}?{asked}".rstrip("?"))
            named = client.ask(f"{kind}?{own_search(kind)}={patient}&{asked}".rstrip("&"))
            assert same(there, named), (
                kind,
                asked,
                json.dumps(there.body)[:3000],
                json.dumps(named.body)[:3000],
            )
            posted = client.ask(
                f"Patient/{patient}/{kind}/_search", "POST", asked.encode(), Content_Type=FORM
            )
            assert same(posted, there), (kind, asked)
        there = client.ask(f"Patient/{'0' * 64}/{kind}")
        assert same(there, client.ask(f"{kind}?{own_search(kind)}={'0' * 64}")), kind
        for client_asks in (f"Patient/333/{kind}", f"{kind}?{own_search(kind)}=333"):
            nothing = client.ask(client_asks)
            assert (nothing.status, nothing.matches, nothing.body["total"]) == (200, [], 0), client_asks
    if reader == "Dr Stay":
        assert len(client.ask(f"Patient/{patient}/Condition").matches) > 1
        assert "suppressed" in client.ask(f"Patient/{patient}/Encounter").said


def test_a_compartment_holds_what_the_published_definition_says_by_a_second_evaluator(
    imported: tuple[Client, str],
) -> None:
    doctor, alias = imported
    definitions = {(base, each.name): each for each in search_definitions() for base in each.bases}
    held = everything(doctor, doctor.ask(f"Patient/{alias}/$everything?_count=1000"))
    counted = 0
    for kind in sorted(resource_types()):
        reply = doctor.ask(f"Patient/{alias}/{kind}?_count=1000")
        if kind not in IN:
            assert (reply.status, reply.issue[0]) == (400, "invalid"), kind
            continue
        found = {each["id"] for each in everything(doctor, reply)}
        if kind == "Patient":
            assert found == {alias}
            continue
        belonging = {
            each["id"]
            for each in held
            if each["resourceType"] == kind
            for name in IN[kind]
            for place in second.found(kind, each, definitions[kind, name].expression)
            if second.reference(place, f"Patient/{alias}", "")
        }
        assert found == belonging, kind
        counted += len(found)
    assert counted > 100


def test_all_types_of_a_compartment_are_searched_at_once(imported: tuple[Client, str]) -> None:
    doctor, alias = imported
    held = everything(doctor, doctor.ask(f"Patient/{alias}/$everything?_count=1000"))
    inside = {f"{each['resourceType']}/{each['id']}" for each in held if each["resourceType"] in IN}
    assert len({each.partition("/")[0] for each in inside}) > 5

    def found(asked: str) -> set[str]:
        some = everything(doctor, doctor.ask(f"Patient/{alias}/*?{asked}".rstrip("?")))
        return {f"{each['resourceType']}/{each['id']}" for each in some}

    assert found("") == found("_count=7") == inside
    two = {each for each in inside if each.startswith(("Condition/", "Encounter/"))}
    assert found("_type=Condition,Encounter") == two
    one = sorted(two)[0].partition("/")[2]
    assert {each.partition("/")[2] for each in found(f"_id={one}")} == {one}
    assert found("_id=none") == found(f"_type=Condition&_id={alias}") == set()
    outside = doctor.ask(f"Patient/{alias}/*?_type=Condition,Medication")
    assert (outside.status, outside.issue[0]) == (400, "invalid")
    assert doctor.ask(f"Patient/{'0' * 64}/*").status == doctor.ask(f"Condition?patient={'0' * 64}").status


def test_what_names_somebody_else_besides_finds_nobody(edge: Edge) -> None:
    client, patient = edge.client("Dr Stay"), edge.story.adam.hex()
    assert client.ask(f"Patient/{patient}/Condition?patient={patient}").matches
    for other in (f"patient={'0' * 64}", f"subject=Patient/{'1' * 64}"):
        found = client.ask(f"Patient/{patient}/Condition?{other}")
        assert (found.status, found.matches, found.body["total"]) == (200, [], 0)
    for two in (f"{patient},{'0' * 64}", "urn:careledger:alias|" + patient):
        assert client.ask(f"Patient/{two}/Condition").matches == []


def test_it_asks_for_the_lease_that_a_search_by_the_patient_asks_for(edge: Edge) -> None:
    client, patient = settled(edge.client("Dr Stay")), edge.story.adam.hex()
    assert client.ask("Condition").matches == []
    one = client.ask(f"Patient/{patient}/Condition?_count=1").matches[0]
    assert client.ask(f"Condition/{one['id']}").body == one
    assert len(client.ask("Condition").matches) > 1


def test_own_writings_are_found_where_the_patient_shares_nothing(edge: Edge) -> None:
    ward = Ward(edge)
    holder = ward.patient()
    assert ward.diagnosed(holder, "c1", "mine").status == 201
    place = f"Patient/{holder.alias.hex()}/Condition"
    assert [each["code"]["text"] for each in settled(ward.reader).ask(place).matches] == ["mine"]
    for stranger in ("Dr Stay", "Dr Lake"):
        assert ward.edge.client(stranger).ask(place).status == 403


def test_an_apps_scopes_hold_in_a_compartment(edge: Edge) -> None:
    patient = edge.story.adam.hex()
    staff, now = edge.story.staff["Dr Stay"], edge.story.world.clock.now()
    token, _ = tokens.issue(staff, Purpose.TREAT, now, DAY, scopes="user/Condition.rs user/Encounter.r")
    app = Client(edge.gateway.base, token)
    assert app.ask(f"Patient/{patient}/Condition").matches
    assert {each["resourceType"] for each in app.ask(f"Patient/{patient}/*").matches} == {"Condition"}
    for kind in ("Observation", "Encounter", "*?_type=Encounter"):
        refused = app.ask(f"Patient/{patient}/{kind}")
        assert (refused.status, refused.issue[0]) == (403, "forbidden")
    for outside in ("user/Medication.s user/Condition.r", "user/Condition.r"):
        token, _ = tokens.issue(staff, Purpose.TREAT, now, DAY, scopes=outside)
        for all_of in (f"Patient/{patient}/*", f"Patient/{patient}/*?_count=0"):
            nothing = Client(edge.gateway.base, token).ask(all_of)
            assert (nothing.status, nothing.issue[0]) == (403, "forbidden"), outside


def test_what_is_no_type_is_nothing_and_strict_clients_are_told_what_is_not_looked_at(edge: Edge) -> None:
    client, patient = edge.client("Dr Stay"), edge.story.adam.hex()
    assert client.ask(f"Patient/{patient}/Conditions").status == 404
    assert client.ask(f"Patient/{patient}/Condition", "PUT", b"{}", Content_Type=JSON).status == 405
    strict = client.ask(f"Patient/{patient}/Condition?nonsense=1", Prefer="handling=strict")
    assert (strict.status, strict.issue[0]) == (400, "invalid")
    assert client.ask(f"Encounter/{patient}/Condition").status == 404


def test_the_capability_statement_names_the_compartment(edge: Edge) -> None:
    rest = edge.stranger().ask("metadata").body["rest"][0]
    assert rest["compartment"] == ["http://hl7.org/fhir/CompartmentDefinition/patient"]
