"""A gateway that runs does what has come due, between requests, and goes on whatever fails."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event

import pytest

from careledger.app import tending
from careledger.app.world import World
from careledger.domain.consents import Permission
from careledger.domain.errors import CustodianBehind
from careledger.gateway import server
from careledger.ports import CustodianLink
from careledger.workflows import cosigning
from careledger.workflows.received import grants
from gateway.edge_world import Client, Edge
from story import DIAGNOSIS

MOST_WAIT = 30


@contextmanager
def tending_gateway(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[server.Gateway, Event]]:
    """Another gateway over the same world, and an event that is set once all steps were done twice."""
    done, rounds = Event(), []

    def steps(world: World) -> list[tending.Step]:
        rounds.append(world)
        return [*made(world), last]

    def last() -> tuple[str, ...]:
        if len(rounds) > 1:
            done.set()
        return ()

    made = tending.steps
    monkeypatch.setattr(server, "steps", steps)
    with server.Gateway(edge.story.world, port=0, tends_every=0.01) as gateway:
        yield gateway, done


def anchored(edge: Edge) -> int:
    """How many lines of release logs the ledger has."""
    network = edge.story.world.network
    view = network.ledger.fresh_head()
    found = [view.checkpoint(number) for number in network.custodians]
    return sum(each.size for each in found if each is not None)


def test_a_consent_that_arrives_is_fetched_and_what_was_released_is_anchored_while_it_runs(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = edge.story
    doctor = story.staff["Dr City"]
    lines = anchored(edge)
    given = story.grant(story.adam, doctor, (DIAGNOSIS,), Permission.VIEW).certificate

    def arrived() -> bool:
        return given in [each.certificate for each in grants(doctor.organisation)]

    story.read_by_consent(story.staff["Dr Stay"])
    assert not arrived()
    with tending_gateway(edge, monkeypatch) as (_, done):
        assert done.wait(MOST_WAIT)
    assert arrived()
    assert anchored(edge) > lines


def test_a_custodian_that_cannot_anchor_is_logged_and_requests_are_answered(
    edge: Edge, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def unreachable(link: CustodianLink) -> None:
        raise CustodianBehind()

    monkeypatch.setattr(tending, "checkpoint", unreachable)
    caplog.set_level(logging.WARNING, "careledger.gateway")
    with tending_gateway(edge, monkeypatch) as (gateway, done):
        assert done.wait(MOST_WAIT)
        assert Client(gateway.base).ask("metadata").status == 200
    assert "left for the next time: anchoring a custodian's log (CustodianBehind)" in caplog.messages
    assert cosigning.checkpoint_all(edge.story.world.network) == {}


def test_a_step_that_breaks_off_keeps_no_other_from_being_done(
    edge: Edge, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(world: World, organisation: object) -> tuple[str, ...]:
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr(tending, "_organisation", broken)
    with tending_gateway(edge, monkeypatch) as (_, done):
        assert done.wait(MOST_WAIT)
    assert "a step of tending broke off" in caplog.messages
    assert "left for the next time" not in caplog.text


def test_a_gateway_that_cannot_even_list_what_is_due_goes_on_and_tries_again(
    edge: Edge, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    again, tries = Event(), []

    def broken(world: World) -> list[tending.Step]:
        tries.append(world)
        if len(tries) > 1:
            again.set()
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr(server, "steps", broken)
    with server.Gateway(edge.story.world, port=0, tends_every=0.01) as gateway:
        assert again.wait(MOST_WAIT)
        assert Client(gateway.base).ask("metadata").status == 200
    assert "a step of tending broke off" in caplog.messages
