"""One address for what clients write in two ways, and what is said where nothing is."""

from __future__ import annotations

import json

import pytest

from careledger.domain.consents import Permission
from gateway.edge_world import JSON, Edge, Reply
from gateway.test_fhir_writing import condition
from gateway.ward import settled
from story import DIAGNOSIS


def found(reply: Reply) -> list[str]:
    assert reply.status == 200, reply.body
    return [each["id"] for each in reply.matches]


def test_a_slash_at_the_end_changes_nothing(edge: Edge) -> None:
    doctor, adam = edge.client("Dr Stay"), edge.story.adam.hex()
    plain = doctor.ask(f"Condition?patient={adam}")
    assert found(doctor.ask(f"{edge.gateway.base}/Condition/?patient={adam}")) == found(plain) != []
    one = f"{edge.gateway.base}/Condition/{plain.matches[0]['id']}"
    assert doctor.ask(f"{one}/").body == doctor.ask(one).body
    assert doctor.ask(f"{edge.gateway.base}/metadata/").body["resourceType"] == "CapabilityStatement"
    twice = doctor.ask(f"{one}//")
    assert (twice.status, twice.issue[0]) == (404, "not-found")
    assert edge.stranger().ask(f"{one}/").status == 401


def test_what_is_posted_with_a_slash_at_the_end_is_written(edge: Edge) -> None:
    edge.story.grant(edge.story.adam, edge.story.staff["Dr City"], (DIAGNOSIS,), Permission.APPEND)
    body = json.dumps(condition(edge.story.adam.hex(), "slashed")).encode()
    sent = edge.client("Dr City").ask(f"{edge.gateway.base}/Condition/", "POST", body, Content_Type=JSON)
    assert sent.status == 201, sent.body


def test_a_create_takes_no_search_for_a_condition_but_in_its_header(edge: Edge) -> None:
    edge.story.grant(edge.story.adam, edge.story.staff["Dr City"], (DIAGNOSIS,), Permission.APPEND)
    doctor, adam = edge.client("Dr City"), edge.story.adam.hex()
    body = json.dumps(
        condition(adam, "once") | {"identifier": [{"system": "urn:test", "value": "once"}]}
    ).encode()
    for query in ("identifier=urn:test%7Conce", "code:text=x", "patient.name=x", "_id=x"):
        refused = doctor.ask(f"Condition?{query}", "POST", body, Content_Type=JSON)
        assert (refused.status, refused.issue[0]) == (400, "invalid"), query
        assert "If-None-Exist" in refused.issue[1]
    assert doctor.ask("Condition?_format=json&other=x", "POST", body, Content_Type=JSON).status == 201
    assert len(settled(doctor).ask("Condition?identifier=urn:test%7Conce").matches) == 1


def test_what_is_no_patch_is_told_what_one_is(edge: Edge) -> None:
    doctor, adam = edge.client("Dr Stay"), edge.story.adam.hex()
    one = doctor.ask(f"Condition?patient={adam}").matches[0]["id"]
    merged = doctor.ask(f"Condition/{one}", "PATCH", b'{"code": {"text": "merged"}}', Content_Type=JSON)
    assert (merged.status, merged.issue[0]) == (400, "invalid")
    assert "application/json-patch+json" in merged.issue[1]


def test_a_search_by_get_may_say_that_it_is_one(edge: Edge) -> None:
    doctor, adam = edge.client("Dr Stay"), edge.story.adam.hex()
    plain = doctor.ask(f"Condition?patient={adam}")
    for path in (
        f"Condition/_search?patient={adam}", f"_search?_type=Condition&patient={adam}",
        f"Patient/{adam}/Condition/_search?", f"Condition/_search/?patient={adam}",
    ):  # fmt: skip
        assert found(doctor.ask(path)) == found(plain) != [], path
    self_link = doctor.ask(f"Condition/_search?patient={adam}").link("self")
    assert self_link == plain.link("self")
    assert edge.stranger().ask(f"Condition/_search?patient={adam}").status == 401
    assert [each["id"] for each in doctor.ask(f"Patient/_search?_id={adam}").matches] == [adam]
    assert doctor.ask("Practitioner/_search").body["resourceType"] == "Bundle"


def test_an_address_of_several_types_is_said_as_it_was_asked(edge: Edge) -> None:
    said = edge.client("Dr Stay").ask(f"?_type=Condition,Encounter&patient={edge.story.adam.hex()}")
    assert "_type=Condition,Encounter&" in str(said.link("self"))


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "Patient/{}/$graphql"),
        ("GET", "Condition/{}/$everything"),
        ("POST", "Condition/$lastn"),
        ("GET", "Observation/$lastn"),
        ("DELETE", "Condition/$lastn"),
    ],
)
def test_an_operation_that_is_not_there_is_not_found(edge: Edge, method: str, path: str) -> None:
    body = json.dumps({"resourceType": "Parameters"}).encode() if method == "POST" else None
    reply = edge.client("Dr Stay").ask(path.format(edge.story.adam.hex()), method, body, Content_Type=JSON)
    assert (reply.status, reply.issue) == (404, ("not-supported", "There is no such operation here."))


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("DELETE", "Patient/{}/$everything", "GET, HEAD, POST"),
        ("PUT", "Patient/{}/$pdf", "GET, HEAD, POST"),
        ("GET", "Patient/$match", "POST"),
        ("DELETE", "Condition/$validate", "POST"),
        ("PUT", "$export", "GET, HEAD, POST"),
    ],
)
def test_an_operation_that_is_there_is_not_allowed_by_another_method(
    edge: Edge, method: str, path: str, allow: str
) -> None:
    reply = edge.client("Dr Stay").ask(path.format(edge.story.adam.hex()), method)
    assert (reply.status, reply.issue[0], reply.headers["Allow"]) == (405, "not-supported", allow)


@pytest.mark.parametrize("kind", ["Resource", "DomainResource"])
def test_an_abstract_type_is_none_that_there_are_records_of(edge: Edge, kind: str) -> None:
    doctor = edge.client("Dr Stay")
    for path in (kind, f"{kind}/1", f"{kind}?patient={edge.story.adam.hex()}"):
        reply = doctor.ask(path)
        assert (reply.status, reply.issue[0]) == (404, "not-found"), path


def test_an_empty_accept_header_wants_nothing_else_than_none_does(edge: Edge) -> None:
    doctor, path = edge.client("Dr Stay"), f"Patient/{edge.story.adam.hex()}"
    assert doctor.ask(path, Accept="").body == doctor.ask(path).body
    assert doctor.ask(path, Accept="text/html").status == 406
