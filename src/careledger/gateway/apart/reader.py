"""A worker beside the one that has the directory: it answers FHIR reads and searches, and changes nothing.

It opens leases itself, so that what costs time is done here: custodians are asked as by anybody, records opened,
searched and written out. The chain it reads beside the process that writes it, what counts once it asks of the books,
and what only the first worker has, or knows, is answered there: whoever asked is led on by the gateway.
"""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, cast

from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from careledger.adapters.lent.elsewhere import NotHere
from careledger.app.readers import ReaderWorld
from careledger.app.service.table import Service
from careledger.app.serving import ENDS_WITHIN, MOST_CONNECTIONS, HttpServer
from careledger.domain.errors import PageGone, ServerUnavailable
from careledger.gateway.apart.handing import ELSEWHERE, Handed
from careledger.gateway.apart.sharing import Reader
from careledger.gateway.application import Edge
from careledger.gateway.beside import Beside
from careledger.gateway.desk import Desk
from careledger.gateway.operating.front import Counted
from careledger.gateway.operating.health import Health
from careledger.gateway.operating.metrics import Metrics
from careledger.gateway.own.chart import Charts, Writings
from careledger.gateway.pages import Pages, Past, Rest
from careledger.gateway.security_log import Noting
from careledger.workflows.actors import Organisation

SHARED = 4
"""How many gateways' connections one worker takes at once."""
HOUSE = 2.0
"""Seconds between two looks for leases that are over."""
MISDIRECTED = 421
_LOG = logging.getLogger(__name__)


class ReadingWorker:
    """Serves a reader's world until it is closed; the world stays open. At the end what is under way is answered, and
    every lease is dropped."""

    def __init__(self, world: ReaderWorld, service: Service, at: Path) -> None:
        """``at``: its socket. Raises ServerUnavailable."""
        within = min(ENDS_WITHIN, service.within)
        self._http = HttpServer.at(at, SHARED * MOST_CONNECTIONS, within)
        self._at = at
        self._worker = ThreadPoolExecutor(1, "reader")
        sharing = Reader(world.marks, world.tell)
        self._desk = Desk(world, f"{service.address}/fhir", sharing)
        self._desk.charts, self._desk.pages = _Charts(world), _Pages()
        health = Health(world, self._worker)
        self._edge, self._metrics = Edge(self._desk, self._worker, Beside(), health), Metrics(health)
        self._metrics_http = _listener(self._metrics, service, at)
        self._ended = threading.Event()
        self._keeping = threading.Thread(target=self._keep_house, name="reader-house", daemon=True)

    @property
    def metrics_url(self) -> str:
        """Where Prometheus scrapes this reader, "" if nowhere."""
        return Metrics.place(self._metrics_http)

    def __enter__(self) -> ReadingWorker:
        answering = self._edge.crossing(Noting(_Readings(self._edge)))
        self._http.start(Handed(Counted(_LedOn(answering), self._metrics)))
        if self._metrics_http is not None:
            self._metrics_http.start(self._metrics.application())
        self._keeping.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._at.unlink(missing_ok=True)
        self._http.close()
        if self._metrics_http is not None:
            self._metrics_http.close()
        self._ended.set()
        self._keeping.join()
        self._edge.close()
        self._worker.submit(self._desk.leases.close)
        self._worker.shutdown()

    def _keep_house(self) -> None:
        """Nothing that a lease opened stays in memory after it."""
        while not self._ended.wait(HOUSE):
            self._worker.submit(self._desk.drop_ended)


def _listener(metrics: Metrics, service: Service, at: Path) -> HttpServer | None:
    """Where the metrics are told: beside the first worker's Unix socket under this reader's number, nowhere if another
    process has that address. Several workers may be started alike. Raises ConfigurationRefused."""
    if service.metrics.startswith("/"):
        service = replace(service, metrics=f"{service.metrics}-{at.name.rpartition('-')[2]}")
    try:
        return metrics.listener(service)
    except ServerUnavailable:
        _LOG.warning("no metrics of this reader: another process has metrics.address")
        return None


@dataclass(frozen=True)
class _LedOn:
    """Whoever asked what is not answered here is led to the first worker; nothing was said to them yet."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        try:
            await self.app(scope, receive, send)
        except NotHere:
            answer = Response(status_code=MISDIRECTED, headers={ELSEWHERE.decode(): "1"})
            await answer(scope, receive, send)


class _Readings:
    """The routes that a reader answers, chosen as the first worker chooses among all; others raise NotHere."""

    def __init__(self, edge: Edge) -> None:
        routes, reading = edge.routes(), edge.reading()
        self._routes = routes
        self._reading = {(each.path, *sorted(each.methods or ())) for each in reading}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        route = self._chosen(scope)
        if route is None:
            raise NotHere
        await route.handle(scope, receive, send)

    def _chosen(self, scope: Scope) -> Route | None:
        for route in self._routes:
            match, child = route.matches(scope)
            if match is Match.FULL:
                scope.update(child)
                scope["route"] = route
                known = (route.path, *sorted(route.methods or ())) in self._reading
                return route if known else None
        return None


class _Charts(Charts):
    """Own writings are indexed by the first worker."""

    def of(self, organisation: Organisation) -> Writings:
        """What raises NotHere once it is asked anything."""
        return cast(Writings, _Elsewhere())


class _Elsewhere:
    def __getattr__(self, name: str) -> Any:
        raise NotHere


class _Pages(Pages):
    """A page that was not begun here was begun by the first worker, or is gone there too."""

    def rest(self, name: str, bearer: bytes, now: int) -> Rest | Past:
        """What is behind a link of this worker's; raises NotHere for every other."""
        try:
            return super().rest(name, bearer, now)
        except PageGone:
            raise NotHere from None
