"""Spans of requests for OpenTelemetry, sent by OTLP over HTTP: method, route pattern, status, time, and nothing else.

An opt-in with an extra of its own (``pip install careledger[traces]``). What a client says about traces is not taken
over: it could name a person.
"""

from __future__ import annotations

from typing import Any

import urllib3

from careledger.domain.errors import ConfigurationRefused

NAME = "careledger"
PROTOBUF = "application/x-protobuf"
SECONDS = 5.0
"""How long one sending may take."""


class Spans:
    """The spans of one gateway; an endpoint that is away loses spans and delays nothing."""

    def __init__(self, endpoint: str) -> None:
        """Raises ConfigurationRefused where the extra is not installed."""
        try:
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor

            exporter = _exporter(endpoint)
        except ImportError:
            why = "needs the extra traces: pip install careledger[traces]"
            raise ConfigurationRefused(key="traces.endpoint", why=why) from None
        self._provider = TracerProvider(resource=Resource({"service.name": NAME}))
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer(NAME)

    def begin(self, method: str) -> Any:
        """A span that has begun."""
        from opentelemetry.context import Context
        from opentelemetry.trace import SpanKind

        return self._tracer.start_span(method, Context(), SpanKind.SERVER)

    def end(self, span: Any, method: str, route: str, status: int) -> None:
        """It has ended."""
        span.update_name(f"{method} {route}")
        span.set_attributes(
            {"http.request.method": method, "http.route": route, "http.response.status_code": status}
        )
        span.end()

    def close(self) -> None:
        """Sends what is left, for a few seconds at most."""
        self._provider.shutdown()


def _exporter(endpoint: str) -> Any:
    """Sends spans as OTLP 1.x says for HTTP and protobuf; one attempt, and what is not taken is lost."""
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

    pool = urllib3.PoolManager()

    class Exporter(SpanExporter):
        def export(self, spans: Any) -> SpanExportResult:
            body, headers = encode_spans(spans).SerializeToString(), {"Content-Type": PROTOBUF}
            try:
                reply = pool.request(
                    "POST",
                    endpoint,
                    body=body,
                    headers=headers,
                    timeout=SECONDS,
                    retries=False,
                    redirect=False,
                )
            except urllib3.exceptions.HTTPError:
                return SpanExportResult.FAILURE
            return SpanExportResult.SUCCESS if reply.status < 300 else SpanExportResult.FAILURE

        def shutdown(self) -> None:
            pool.clear()

    return Exporter()
