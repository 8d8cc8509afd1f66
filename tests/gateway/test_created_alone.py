"""A record that was created is answered by a request for it alone; what was open of its patient stays found."""

from __future__ import annotations

from typing import Any

import pytest

from careledger.domain.consents import Permission
from careledger.gateway import leases
from careledger.workflows.audit import Access, audit
from careledger.workflows.revoke import revoke
from gateway.edge_world import Client, Edge
from gateway.test_fhir_writing import condition, post, put
from story import DIAGNOSIS


def requests(edge: Edge) -> list[Access]:
    """What Adam's log holds, the oldest first."""
    return list(audit(edge.story.world.network, edge.story.holder(edge.story.adam)).accesses)


@pytest.fixture
def doctor(edge: Edge) -> Client:
    """Of another organisation than the one that wrote Adam's records; reads his diagnoses and may add some."""
    edge.story.grant(edge.story.adam, edge.story.staff["Dr Stay"], (DIAGNOSIS,), Permission.APPEND)
    return edge.client("Dr Stay")


def shown(client: Client, alias: str) -> list[Any]:
    return client.ask(f"Condition?patient={alias}&_count=200").matches


def test_creating_asks_custodians_for_what_was_created_and_for_nothing_else(
    edge: Edge, doctor: Client
) -> None:
    alias, before = edge.story.adam.hex(), len(requests(edge))
    made = [post(doctor, condition(alias, f"alone {each}")) for each in range(2)]
    assert [each.status for each in made] == [201, 201]
    asked = requests(edge)[before:]
    assert [(each.outcome, each.versions) for each in asked] == [("released", 1)] * 2
    for each in made:
        assert shown(doctor, alias)  # now everything is
        read = doctor.ask(f"Condition/{each.body['id']}")
        assert (read.status, read.body, read.headers["ETag"]) == (200, each.body, each.headers["ETag"])


def test_who_created_something_still_finds_by_their_ids_alone_what_was_open_before(
    edge: Edge, doctor: Client
) -> None:
    alias = edge.story.adam.hex()
    others = shown(doctor, alias)
    assert {each["id"] for each in others}
    made = post(doctor, condition(alias, "between two looks")).body
    for each in others:
        assert doctor.ask(f"Condition/{each['id']}").body == each
    assert made["id"] in {each["id"] for each in doctor.ask("Condition").matches}


def test_a_search_without_a_patient_shows_what_was_created_since_and_what_was_open(
    edge: Edge, doctor: Client
) -> None:
    alias = edge.story.adam.hex()
    before = {each["id"] for each in shown(doctor, alias)}
    made = post(doctor, condition(alias, "beside the others")).body
    found = doctor.ask("Condition?_count=200")
    assert {each["id"] for each in found.matches} >= before | {made["id"]}


def test_what_was_open_shows_nothing_of_whoever_was_revoked_since(edge: Edge) -> None:
    """Also where it was set aside because something was created."""
    told = edge.story
    alias, reader = told.adam, told.staff["Dr Lake"]
    given = told.grant(alias, reader, (DIAGNOSIS,), Permission.VIEW)
    append = told.grant(alias, reader, (DIAGNOSIS,), Permission.APPEND)
    client = edge.client("Dr Lake")
    others = [each["id"] for each in shown(client, alias.hex())]
    made = post(client, condition(alias.hex(), "before the end"))
    assert (made.status, made.body["code"]["text"]) == (201, "before the end")
    revoke(told.world.network, told.holder(alias), given.owner)
    mine = made.body["id"]
    for each in (each for each in others if each != mine):
        assert client.ask(f"Condition/{each}").status == 404
    assert {each["id"] for each in client.ask("Condition?_count=200").matches}.isdisjoint({*others} - {mine})
    late = post(client, condition(alias.hex(), "after the end"))
    assert late.status == 201
    assert late.body["resourceType"] == "OperationOutcome"  # written, and not shown
    revoke(told.world.network, told.holder(alias), append.owner)


def test_what_refers_to_another_record_by_its_uuid_is_answered_as_it_is_read(
    edge: Edge, doctor: Client
) -> None:
    alias = edge.story.adam.hex()
    first = shown(doctor, alias)[0]
    urn = {"reference": f"urn:uuid:{first['id']}"}
    made = post(doctor, condition(alias, "follows another", evidence=[{"detail": [urn]}]))
    assert made.status == 201, made.body
    assert made.body["evidence"] == [{"detail": [{"reference": f"Condition/{first['id']}"}]}]
    assert doctor.ask(f"Condition/{made.body['id']}").body == made.body


def test_what_the_same_key_named_before_is_answered_in_its_newest_version(edge: Edge, doctor: Client) -> None:
    alias, key = edge.story.adam.hex(), {"Idempotency_Key": "alone-and-again"}
    first = post(doctor, condition(alias, "named"), **key)
    assert first.status == 201, first.body
    edge.story.grant(edge.story.adam, edge.story.staff["Dr Stay"], (DIAGNOSIS,), Permission.AMEND)
    changed = put(doctor, first.body | {"code": {"text": "changed"}})
    assert changed.status == 200, changed.body
    again = post(doctor, condition(alias, "named"), **key)
    assert (again.status, again.body) == (200, changed.body)


@pytest.mark.parametrize(("limit", "most"), [("MOST_PATHS", 0), ("MOST_ASIDE", 0)])
def test_what_is_remembered_is_bounded_and_what_was_created_is_read_all_the_same(
    edge: Edge, doctor: Client, monkeypatch: pytest.MonkeyPatch, limit: str, most: int
) -> None:
    held = edge.gateway._desk.leases._aside
    held.clear()  # what other tests wrote
    monkeypatch.setattr(leases, limit, most)
    made = [post(doctor, condition(edge.story.adam.hex(), f"{limit} {each}")) for each in range(2)]
    assert [len(each.paths) for each in held.values()] == ([0] if limit == "MOST_PATHS" else [])
    for each in made:
        assert doctor.ask(f"Condition/{each.body['id']}").body["code"] == each.body["code"]
