"""Who listens at this moment: for each a bounded queue that the worker fills and the event loop empties.

One that does not keep up is sent away and resumes by the number of what it had last; nothing waits for it.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence

from careledger.app.tokens import Bearer
from careledger.domain.errors import Throttled

MOST_WAITING = 256
"""Events that wait for one listener at most."""
MOST_LISTENERS = 1_200
MOST_OF_A_TOKEN = 150
UNSTARTED = 60.0
"""Seconds after which a listener that was never served is dropped."""


class Listener:
    """One open stream: whose it is, and what waits for it as (number, bytes)."""

    def __init__(self, bearer: Bearer, reached: int) -> None:
        """``reached``: the last number when it joins; the worker gives it what follows."""
        self.bearer, self.reached = bearer, reached
        self.over = False
        self.made = time.monotonic()
        self.loop: asyncio.AbstractEventLoop | None = None
        self.woken = asyncio.Event()
        self._waiting: deque[tuple[int, bytes]] = deque()

    def give(self, told: Sequence[tuple[int, bytes]]) -> None:
        """More to tell; too much ends it. From any thread; ``wake`` follows."""
        if len(self._waiting) + len(told) > MOST_WAITING:
            self.over = True
            self._waiting.clear()
        else:
            self._waiting.extend(told)

    def taken(self) -> list[tuple[int, bytes]]:
        """What waits, which then waits no more."""
        found = []
        while self._waiting:
            found.append(self._waiting.popleft())
        return found

    def end(self) -> None:
        """Nothing more is told; on the event loop."""
        self.over = True
        self.woken.set()


class Listeners:
    """Everybody who listens at one gateway."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all: set[Listener] = set()
        self._closed = False

    def join(self, listener: Listener) -> None:
        """From now on it is told; raises Throttled."""
        with self._lock:
            of_token = Counter(each.bearer.digest for each in self._all)[listener.bearer.digest]
            if self._closed or len(self._all) >= MOST_LISTENERS or of_token >= MOST_OF_A_TOKEN:
                raise Throttled(what="open event streams", seconds=60)
            self._all.add(listener)

    def leave(self, listener: Listener) -> None:
        """It is not told any more; leaving again changes nothing."""
        with self._lock:
            self._all.discard(listener)

    def all(self) -> list[Listener]:
        """Everybody at this moment."""
        with self._lock:
            return list(self._all)

    def give(self, to: Iterable[Listener], told: Sequence[tuple[int, bytes]], reached: int) -> None:
        """Hands each of these what it has not been given."""
        listeners = list(to)
        for each in listeners:
            each.give([one for one in told if one[0] > each.reached])
            each.reached = max(each.reached, reached)
        _on_loop(listeners, lambda each: each.woken.set())

    def end(self, which: Iterable[Listener]) -> None:
        """Ends these streams."""
        listeners = list(which)
        for each in listeners:
            each.over = True
            self.leave(each)
        _on_loop(listeners, Listener.end)

    def drop_unstarted(self) -> None:
        """Those whose client was gone before it was served."""
        late = time.monotonic() - UNSTARTED
        self.end(each for each in self.all() if each.loop is None and each.made < late)

    def close(self) -> None:
        """Ends all; nobody joins any more."""
        with self._lock:
            self._closed = True
        self.end(self.all())


def _on_loop(listeners: Iterable[Listener], act: Callable[[Listener], None]) -> None:
    """One call for all of them: they are served by one loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Listener]] = {}
    for each in listeners:
        if each.loop is not None:
            by_loop.setdefault(each.loop, []).append(each)
    for loop, found in by_loop.items():

        def run(found: list[Listener] = found) -> None:
            for each in found:
                act(each)

        if not loop.is_closed():
            loop.call_soon_threadsafe(run)
