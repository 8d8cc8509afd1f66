"""Under Cache-Control: no-cache a record is released anew, for that look alone and with a line in the patient's log."""

from __future__ import annotations

import pytest

from careledger.domain.errors import RecordNotFound
from careledger.gateway import leases
from careledger.workflows import audit
from gateway.edge_world import Edge


def requests(edge: Edge) -> int:
    """How many requests Adam's log holds."""
    found = audit.audit(edge.story.world.network, edge.story.holder(edge.story.adam))
    return len(found.accesses)


def test_a_read_that_wants_nothing_kept_is_a_request_of_its_own_and_shows_the_same(edge: Edge) -> None:
    client = edge.client("Dr Stay")
    one = client.ask(f"Condition?patient={edge.story.adam.hex()}").matches[0]
    before = requests(edge)
    kept = client.ask(f"Condition/{one['id']}")
    assert requests(edge) == before
    anew = [
        client.ask(f"Condition/{one['id']}", Cache_Control=said)
        for said in ("no-cache", "Max-Age=0, No-Cache")
    ]
    assert requests(edge) == before + 2
    for each in anew:
        assert (each.status, each.body, each.headers["ETag"]) == (200, kept.body, kept.headers["ETag"])


def test_what_custodians_do_not_give_any_more_is_not_shown_from_what_was_kept(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = edge.client("Dr Stay")
    one = client.ask(f"Condition?patient={edge.story.adam.hex()}").matches[0]
    address = f"Condition/{one['id']}"

    def nothing(*asked: object, **named: object) -> object:
        raise RecordNotFound()

    with monkeypatch.context() as custodians:
        custodians.setattr(leases, "retrieve", nothing)
        assert client.ask(address).status == 200
        assert client.ask(address, Cache_Control="no-cache").status == 404
    assert client.ask(address, Cache_Control="no-cache").status == 200


def test_who_has_no_lease_that_shows_it_gains_nothing_by_asking_anew(edge: Edge) -> None:
    one = edge.client("Dr Stay").ask(f"Condition?patient={edge.story.adam.hex()}").matches[0]
    before = requests(edge)
    for stranger in (edge.client("Dr Lake"), edge.client("Dr Stay")):
        assert stranger.ask(f"Condition/{one['id']}", Cache_Control="no-cache").status == 404
    assert edge.stranger().ask(f"Condition/{one['id']}", Cache_Control="no-cache").status == 401
    assert requests(edge) == before
