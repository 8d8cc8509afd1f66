"""Pages of other origins that ask in a browser (CORS, Fetch 3.2): those of registered public apps, for FHIR and tokens.

Nothing is allowed with a cookie: such a page brings its app's token. Every other page, and every other address, is
answered as if there were no such thing, so that the browser shows it nothing. An origin proves nobody and opens nothing
by itself.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from careledger.app import clients
from careledger.app.clients import PUBLIC
from careledger.domain.errors import CareLedgerError
from careledger.gateway.entrance import Entrance, is_here
from careledger.gateway.oauth import metadata

FHIR = "/fhir"
EVERY = 1.0
"""Seconds for which it is remembered whose pages may ask."""
REMEMBERED = 600
"""Seconds for which a browser remembers what it may ask."""
METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
SENT = (
    "Authorization, Content-Type, Accept, Prefer, Cache-Control, If-Match, If-None-Match, If-None-Exist, "
    "If-Modified-Since, Range, If-Range, X-Security-Context, Idempotency-Key"
)
READ = (
    "ETag, Location, Content-Location, Last-Modified, Retry-After, Warning, WWW-Authenticate, Preference-Applied, "
    "Accept-Ranges, Content-Range, Content-Disposition"
)
DEFAULT_PORTS = {"https": 443, "http": 80}


class Crossing:
    """An ASGI application before another one."""

    def __init__(self, application: ASGIApp, entrance: Entrance) -> None:
        self._application, self._entrance = application, entrance
        self._known: frozenset[str] = frozenset()
        self._until, self._reading = 0.0, asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        origin = _origin(scope)
        if not origin or not await self._is_known(origin):
            await self._application(scope, receive, send)
            return
        request = Request(scope)
        allowed = {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}
        if scope["method"] == "OPTIONS" and "access-control-request-method" in request.headers:
            methods = "POST" if scope["path"] == metadata.TOKEN else METHODS
            said = {"Access-Control-Allow-Methods": methods, "Access-Control-Allow-Headers": SENT}
            answer = Response(
                status_code=204, headers={**allowed, **said, "Access-Control-Max-Age": str(REMEMBERED)}
            )
            await answer(scope, receive, send)
            return
        more = {**allowed, "Access-Control-Expose-Headers": READ}
        await self._application(scope, receive, _with(send, more))

    async def _is_known(self, origin: str) -> bool:
        async with self._reading:
            if time.monotonic() >= self._until:
                self._known = frozenset()  # what cannot be read now allows nothing
                with suppress(CareLedgerError):
                    self._known = await self._entrance.work(self._read)
                self._until = time.monotonic() + EVERY
        return origin in self._known

    def _read(self) -> frozenset[str]:
        known = (each for employer in self._entrance.anew() for each in clients.registered(employer).values())
        return frozenset(
            origin
            for client in known
            if client.kind == PUBLIC
            for address in client.redirects
            if (origin := origin_of(address))
        )


def origin_of(address: str) -> str:
    """The origin of a page at that address as browsers say it (RFC 6454, 6.2); "" for an app's own scheme, and where
    no browser finds a page."""
    try:
        parts = urlsplit(address)
        number = parts.port
    except ValueError:
        return ""
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        return ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = "" if number in (None, DEFAULT_PORTS[parts.scheme]) else f":{number}"
    return f"{parts.scheme}://{host}{port}"


def _origin(scope: Scope) -> str:
    """The origin that a browser names, where another one's pages may be answered at all; else ""."""
    if scope["type"] != "http" or not is_here(Request(scope)):
        return ""
    path = scope["path"]
    if not (
        path == FHIR
        or path.startswith(f"{FHIR}/")
        or path in (metadata.TOKEN, metadata.OPENID, metadata.SERVER, metadata.KEYS)
    ):
        return ""
    said = [value for name, value in scope["headers"] if name == b"origin"]
    return said[0].decode("latin-1") if len(said) == 1 else ""


def _with(send: Send, more: dict[str, str]) -> Any:
    async def sent(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            added = [(name.lower().encode(), value.encode("latin-1")) for name, value in more.items()]
            message = {**message, "headers": [*message.get("headers", ()), *added]}
        await send(message)

    return sent
