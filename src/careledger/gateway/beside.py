"""Long requests are read and judged in a process beside the gateway, so that others are answered meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from concurrent.futures.process import BrokenProcessPool

from careledger.app.beside import process_beside
from careledger.domain.errors import ReadingBrokeOff


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
        """What that gives, done there; raises what it raises, and ReadingBrokeOff if the process ends meanwhile."""
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
