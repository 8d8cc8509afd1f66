"""A long Bundle is taken step by step: whoever asks meanwhile is answered between its steps."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from careledger.domain.errors import FhirRefused, ReadingBrokeOff
from careledger.gateway import creations, taking
from careledger.gateway.beside import Beside
from careledger.workflows import deposit, parties, together
from careledger.workflows.register import Officer
from gateway.edge_world import JSON, Edge
from gateway.test_bundles import bundle, send, statuses

MOST_WAIT = 30.0


class Portions:
    """Portions of a transaction: the first one waits until somebody else waits for the worker."""

    def __init__(self, edge: Edge, monkeypatch: pytest.MonkeyPatch, then: Any = lambda: None) -> None:
        self.done, self.begun = 0, threading.Event()
        self._edge, self._prepare, self._then = edge, deposit.prepare, then
        monkeypatch.setattr(taking, "PORTION", 1)
        monkeypatch.setattr(together, "prepare", self._one)

    def _one(self, *arguments: Any, **more: Any) -> Any:
        self.begun.set()
        made = self._prepare(*arguments, **more)
        if self.done == 0:
            self._then()
        self.done += 1
        return made


def test_who_asks_while_a_bundle_is_taken_is_answered_before_it_is_done(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = edge.gateway._worker._work_queue
    ready = threading.Event()

    def somebody_waits() -> None:
        ready.set()
        ended = threading.Event()
        for _ in range(3_000):
            if waiting.qsize():
                return
            ended.wait(0.01)

    portions = Portions(edge, monkeypatch, somebody_waits)
    client = edge.client("Dr Stay")
    with ThreadPoolExecutor(1) as pool:
        taken = pool.submit(send, edge, bundle())
        assert ready.wait(MOST_WAIT)
        assert client.ask("Patient?name=nobody-of-that-name").status == 200
        answered_after = portions.done
        reply = taken.result(MOST_WAIT)
    assert statuses(reply) == ["201"] * portions.done
    assert answered_after < portions.done


def test_a_post_that_is_suspended_while_its_bundle_is_taken_writes_no_more(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = edge.story.world
    post = world.keyring.all_staff(world.keyring.ministry())["Officer A"]
    officer = Officer(post.number, post.key)
    employer = edge.story.staff["clerk"].organisation.number
    said = bundle("Alesha810_Grant908")
    portions = Portions(edge, monkeypatch, lambda: parties.suspend(world.network, officer, employer))
    try:
        assert send(edge, said).status == 403
        assert portions.done == 1
    finally:
        parties.reinstate(world.network, officer, employer)
    again = send(edge, said)
    assert statuses(again) == ["201"] * len(said["entry"])


def test_a_long_bundle_is_read_in_a_process_beside_and_refused_as_one_that_is_read_here(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = bundle()
    wrong = {**said, "entry": [*said["entry"], {"resource": {"resourceType": "Nothing"}}]}
    no_json = json.dumps(said).encode() + b" " * 10 + b"}"
    here = [send(edge, each) for each in (wrong, no_json)]
    monkeypatch.setattr(creations, "LONG", 0)
    there = [send(edge, each) for each in (wrong, no_json)]
    assert [(each.status, each.body) for each in there] == [(each.status, each.body) for each in here]
    assert {each.status for each in there} == {400}
    assert statuses(send(edge, said))


def test_a_process_that_was_begun_is_the_one_that_reads() -> None:
    async def story() -> None:
        beside = Beside()
        try:
            beside.begin(taking.read_first)
            assert beside._process is not None
            begun = beside._process
            there = await beside.run(os.getpid)
            assert there != os.getpid()
            assert (await beside.run(os.getpid), beside._process) == (there, begun)
        finally:
            beside.close()

    asyncio.run(story())


def test_a_process_beside_that_is_killed_is_told_and_started_anew() -> None:
    async def story() -> None:
        beside = Beside()
        try:
            first = await beside.run(os.getpid)
            with pytest.raises(ReadingBrokeOff):
                await beside.run(_dies)
            second = await beside.run(os.getpid)
            assert len({first, second, os.getpid()}) == 3
            with pytest.raises(FhirRefused, match="not here"):
                await beside.run(_refuses)
        finally:
            beside.close()

    asyncio.run(story())


def _dies() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _refuses() -> None:
    raise FhirRefused(problem="not here")


def test_the_media_type_is_still_asked_for(edge: Edge) -> None:
    reply = edge.client("clerk").ask("", "POST", b"{}", Content_Type="text/plain")
    assert (reply.status, JSON in reply.issue[1]) == (415, True)
