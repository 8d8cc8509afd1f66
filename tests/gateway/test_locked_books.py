"""While another process keeps an organisation's books locked, what would change them is told when to ask again."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest

from careledger.app.world import World
from careledger.workflows.actors import Organisation
from gateway.edge_world import Client, Edge
from gateway.test_fhir_writing import condition, post
from gateway.ward import Ward


@pytest.fixture
def ward(edge: Edge) -> Ward:
    return Ward(edge)


def books_of(world: World, organisation: Organisation) -> str:
    return str(world.folder / "organisations" / f"{organisation.number:016x}" / "books.db")


@pytest.fixture
def locked(edge: Edge, ward: Ward) -> Iterator[sqlite3.Connection]:
    """Another process's connection to City's books, for which the gateway waits a millisecond."""
    other = sqlite3.connect(books_of(edge.story.world, ward.city), isolation_level=None)
    for organisation in {
        id(each): each for each in (ward.city, *edge.gateway._edge._entrance.employers)
    }.values():
        organisation.books._db.execute("PRAGMA busy_timeout = 1")  # type: ignore[attr-defined]
    yield other
    if other.in_transaction:
        other.execute("ROLLBACK")
    other.close()


def test_whoever_asks_meanwhile_is_told_when_to_ask_again_and_is_answered_then(
    edge: Edge, ward: Ward, locked: sqlite3.Connection
) -> None:
    patient = ward.patient()
    reader, made = ward.reader, condition(patient.alias.hex(), "written while another writes")
    api = Client(f"{edge.gateway.url}/api/v1", edge.token("clerk"))
    locked.execute("BEGIN IMMEDIATE")
    refused = post(reader, made)
    assert (refused.status, refused.issue[0]) == (503, "transient"), refused.body
    assert refused.headers["Retry-After"].isdigit()
    problem = api.ask("patients", "POST", b"{}", Content_Type="application/json")
    assert (problem.status, problem.problem) == (503, "store-unavailable"), problem.body
    assert problem.headers["Retry-After"].isdigit()
    locked.execute("ROLLBACK")
    assert post(reader, made).status == 201
    assert api.ask("patients", "POST", b"{}", Content_Type="application/json").status == 201
