"""An organisation keeps groups of its own patients: its posts that treat write them, and no other's posts see any."""

from __future__ import annotations

import json
from typing import Any

import pytest

from careledger.adapters.books.sqlite import SqliteBooks
from careledger.domain.parties import Role
from careledger.gateway.operations import groups
from careledger.workflows import register
from careledger.workflows.actors import Organisation
from careledger.workflows.identity_rows import Identity
from gateway.edge_world import JSON, Client, Edge, Reply
from story import LICENCE


def group(*aliases: bytes, **more: Any) -> dict[str, Any]:
    members = [{"entity": {"reference": f"Patient/{alias.hex()}"}} for alias in aliases]
    made: dict[str, Any] = {"resourceType": "Group", "type": "person", "actual": True, **more}
    return {**made, "member": members} if members else made


def put(client: Client, made: dict[str, Any], path: str = "Group", **headers: str) -> Reply:
    method = "POST" if path == "Group" else "PUT"
    return client.ask(path, method, json.dumps(made).encode(), Content_Type=JSON, **headers)


def test_a_group_is_created_read_changed_and_deleted(edge: Edge) -> None:
    client = edge.client("Dr City")
    made = put(client, group(edge.story.adam, name="diabetes"))
    assert made.status == 201, made.body
    path = f"Group/{made.body['id']}"
    assert made.headers["Location"] == f"{edge.gateway.base}/{path}/_history/1"
    read = client.ask(path)
    assert (read.status, read.headers["ETag"], read.body) == (200, 'W/"1"', made.body)
    assert client.ask(made.headers["Location"]).body == made.body
    both = group(edge.story.adam, edge.story.berta, id=made.body["id"])
    assert put(client, both, path, If_Match='W/"2"').status == 412
    changed = put(client, both, path, If_Match='W/"1"')
    assert (changed.status, changed.headers["ETag"]) == (200, 'W/"2"')
    assert len(client.ask(path).body["member"]) == 2
    assert "name" not in client.ask(path).body
    assert client.ask(made.headers["Location"]).status == 404
    assert client.ask(changed.headers["Location"]).body == client.ask(path).body
    assert client.ask(path, "DELETE").status == 204
    assert client.ask(path).status == 410
    assert client.ask(path, "DELETE").status == 410
    assert put(client, both, path).status == 405


def test_others_write_the_books_while_a_groups_members_are_looked_up(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, looked, adam, free = edge.client("Dr City"), register.identity_of, edge.story.adam, list[bool]()
    path = f"Group/{put(client, group(adam)).body['id']}"

    def looking(organisation: Organisation, alias: bytes) -> Identity:
        books = organisation.books
        assert isinstance(books, SqliteBooks)
        free.append(not books._db.in_transaction)
        return looked(organisation, alias)

    monkeypatch.setattr(groups, "identity_of", looking)
    assert put(client, group(adam, id=path.removeprefix("Group/")), path).status == 200
    assert free == [True]


def test_a_group_is_seen_by_the_organisations_posts_and_is_unknown_to_others(edge: Edge) -> None:
    id = put(edge.client("Dr City"), group(edge.story.adam)).body["id"]
    assert edge.client("clerk").ask(f"Group/{id}").status == 200
    stranger = edge.client("Dr Stay")
    unknown = stranger.ask("Group/00000000-0000-4000-8000-000000000000")
    for method in ("GET", "DELETE"):
        reply = stranger.ask(f"Group/{id}", method)
        assert (reply.status, reply.body) == (404, unknown.body)
    assert put(stranger, group(id=id), f"Group/{id}").status == 405
    assert stranger.ask(f"Group/{id}/$export", Prefer="respond-async").status == 404
    assert edge.client("clerk").ask(f"Group/{id}").body["member"]


def test_only_posts_that_register_or_treat_keep_groups(edge: Edge) -> None:
    world, city = edge.story.world, edge.story.organisations["City"]
    researcher = world.keyring.new_staff(city, "researcher", {Role.RESEARCHER})
    register.post(world.network, researcher, {Role.RESEARCHER}, LICENCE)
    edge.story.staff["researcher"] = researcher
    kept = put(edge.client("Dr City"), group(edge.story.adam)).body["id"]
    client = edge.client("researcher")
    assert client.ask(f"Group/{kept}").status == 200
    for refused in (put(client, group()), put(client, group(id=kept), f"Group/{kept}")):
        assert (refused.status, refused.issue[0]) == (403, "forbidden")
    assert client.ask(f"Group/{kept}", "DELETE").status == 403
    assert edge.client("clerk").ask(f"Group/{kept}").body["member"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "animal"},
        {"actual": False},
        {"type": "nonsense"},
        {"member": [{"entity": {"reference": f"Patient/{'0' * 64}"}}]},
        {"member": [{"entity": {"reference": "Practitioner/1"}}]},
        {"member": [{"entity": {"display": "somebody"}}]},
        {"resourceType": "Patient"},
    ],
)
def test_what_is_no_group_of_own_patients_is_refused(edge: Edge, wrong: dict[str, Any]) -> None:
    client = edge.client("Dr City")
    reply = put(client, {**group(edge.story.adam), **wrong})
    assert (reply.status, reply.issue[0]) == (400, "invalid")
    foreign = put(edge.client("Dr Stay"), group(edge.story.adam))
    assert foreign.status == 400


def test_a_repetition_under_one_key_makes_one_group(edge: Edge) -> None:
    client = edge.client("Dr City")
    first = put(client, group(edge.story.adam), Idempotency_Key="a")
    again = put(client, group(edge.story.adam), Idempotency_Key="a")
    assert (first.status, again.status) == (201, 200)
    assert again.body == first.body
    other = put(client, group(), Idempotency_Key="a")
    assert (other.status, other.issue[0]) == (422, "conflict")
    assert put(edge.client("clerk"), group(), Idempotency_Key="a").body["id"] != first.body["id"]
    others = {
        put(client, group(edge.story.adam)).body["id"],
        put(client, group(), Idempotency_Key="b").body["id"],
    }
    assert len({first.body["id"], *others}) == 3
    assert put(client, group(), If_None_Exist="name=a").status == 400
    assert client.ask(f"Group/{first.body['id']}", "DELETE").status == 204
    assert put(client, group(edge.story.adam), Idempotency_Key="a").status == 410


def test_the_capability_statement_says_of_groups_what_there_is(edge: Edge) -> None:
    [found] = [
        each
        for each in edge.stranger().ask("metadata").body["rest"][0]["resource"]
        if each["type"] == "Group"
    ]
    assert {each["code"] for each in found["interaction"]} == {"read", "vread", "create", "update", "delete"}
    assert {each["name"] for each in found["operation"]} == {"export", "validate"}
