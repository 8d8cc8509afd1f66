"""Named failpoints at every port and at every commit of a custodian's stores, put around a site when it is opened.

The product has none of this inside: the campaign's child process puts proxies around the parts that the composition
root made. A point's name is its port, its method, for books the kind of row, and which time it is reached:
``gateway.put.deposit-plan#0``, ``ledger.anchor#0``, ``custodian.keep#3``, ``custodian-journal.commit#7``.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from enum import Enum
from typing import Any

from careledger.adapters.memory.failing import BLOCKS, BOARD, BOOKS, LEDGER_READS, STORE_WRITES, TELLING
from careledger.app.world import World
from careledger.domain.errors import StoreUnavailable


class How(Enum):
    """What happens at the chosen point; the first names which side of the effect."""

    KILL_BEFORE = "killed before it"
    KILL_AFTER = "killed after it"
    DELAY = "delayed"
    ERROR_BEFORE = "error and not done"
    ERROR_AFTER = "error but done"
    MEANWHILE = "something else happens before it"


FAILING = (How.KILL_BEFORE, How.KILL_AFTER, How.DELAY, How.ERROR_BEFORE, How.ERROR_AFTER)


class Points:
    """Counts every point by name; at the chosen one it does as told, once."""

    def __init__(
        self, chosen: str = "", how: How = How.DELAY, meanwhile: Callable[[], object] = lambda: None
    ) -> None:
        self.reached: list[str] = []
        self.hit = False
        self._chosen, self._how, self._meanwhile = chosen, how, meanwhile
        self._times: Counter[str] = Counter()
        self._lock = threading.RLock()

    def run(self, name: str, act: Callable[[], Any]) -> Any:
        """The act's result, or what was told to happen instead."""
        with self._lock:
            point = f"{name}#{self._times[name]}"
            self._times[name] += 1
            self.reached.append(point)
            due = point == self._chosen
            self.hit = self.hit or due
        if not due:
            return act()
        if self._how is How.KILL_BEFORE:
            os.kill(os.getpid(), signal.SIGKILL)
        if self._how is How.ERROR_BEFORE:
            raise StoreUnavailable(failpoint=point)
        if self._how is How.DELAY:
            time.sleep(0.05)
        if self._how is How.MEANWHILE:
            self._meanwhile()
        result = act()
        if self._how is How.KILL_AFTER:
            os.kill(os.getpid(), signal.SIGKILL)
        if self._how is How.ERROR_AFTER:
            raise StoreUnavailable(failpoint=point)
        return result

    def surround(self, world: World) -> None:
        """Proxies around ledger, blocks, board, custodians and the custodians' stores."""
        world.ledger = Port("ledger", world.ledger, self, None)  # type: ignore[assignment]
        world.blocks = Port("blocks", world.blocks, self, BLOCKS)  # type: ignore[assignment]
        world.board = Port("board", world.board, self, BOARD)  # type: ignore[assignment]
        for number, link in list(world.custodians.items()):
            custody = link._custody  # type: ignore[attr-defined]
            custody.rows = Store("custodian-rows", custody.rows, self)
            custody.journal = Store("custodian-journal", custody.journal, self)
            custody.ledger = Port("custodian-ledger", custody.ledger, self, None)
            world.custodians[number] = Link(link, self)

    def books(self, name: str, books: Any) -> Any:
        return Port(name, books, self, BOOKS)


class Port:
    """The methods that have effects, as points; books' with the kind of row."""

    def __init__(self, name: str, target: Any, points: Points, effects: frozenset[str] | None) -> None:
        self._name, self._target, self._points, self._effects = name, target, points, effects

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        counts = name in self._effects if self._effects is not None else name not in LEDGER_READS
        if not counts or not callable(found) or name == "close":
            return found

        def run(*given: Any, **named: Any) -> Any:
            kind = f".{_kinds(given[0])}" if self._effects is BOOKS else ""
            return self._points.run(f"{self._name}.{name}{kind}", lambda: found(*given, **named))

        return run


def _kinds(written: str | Mapping[str, object]) -> str:
    return written if isinstance(written, str) else "+".join(written)


class Link:
    """A custodian as its caller reaches it."""

    def __init__(self, link: Any, points: Points) -> None:
        self._link, self._points = link, points

    @property
    def party(self) -> int:
        return int(self._link.party)

    def call(self, method: str, body: bytes) -> bytes:
        if method not in TELLING:
            return bytes(self._link.call(method, body))
        return bytes(self._points.run(f"custodian.{method}", lambda: self._link.call(method, body)))


class Store:
    """A custodian's rows or journal: the commit of each outermost transaction, and writes outside of one."""

    def __init__(self, name: str, target: Any, points: Points) -> None:
        self._name, self._target, self._points = name, target, points
        self._inside = False

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        if self._inside or name not in STORE_WRITES:
            return found
        return lambda *given: self._points.run(f"{self._name}.{name}", lambda: found(*given))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        if self._inside:
            yield
            return
        self._inside = True
        try:
            with ExitStack() as opened:
                opened.enter_context(self._target.transaction())
                yield
                self._points.run(f"{self._name}.commit", lambda: opened.pop_all().close())
        finally:
            self._inside = False
