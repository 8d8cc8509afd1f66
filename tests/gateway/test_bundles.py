"""Bundles that a program sends are imported like files and answered entry by entry."""

from __future__ import annotations

import json
from typing import Any

import pytest

from careledger.app import tokens
from careledger.domain.consents import Purpose
from careledger.fhir.sample import sample_file
from careledger.workflows import parties
from careledger.workflows.chart import copies
from careledger.workflows.register import Officer
from gateway.edge_world import DAY, JSON, Edge, Reply

SMALL = "Shayne60_Rutherford999"


def bundle(name: str = SMALL, **changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(sample_file(name))
    made["entry"] = made["entry"][:12]
    return {**made, "type": "transaction", **changes}


def send(edge: Edge, said: Any, label: str = "clerk") -> Reply:
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    return edge.client(label).ask("", "POST", body, Content_Type=JSON)


def statuses(reply: Reply) -> list[str]:
    return [each["response"]["status"][:3] for each in reply.body["entry"]]


@pytest.fixture
def anchors(edge: Edge) -> Any:
    """How many roots are anchored."""
    return lambda: edge.story.world.ledger.fresh_head().head.number


def test_a_transaction_registers_its_patient_imports_and_says_where_everything_is(edge: Edge) -> None:
    said = bundle()
    reply = send(edge, said)
    assert (reply.status, reply.body["type"]) == (200, "transaction-response"), reply.body
    assert statuses(reply) == ["201"] * len(said["entry"])
    places = [each["response"]["location"] for each in reply.body["entry"]]
    assert [place.split("/")[0] for place in places] == [
        each["resource"]["resourceType"] for each in said["entry"]
    ]
    (patient,) = [place.split("/")[1] for place in places if place.startswith("Patient/")]
    client = edge.client("Dr City")
    shown = client.ask(f"Patient/{patient}/$everything?_count=1000").matches
    found = {f"{each['resourceType']}/{each['id']}/_history/{each['meta']['versionId']}" for each in shown}
    assert found <= set(places)
    assert len(found) >= 8
    by_nurse = edge.client("clerk").ask(f"Patient/{patient}/$everything")
    assert len(by_nurse.matches) < len(found)
    assert "diagnosis" in by_nurse.said["suppressed"]  # the matrix lets no nurse read it
    read = client.ask(f"Patient/{patient}").body
    source = next(each["resource"] for each in said["entry"] if each["resource"]["resourceType"] == "Patient")
    assert (read["id"], read["name"]) == (patient, source["name"])
    again = send(edge, said)
    assert statuses(again) == ["200"] * len(said["entry"])
    assert [each["response"]["location"] for each in again.body["entry"]] == places


def test_a_wrong_entry_stops_a_transaction_and_names_itself_in_a_batch(edge: Edge, anchors: Any) -> None:
    said = bundle("Alesha810_Grant908")
    said["entry"][4]["resource"]["status"] = ["neither", "one"]
    before = anchors()
    refused = send(edge, said)
    assert (refused.status, refused.body["resourceType"]) == (400, "OperationOutcome")
    assert "first entry 4" in refused.issue[1]
    assert anchors() == before
    taken = send(edge, {**said, "type": "batch"})
    assert (taken.status, taken.body["type"]) == (200, "batch-response")
    assert statuses(taken)[4] == "400"
    assert taken.body["entry"][4]["response"]["outcome"]["issue"][0]["code"] == "invalid"
    assert statuses(taken).count("201") >= 8


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"[]",
        b'"Bundle"',
        b'{"resourceType": "Bundle"',
        b"[" * 100_000,
        b'{"resourceType": "Bundle", "type": "transaction", "entry": {}}',
        b'{"resourceType": "Bundle", "type": "message"}',
        b'{"resourceType": "Patient"}',
        b'{"resourceType": "Bundle", "type": "transaction", "entry": [{"request": {"method": "DELETE"}}]}',
        b'{"resourceType": "Bundle", "type": "batch", "entry": [{"request": {"method": "BREW", "url": "Patient/1"}}]}',
        b"\xff\xfe",
    ],
)
def test_what_is_no_bundle_to_create_from_is_refused_and_changes_nothing(
    edge: Edge, anchors: Any, said: bytes
) -> None:
    before = anchors()
    refused = send(edge, said)
    assert (refused.status, refused.issue[0]) == (400, "invalid")
    assert anchors() == before


def test_a_bundle_is_taken_as_json_alone(edge: Edge) -> None:
    client = edge.client("clerk")
    for kind, status in (("application/fhir+xml", 400), ("text/plain", 415), ("", 415)):
        assert client.ask("", "POST", b"{}", Content_Type=kind).status == status


def test_a_post_that_may_not_register_or_write_is_refused_entry_by_entry(edge: Edge) -> None:
    said = bundle("Lucio648_Bruen238", type="batch")
    world = edge.story.world
    post = world.keyring.all_staff(world.keyring.ministry())["Officer A"]
    token, _ = tokens.issue(post, Purpose.TREAT, world.clock.now(), DAY)
    taken = edge.stranger(token).ask("", "POST", json.dumps(said).encode(), Content_Type=JSON)
    assert set(statuses(taken)) <= {"403", "422"}
    assert len(statuses(taken)) == len(said["entry"])


def test_a_suspended_employers_post_is_refused_a_bundle_whole(edge: Edge) -> None:
    world, staff = edge.story.world, edge.story.staff["Dr Lake"]
    post = world.keyring.all_staff(world.keyring.ministry())["Officer A"]
    before = len(copies(staff.organisation))
    parties.suspend(world.network, Officer(post.number, post.key), staff.organisation.number)
    try:
        refused = send(edge, bundle("Lucio648_Bruen238", type="batch"), "Dr Lake")
        assert (refused.status, refused.issue[0]) == (403, "forbidden")
    finally:
        parties.reinstate(world.network, Officer(post.number, post.key), staff.organisation.number)
    assert len(copies(staff.organisation)) == before
