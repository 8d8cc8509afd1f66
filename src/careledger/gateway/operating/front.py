"""What every request passes before the routes: who is believed about it, and what is noted of it.

What a proxy says is believed of those that the operator named, and taken out of every other request, so that nothing
behind this can look at it. A request that came without TLS from beyond loopback is refused unread, and so is one that
says in two ways where it ends: its line is closed, so that nothing of it is taken for another request.
"""

from __future__ import annotations

import ipaddress
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from careledger.app.service.table import Service
from careledger.gateway import http, security_log
from careledger.gateway.entrance import NAMES
from careledger.gateway.operating.health import PATHS
from careledger.gateway.operating.metrics import METHODS, NOWHERE, Metrics
from careledger.gateway.operating.spans import Spans
from careledger.gateway.outcomes import outcome
from careledger.gateway.security_log import Noted

FORWARDED = frozenset({b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"forwarded"})
LENGTHS = frozenset({b"content-length", b"transfer-encoding"})
"""What says where a message of HTTP/1.1 ends: one of them alone (RFC 9112, 6.3)."""
TRANSPORT = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")
NO_PAGE = b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
UNLESS_SAID = (
    (b"content-security-policy", NO_PAGE),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
"""What browsers are told where a route says nothing else: it is no page, loads nothing and stands in no frame."""
FHIR, REFUSED = "/fhir", {400: "structure", 403: "security", 415: "not-supported"}
"""Where FHIR is asked for, and the codes of its issue types for what is refused here."""
PLAIN = (b"", b"identity")
"""Content codings of what is sent: nothing is unpacked here (RFC 9110 8.4, 15.5.16)."""
_ABSOLUTE = re.compile(rb"https?://([^/?#@\s]+)(/[^#]*)?", re.IGNORECASE)
_WITH_PORT = re.compile(r"\[([^\[\]]+)\](?::\d{1,5})?|([\d.]+):\d{1,5}", re.ASCII)
_LOG = logging.getLogger("careledger.requests")


@dataclass(frozen=True)
class Front:
    """An ASGI application before another one."""

    application: ASGIApp
    service: Service
    metrics: Metrics
    spans: Spans | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.application(scope, receive, send)
            return
        seen = Seen(scope, self.metrics, self.spans, self.service.log_requests)
        with seen:
            await self._passed(scope, receive, _guarded(scope, seen.watched(send)))

    async def _passed(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[NAMES] = self.service.names
        if {name for name, _ in scope["headers"]} >= LENGTHS:
            security_log.write(scope, Noted(event=security_log.INPUT))
            said = _refused(scope, 400, "Say once where the request ends.", {"Connection": "close"})
            await said(scope, receive, send)
            return
        _aimed(scope)
        sure = self._believed(scope)
        if not sure and scope["path"] not in PATHS:
            security_log.write(scope, Noted(event=security_log.NO_TLS))
            await _refused(scope, 403, "Ask over TLS.")(scope, receive, send)
            return
        if any(name == b"content-encoding" and said.lower() not in PLAIN for name, said in scope["headers"]):
            said = _refused(scope, 415, "Send it as it is.", {"Accept-Encoding": "identity"})
            await said(scope, receive, send)
            return
        await self.application(scope, receive, send)

    def _believed(self, scope: Scope) -> bool:
        """Takes over what a trusted proxy says; whether nobody on a network could listen in."""
        said = {name: value.decode("latin-1") for name, value in scope["headers"] if name in FORWARDED}
        twice = sum(name in FORWARDED for name, _ in scope["headers"]) > len(said)
        scope["headers"] = [(name, value) for name, value in scope["headers"] if name not in FORWARDED]
        peer = _address(scope["client"][0] if scope.get("client") else "")
        if not self._trusted(peer):
            return scope["scheme"] == "https" or (peer is not None and peer.is_loopback)
        near = self.service.plain or (peer is not None and peer.is_loopback)
        if scope["scheme"] != "https" and not near:
            return False
        if twice or said.get(b"x-forwarded-proto", "").strip().lower() != "https":
            return False
        scope["scheme"] = "https"
        if b"x-forwarded-host" in said:
            others = [each for each in scope["headers"] if each[0] != b"host"]
            scope["headers"] = [*others, (b"host", said[b"x-forwarded-host"].strip().encode("latin-1"))]
        scope["client"] = (self._client(said.get(b"x-forwarded-for", ""), peer), 0)
        return True

    def _client(self, chain: str, peer: Any) -> str:
        """The last one in the chain that is no trusted proxy; the proxy where nothing can be read."""
        for said in reversed(chain.split(",")):
            found = _address(said.strip())
            if found is None:
                break
            if not self._trusted(found):
                return str(found)
        return str(peer)

    def _trusted(self, address: Any) -> bool:
        return address is not None and any(address in network for network in self.service.networks)


@dataclass(frozen=True)
class Counted:
    """An application behind gateways, whose own requests are counted where it works."""

    application: ASGIApp
    metrics: Metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.application(scope, receive, send)
            return
        with Seen(scope, self.metrics, None, False) as seen:
            await self.application(scope, receive, seen.watched(send))


class Seen:
    """One request as it is counted: when it came, when its answer began, under which pattern."""

    def __init__(self, scope: Scope, metrics: Metrics, spans: Spans | None, logged: bool) -> None:
        self._scope, self._metrics, self._spans, self._logged = scope, metrics, spans, logged
        self._method = scope["method"] if scope["method"] in METHODS else "OTHER"
        self._came, self._seconds, self._status = time.monotonic(), 0.0, 500

    def __enter__(self) -> Seen:
        self._metrics.under_way.inc()
        self._span = None if self._spans is None else self._spans.begin(self._method)
        return self

    def __exit__(self, *_: object) -> None:
        self._metrics.under_way.dec()
        route = self._route()
        seconds = self._seconds or time.monotonic() - self._came
        self._metrics.answered(self._method, route, self._status, seconds)
        if self._spans is not None:
            self._spans.end(self._span, self._method, route, self._status)
        if self._logged:
            said = {"method": self._method, "route": route, "status": self._status}
            _LOG.info("answered", extra={**said, "milliseconds": round(seconds * 1000, 1)})

    def watched(self, send: Send) -> Callable[[Message], Awaitable[None]]:
        """The same, noting when the answer begins."""

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._status, self._seconds = message["status"], time.monotonic() - self._came
            await send(message)

        return sent

    def _route(self) -> str:
        route = self._scope.get("route")
        return getattr(route, "path", NOWHERE)


def _refused(
    scope: Scope, status: int, words: str, headers: Mapping[str, str] = MappingProxyType({})
) -> Response:
    """Refused unread: in FHIR's words where FHIR is asked for."""
    if scope["path"].startswith(f"{FHIR}/") or scope["path"] == FHIR:
        return http.response(outcome("error", REFUSED[status], words), status, headers)
    return Response(f"{words}\n", status, dict(headers), media_type="text/plain")


def _aimed(scope: Scope) -> None:
    """Asks what is asked for in absolute form as if by its path, under the name in it (RFC 9112 3.2.2)."""
    found = _ABSOLUTE.fullmatch(scope.get("raw_path") or b"")
    if found is None:
        return
    scope["raw_path"] = found[2] or b"/"
    scope["path"] = unquote(scope["raw_path"].decode("ascii"))
    others = [each for each in scope["headers"] if each[0] != b"host"]
    scope["headers"] = [(b"host", found[1]), *others]


def _guarded(scope: Scope, send: Send) -> Callable[[MutableMapping[str, Any]], Awaitable[None]]:
    """What browsers are told besides; one that was here over TLS comes so again (RFC 6797)."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            said = list(message.get("headers", ()))
            there = {name.lower() for name, _ in said}
            said += [each for each in UNLESS_SAID if each[0] not in there]
            secured = [TRANSPORT] if scope["scheme"] == "https" else []
            message = {**message, "headers": said + secured}
        await send(message)

    return sent


def _address(said: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address, with a port or without: ``192.0.2.1:5678``, ``[2001:db8::1]:443``."""
    with_port = _WITH_PORT.fullmatch(said)
    try:
        found = ipaddress.ip_address(with_port[1] or with_port[2] if with_port else said)
    except ValueError:
        return None
    mapped = getattr(found, "ipv4_mapped", None)
    return mapped or found
