"""Long requests are read and judged in a process beside the gateway, and what waits for another program has a thread
of its own, so that others are answered meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass

from careledger.app.beside import process_beside
from careledger.domain.errors import ReadingBrokeOff

LONG = 128 * 1024
"""Bytes from which on a body is read in the process beside."""


@dataclass(frozen=True, repr=False)
class Waiting:
    """What waits for another program: it needs no world and little work, and keeps the process from nothing."""

    act: Callable[[], object]

    def __call__(self) -> object:
        return self.act()


class Beside:
    """One process, started when it is first needed if it was not begun, and anew after it broke; used by one event loop
    only."""

    def __init__(self) -> None:
        self._process: Executor | None = None

    def begin(self, first: Callable[[], object]) -> None:
        """Starts it with something to do, before the loop runs, so that nobody waits until it has started."""
        self._process = process_beside()
        self._process.submit(first)

    async def run(self, act: Callable[[], object]) -> object:
        """What that gives, done there, or in a thread of its own where it is ``Waiting``; raises what it raises, and
        ReadingBrokeOff if the process ends meanwhile."""
        if isinstance(act, Waiting):
            with own_thread() as thread:
                return await asyncio.get_running_loop().run_in_executor(thread, act)
        if self._process is None:
            self._process = process_beside()
        process = self._process
        try:
            return await asyncio.get_running_loop().run_in_executor(process, act)
        except BrokenProcessPool:
            if self._process is process:
                self._process = None
            raise ReadingBrokeOff() from None

    def close(self) -> None:
        """Ends the process, once what it does is done."""
        if self._process is not None:
            self._process.shutdown()


@contextmanager
def own_thread() -> Iterator[Executor]:
    """A thread for one request; what it still has to do then, it does, and nobody waits for it."""
    thread = ThreadPoolExecutor(1, "gateway-waiting")
    try:
        yield thread
    finally:
        thread.shutdown(wait=False)
