"""Requests that wait together share one check of a lease; none is answered by a check that began before it came."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from careledger.app.tokens import Bearers
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
