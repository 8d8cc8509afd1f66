"""A gateway in a process of its own: it has no key, no data directory and no memory; a worker answers behind it."""

from __future__ import annotations

import asyncio
import socket
from contextlib import closing
from pathlib import Path
from types import TracebackType

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from careledger.adapters.custody.sockets import is_ours
from careledger.app.service import tls
from careledger.app.service.table import Service
from careledger.app.serving import ENDS_WITHIN, MOST_CONNECTIONS, HttpServer, is_loopback
from careledger.domain.facts import Head
from careledger.gateway.apart.passing import Passing
from careledger.gateway.events.listening import MOST_LISTENERS
from careledger.gateway.operating.front import Front
from careledger.gateway.operating.health import SAFE, STOPPING
from careledger.gateway.operating.metrics import Metrics
from careledger.gateway.operating.spans import Spans

WORKER = "worker"
"""No worker answers behind this gateway."""


class EdgeGateway:
    """Serves until it is closed.

    Order of effects at the end: it is not ready any more, no new connections, what is under way is answered.
    """

    def __init__(self, service: Service, worker: Path) -> None:
        """``worker``: its socket. Raises ServerUnavailable, ConfigurationRefused."""
        secured, beyond = tls.context(service), not is_loopback(service.host)
        most, within = MOST_CONNECTIONS + MOST_LISTENERS, min(ENDS_WITHIN, service.within)
        self._spans = Spans(service.traces) if service.traces else None
        self._http = HttpServer(service.host, service.port, most, secured, beyond, within)
        self._ready = Behind(worker)
        self._metrics = Metrics(self._ready)
        self._metrics_http = self._metrics.listener(service)
        self._front = Front(_Routes(Passing(worker), self._ready), service, self._metrics, self._spans)
        self.url = self._http.url

    @property
    def metrics_url(self) -> str:
        """Where Prometheus scrapes, "" if nowhere."""
        return Metrics.place(self._metrics_http)

    def stop_soon(self) -> None:
        """It answers as before, and says that it is not ready."""
        self._ready.stopping = True

    def close(self) -> None:
        """Ends as the class says."""
        self.stop_soon()
        self._http.close()
        if self._metrics_http is not None:
            self._metrics_http.close()
        if self._spans is not None:
            self._spans.close()

    def __enter__(self) -> EdgeGateway:
        self._http.start(self._front)
        if self._metrics_http is not None:
            self._metrics_http.start(self._metrics.application())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Behind:
    """Whether a worker of ours takes requests on its socket; whether it can do its work it says at ``/readyz``."""

    head: Head | None = None

    def __init__(self, worker: Path) -> None:
        self.worker, self.stopping = worker, False

    def reasons(self) -> tuple[str, ...]:
        """Why nothing can be asked here; nothing if it can."""
        if self.stopping:
            return (STOPPING,)
        with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as line:
            line.settimeout(1)
            try:
                line.connect(str(self.worker))
                return () if is_ours(line) else (WORKER,)
            except OSError:
                return (WORKER,)


class _Routes:
    """Health here, everything else at the worker."""

    def __init__(self, passing: Passing, behind: Behind) -> None:
        self._passing, self._behind = passing, behind

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer: Response | None = None
        if scope["type"] == "http" and scope["method"] in ("GET", "HEAD"):
            answer = await self._health(Request(scope).url.path)
        await (self._passing if answer is None else answer)(scope, receive, send)

    async def _health(self, path: str) -> Response | None:
        if path == "/healthz":
            return JSONResponse({"status": "answers"}, 200, SAFE)
        if path != "/readyz":
            return None
        reasons = await asyncio.to_thread(self._behind.reasons)
        if reasons:
            return JSONResponse({"status": "not ready", "reasons": list(reasons)}, 503, SAFE)
        return None
