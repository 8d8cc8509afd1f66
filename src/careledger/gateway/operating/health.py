"""Whether the process answers, and whether it can do its work: one word for each thing that it cannot, and no more.

Both routes need no token, so they say nothing that a stranger could use: no count, name, time or error.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor
from concurrent.futures import TimeoutError as NotInTime
from functools import partial

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from careledger.app.world import World
from careledger.domain.facts import Head
from careledger.ports import CustodianLink

STOPPING, BUSY, LEDGER, CUSTODIANS, STORES = "stopping", "busy", "ledger", "custodians", "stores"
WITHIN = 5.0
"""Seconds after which a worker that has not come to the look is said to be busy."""
KEPT = 1.0
"""Seconds for which a look is good, however often it is asked for."""
PATHS = frozenset({"/healthz", "/readyz"})
SAFE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class Health:
    """For one gateway; may be asked from any thread but the worker's."""

    def __init__(self, world: World, worker: Executor) -> None:
        """``worker``: the one thread that touches the world."""
        self._world, self._worker = world, worker
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._looked, self._found = -KEPT, tuple[str, ...]()
        self.head: Head | None = None

    def stop(self) -> None:
        """From now on it is not ready."""
        self._stopping.set()

    def reasons(self) -> tuple[str, ...]:
        """Why it is not ready; nothing if it is. Looks at most once a second."""
        if self._stopping.is_set():
            return (STOPPING,)
        with self._lock:
            if time.monotonic() - self._looked >= KEPT:
                self._found, self._looked = self._look(), time.monotonic()
            return self._found

    def routes(self) -> list[Route]:
        """Both routes."""
        return [
            Route("/healthz", _alive, methods=["GET"]),
            Route("/readyz", self._ready, methods=["GET"]),
        ]

    async def _ready(self, request: Request) -> Response:
        reasons = await asyncio.to_thread(self.reasons)
        if reasons:
            return JSONResponse({"status": "not ready", "reasons": list(reasons)}, 503, SAFE)
        return JSONResponse({"status": "ready"}, 200, SAFE)

    def _look(self) -> tuple[str, ...]:
        try:
            return self._worker.submit(self._found_wanting).result(WITHIN)
        except NotInTime:
            return (BUSY,)
        except RuntimeError:  # it takes no more work
            return (STOPPING,)

    def _found_wanting(self) -> tuple[str, ...]:
        """On the worker."""
        checks = ((LEDGER, self._ledger), (CUSTODIANS, self._custodians), (STORES, self._stores))
        return tuple(name for name, check in checks if not _holds(check))

    def _ledger(self) -> bool:
        self.head = self._world.ledger.fresh_head().head
        return True

    def _custodians(self) -> bool:
        """As many as a deposit needs answer."""
        links = list(self._world.custodians.values())
        answer = sum(_holds(partial(_answers, link)) for link in links)
        return answer >= min(self._world.settings.holding, len(links))

    def _stores(self) -> bool:
        """Something can be written where everything lies, durably."""
        with tempfile.TemporaryFile(dir=self._world.folder) as file:
            file.write(b"\0")
            file.flush()
            os.fsync(file.fileno())
        return True


async def _alive(request: Request) -> Response:
    return JSONResponse({"status": "answers"}, 200, SAFE)


def _answers(link: CustodianLink) -> bool:
    link.call("keys", b"")
    return True


def _holds(check: Callable[[], bool]) -> bool:
    """Whatever goes wrong, the answer is no."""
    try:
        return check()
    except Exception:
        return False
