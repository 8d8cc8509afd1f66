"""Counts and times of a gateway for Prometheus: by method, route pattern and status, never by what was asked for.

They are in memory and of this process: Prometheus adds up those of several, and knows what a restart is.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from careledger.app.service import tls
from careledger.app.service.table import SECURED, Service, metrics_of
from careledger.app.serving import HttpServer
from careledger.domain.facts import Head
from careledger.gateway.entrance import is_here

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
NOWHERE = "none"
"""The route of a request that fits none."""
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Readiness(Protocol):
    """What is asked whether it is ready, and which block it saw last."""

    head: Head | None

    def reasons(self) -> tuple[str, ...]: ...


class Metrics:
    """Of one gateway, in a registry of its own."""

    def __init__(self, health: Readiness) -> None:
        self._registry = made = CollectorRegistry()
        by = ("method", "route")
        self._requests = Counter(
            "careledger_http_requests", "Requests answered.", (*by, "status"), registry=made
        )
        self._seconds = Histogram(
            "careledger_http_seconds", "Seconds until the answer began.", by, registry=made, buckets=BUCKETS
        )
        self.under_way = Gauge("careledger_http_under_way", "Requests under way now.", registry=made)
        ProcessCollector(registry=made)
        made.register(_State(health))

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """An answer began."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)

    def listener(self, service: Service) -> HttpServer | None:
        """Where they are asked for, None where nowhere; raises ServerUnavailable, ConfigurationRefused."""
        if service.metrics.startswith("/"):
            return HttpServer.at(Path(service.metrics))
        secured = tls.context(service) if service.metrics.startswith(SECURED) else None
        return HttpServer(*metrics_of(service.metrics), tls=secured) if service.metrics else None

    @staticmethod
    def place(on: HttpServer | None) -> str:
        """Where that is, as Prometheus is told; "" for nowhere, of a Unix socket its path."""
        if on is None or on.url.startswith("/"):
            return "" if on is None else on.url
        return f"{on.url}/metrics"

    def application(self) -> Starlette:
        """``/metrics`` as an ASGI application, for a listener of its own."""
        return Starlette(routes=[Route("/metrics", self._metrics, methods=["GET"])])

    def _metrics(self, request: Request) -> Response:
        """In a thread, because it waits for the worker."""
        if not is_here(request):
            return Response(status_code=421)
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)


class _State:
    """What is looked at when it is asked for."""

    def __init__(self, health: Readiness) -> None:
        self._health = health

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The readiness, and the newest block."""
        ready = not self._health.reasons()
        yield GaugeMetricFamily("careledger_ready", "1 if it is ready.", value=float(ready))
        head = self._health.head
        if head is not None:
            yield GaugeMetricFamily("careledger_ledger_block", "The newest block.", value=head.number)
            said = "When the newest block was made, in unix seconds."
            yield GaugeMetricFamily("careledger_ledger_block_time_seconds", said, value=head.time)

    def describe(self) -> list[GaugeMetricFamily]:
        """Nothing before it is asked for."""
        return []
