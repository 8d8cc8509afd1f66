"""The ledger over JSON-RPC on nodes of other code bases, and the port's behaviour suite run on several at once."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from queue import Queue
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import pytest

from adapters.ledger_suite_parties import PartySuite
from adapters.ledger_suite_patients import PatientSuite
from adapters.ledger_suite_records import RecordSuite
from adapters.ledger_world import CHAIN_ID, LedgerWorld, MovingClock
from adapters.test_ledger_evm import genesis
from careledger.adapters.evm.chain import EmbeddedChain
from careledger.adapters.evm.deploy import found
from careledger.adapters.evm.ledger import EvmLedger
from careledger.adapters.memory.clock import ManualClock
from careledger.adapters.remote.courier import Limits
from careledger.adapters.remote.http import Endpoint
from careledger.adapters.remote.node import OLDEST, RemoteNode
from careledger.adapters.remote.nodes import Nodes
from careledger.adapters.remote.rpc import JsonRpc
from careledger.formats.signatures import SigningKey
from careledger.rpc.server import Server
from contracts.loading import script

EVER = 10**9
AGAIN = Limits().again
GANACHES_AGAIN = 30.0
"""Ganache executes a transaction twice that is sent again while it is mining it, whatever its nonce."""
Act = Callable[[LedgerWorld], None]
DEV_NODES = script("tools/dev_nodes.py")


class Running(Protocol):
    """What tools/dev_nodes.py starts."""

    url: str

    def rpc(self, method: str, *parameters: Any) -> Any: ...

    def start(self) -> None: ...

    def stop(self, kill: bool = False) -> None: ...


class TravellingClock:
    """The machine's clock and a node's, moved on together."""

    def __init__(self, node: Running) -> None:
        self._node, self._ahead = node, 0

    def now(self) -> int:
        return int(time.time()) + self._ahead

    def advance(self, seconds: int) -> None:
        """Until the node has a block of the new time."""
        self._node.rpc("evm_increaseTime", seconds)
        self._ahead += seconds
        self._node.rpc("evm_mine")


@contextmanager
def required() -> Iterator[None]:
    """Skips, or fails where everything is required, if a node cannot be had."""
    try:
        yield
    except DEV_NODES.NoNode as error:
        if os.environ.get("CARELEDGER_REQUIRE_ALL") == "1":
            pytest.fail(f"required here: {error}")
        pytest.skip(str(error))


def connected(
    folder: Path,
    urls: Sequence[str],
    clock: MovingClock,
    agreeing: int = 1,
    oldest: int = OLDEST,
    **limits: Any,
) -> RemoteNode:
    """A remote node over these addresses."""
    nodes = Nodes([JsonRpc(Endpoint(url)) for url in urls], agreeing)
    return RemoteNode(folder, CHAIN_ID, nodes, clock, oldest, replace(Limits(), **limits))


@contextmanager
def founded(
    url: str, clock: MovingClock, oldest: int = OLDEST, again: float = AGAIN
) -> Iterator[LedgerWorld]:
    """A network of its own on that node."""
    with TemporaryDirectory() as folder:
        node = connected(Path(folder), [url], clock, oldest=oldest, again=again)
        since = node.head().number
        directory = found(node, genesis(founder=SigningKey.random()))
        ledger = EvmLedger(node, directory, clock, since=since)
        try:
            yield LedgerWorld(ledger, clock)
        finally:
            ledger.close()


def suite(still: bool) -> list[tuple[str, Act]]:
    """The port's behaviour suite; ``still``: with what needs a clock that stands still until it is moved."""
    acts: list[tuple[str, Act]] = []
    for kind in (PartySuite, PatientSuite, RecordSuite):
        for name in dir(kind):
            if name.startswith("test_"):
                acts += [(name, act) for act in cases(getattr(kind(), name), still)]
    return acts


def cases(act: Any, still: bool) -> list[Act]:
    """A test of the suite with each of its parameters."""
    marks = {mark.name: mark.args for mark in getattr(act, "pytestmark", ())}
    if "still_clock" in marks and not still:
        return []
    if "parametrize" not in marks:
        return [act]
    name, values = marks["parametrize"]
    return [partial(act, **{name: value}) for value in values]


Place = tuple[str, MovingClock, int, float]
"""A node: its address, its clock, how old in seconds its head may be, and after how many to send again."""


def performed(acts: Sequence[tuple[str, Act]], nodes: Sequence[Place]) -> int:
    """Runs tests, each in a network of its own, on these nodes side by side; how many held.

    Raises every failure together.
    """
    free: Queue[Place] = Queue()
    for node in nodes:
        free.put(node)

    def run(case: tuple[str, Act]) -> Exception | None:
        name, act = case
        node = free.get()
        try:
            with founded(*node) as world:
                act(world)
        except Exception as error:
            error.add_note(name)
            return error
        finally:
            free.put(node)
        return None

    with ThreadPoolExecutor(len(nodes)) as pool:
        ended = list(pool.map(run, acts))
    failures = [error for error in ended if error is not None]
    if failures:
        raise ExceptionGroup(f"{len(failures)} of the suite", failures)
    return len(ended)


@contextmanager
def several(kind: str, count: int, again: float) -> Iterator[list[Place]]:
    """So many nodes of that kind with a clock each."""
    with required(), ExitStack() as stack:
        nodes = [stack.enter_context(getattr(DEV_NODES, kind)(CHAIN_ID)) for _ in range(count)]
        yield [(node.url, TravellingClock(node), OLDEST, again) for node in nodes]


@contextmanager
def served(folder: Path, count: int) -> Iterator[list[Place]]:
    """So many embedded chains behind their own RPC server. They make a block only when something is sent."""
    with ExitStack() as stack:
        places: list[Place] = []
        for number in range(count):
            clock = ManualClock()
            chain = stack.enter_context(EmbeddedChain(folder / str(number), CHAIN_ID, clock.now))
            server = stack.enter_context(Server(chain, folder / str(number), port=0))
            places.append((server.url, clock, EVER, AGAIN))
        yield places
