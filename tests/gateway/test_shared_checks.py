"""Requests that wait together share one check of a lease; none is answered by a check that began before it came."""

from __future__ import annotations

import time
from dataclasses import replace
from threading import Event

import pytest

from careledger.adapters.memory.clock import ManualClock
from careledger.app.identity.sessions import IDLE
from careledger.app.tokens import Bearers
from careledger.domain.questions import LONGEST_LEASE
from careledger.gateway import leases as leases_module
from careledger.gateway import server
from careledger.gateway.leases import Leases
from careledger.workflows.lease import Lease
from gateway.edge_world import Edge


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When each check began."""
    began: list[float] = []
    checked = Lease.records

    def noted(lease: Lease, *arguments: object) -> object:
        began.append(time.monotonic())
        return checked(lease, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Lease, "records", noted)
    return began


def test_who_waits_together_shares_a_check_and_who_comes_later_has_its_own(
    edge: Edge, checks: list[float]
) -> None:
    world = edge.story.world
    leases, alias = Leases(world), edge.story.adam
    bearer = Bearers(world.keyring).bearer(edge.token("Dr Stay"), world.clock.now(), time.monotonic())
    first = leases.look(bearer, alias)
    opened = len(checks)
    assert opened == 1
    waiting = replace(bearer, came=time.monotonic())
    later = [leases.look(replace(bearer, came=waiting.came), alias) for _ in range(5)]
    assert len(checks) == opened + 1  # the first of the five; the others came before it began
    assert all(each is first for each in later)
    assert checks[-1] >= waiting.came
    leases.look(replace(bearer, came=time.monotonic()), alias)
    assert len(checks) == opened + 2
    leases.look(replace(bearer, came=float("inf")), alias)
    assert len(checks) == opened + 3


def test_reading_one_record_checks_the_lease_that_shows_it_and_no_other(
    edge: Edge, checks: list[float]
) -> None:
    world = edge.story.world
    leases = Leases(world)
    bearer = Bearers(world.keyring).bearer(edge.token("Dr Stay"), world.clock.now())
    path = next(each for each in leases.look(bearer, edge.story.adam).current if each.startswith("Cond"))
    before = len(checks)
    assert leases.showing(bearer, path) is not None
    assert len(checks) == before + 1
    assert leases.showing(bearer, "Condition/of-nobody") is None
    assert leases.showing(replace(bearer, digest=bytes(32)), path) is None
    assert len(checks) == before + 1


def test_what_a_lease_opened_is_dropped_when_it_is_over_though_nobody_asks_again(edge: Edge) -> None:
    world = replace(edge.story.world, clock=ManualClock(edge.story.world.clock.now()))
    leases = Leases(world)
    bearer = Bearers(world.keyring).bearer(edge.token("Dr Stay"), world.clock.now())
    view = leases.look(bearer, edge.story.adam)
    path = next(iter(view.current))
    assert leases.drop_ended() == 1
    session = leases.session(bearer)
    world.clock.wait(LONGEST_LEASE)
    assert leases.drop_ended() == 0
    assert leases.showing(bearer, path) is None
    assert leases._sessions == {bearer.digest: session}
    world.clock.wait(session.until - world.clock.now())
    leases.drop_ended()
    assert not leases._sessions
    assert not leases._used


def test_sessions_that_nobody_uses_are_not_kept_and_of_too_many_the_longest_unused_go(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = replace(edge.story.world, clock=ManualClock(edge.story.world.clock.now()))
    leases = Leases(world)
    bearer = replace(
        Bearers(world.keyring).bearer(edge.token("Dr Stay"), world.clock.now()),
        until=world.clock.now() + 10_000,
    )
    session = leases.session(bearer)
    world.clock.wait(IDLE - 1)
    leases.drop_ended()
    assert leases.session(bearer) is session
    world.clock.wait(IDLE)
    leases.drop_ended()
    assert not leases._sessions
    assert not leases._used
    assert leases.session(bearer) is not session
    monkeypatch.setattr(leases_module, "MOST_SESSIONS", 3)
    others = [replace(bearer, digest=bytes([each]) * 32) for each in range(4)]
    for each in others:
        leases.session(each)
    leases.session(others[1])
    leases.session(bearer)
    assert set(leases._sessions) == {others[3].digest, others[1].digest, bearer.digest}
    leases.end(bearer.digest)
    assert set(leases._sessions) == set(leases._used) == {others[3].digest, others[1].digest}


def test_what_a_search_found_is_forgotten_when_its_pages_are_over_though_nobody_asks_again(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = edge.gateway._desk
    doctor, clock = edge.client("Dr Stay"), ManualClock(edge.story.world.clock.now())
    searched = f"Condition?patient={edge.story.adam.hex()}&_count=1"
    links = [doctor.ask(searched).link("next") for _ in range(2)]
    assert len(desk.pages._rests) >= 2
    desk.drop_ended()
    assert all(link is not None and doctor.ask(link).status == 200 for link in links)
    clock.wait(2 * LONGEST_LEASE)
    monkeypatch.setattr(desk, "world", replace(desk.world, clock=clock))
    desk.drop_ended()
    assert len(desk.pages._rests) == 0


def test_no_more_than_so_much_is_open_and_what_was_looked_at_longest_ago_goes(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = edge.story.world
    leases, alias = Leases(world), edge.story.adam
    bearers = [
        Bearers(world.keyring).bearer(edge.token("Dr Stay"), world.clock.now(), time.monotonic())
        for _ in range(4)
    ]
    first, second, third = [(each, leases.look(each, alias)) for each in bearers[:3]]
    each_opens = len(first[1].seen.records)
    assert each_opens > 0
    monkeypatch.setattr(leases_module, "MOST_OPEN", 3 * each_opens)
    assert leases.look(first[0], alias) is first[1]
    leases.look(bearers[3], alias)
    assert leases.drop_ended() == 3
    assert leases.live(second[0]) == []
    assert leases.live(third[0]) == [third[1]]
    assert leases.live(first[0]) == [first[1]]
    monkeypatch.setattr(leases_module, "MOST_OPEN", 0)
    anew = leases.look(second[0], alias)
    assert leases.live(second[0]) == [anew]
    assert leases.drop_ended() == 1


def test_a_running_gateway_looks_for_what_is_over(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = Event()

    def noted(leases: Leases) -> int:
        looked.set()
        return 0

    monkeypatch.setattr(Leases, "drop_ended", noted)
    monkeypatch.setattr(server, "HOUSE", 0.01)
    with server.Gateway(edge.story.world, port=0):
        assert looked.wait(10)
