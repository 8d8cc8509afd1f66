"""The gateway's side: a request that came in goes on to the worker over its socket, and the answer comes back.

Nothing is kept, so any gateway answers for any other. A request for which no worker is there waits for the next one
for some seconds: one that was killed is replaced by one that reads. A request that a worker had taken when it ended
is not sent a second time: whoever asked repeats it, under its idempotency key; what a reader had taken is, because it
only reads. Whoever else listens in the worker's
place, another user of the machine, is handed nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import h11
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from careledger.adapters.custody.sockets import is_ours
from careledger.gateway import http, security_log
from careledger.gateway.apart.choosing import Kept, key_of, readers
from careledger.gateway.apart.handing import CLIENT, ELSEWHERE, ROUTE, SAID, SCHEME
from careledger.gateway.api import problems
from careledger.gateway.entrance import is_here
from careledger.gateway.operating.health import PATHS
from careledger.gateway.operating.metrics import NOWHERE
from careledger.gateway.outcomes import outcome
from careledger.gateway.security_log import Noted

WAITS, AGAIN = 10.0, 0.1
"""Seconds that a request waits for a worker, and between two looks for one."""
UNAVAILABLE = 503
PIECE = 64 * 1024
HOP = frozenset({b"connection", b"keep-alive", b"te", b"trailer", b"upgrade", b"expect", b"proxy-connection"})
"""What is said between two neighbours only (RFC 9110, 7.6.1)."""
OWN = frozenset({b"transfer-encoding", b"date", b"connection", b"keep-alive"})
"""What the gateway's server says by itself."""


Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Pattern(NamedTuple):
    """The route as the worker named it."""

    path: str


class Ended(Exception):
    """The worker ended before it had answered."""


class Elsewhere(Exception):
    """The first worker has to be asked."""


@dataclass(frozen=True)
class Passing:
    """An ASGI application that asks the worker behind a socket."""

    socket: Path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        scope["route"] = Pattern(NOWHERE)
        if scope["path"] not in PATHS and not is_here(Request(scope)):
            security_log.write({**scope, "route": None}, Noted(event=security_log.MISDIRECTED))
            await _said(scope["path"], 421, "Ask under a name of this service.")(scope, receive, send)
            return
        if (key := key_of(scope)) is not None:
            kept = Kept(receive)
            if await self._read(scope, key, kept.receive, send):
                return
            kept.again()
            receive = kept.receive
        line = await self._line()
        if line is None:
            await _said(scope["path"], UNAVAILABLE, "Nothing here can answer now.")(scope, receive, send)
            return
        going = _Going(scope, *line)
        try:
            await going.both(receive, send)
        except (OSError, Ended, h11.RemoteProtocolError):
            if not going.begun:
                await _said(scope["path"], UNAVAILABLE, "It is not known what became of this.")(
                    scope, receive, send
                )
        finally:
            line[1].close()

    async def _read(self, scope: Scope, key: bytes, receive: Receive, send: Send) -> bool:
        """Whether a reader answered. What it broke off before it began to answer changed nothing, and is asked of the
        first worker like what it cannot answer."""
        for place in readers(self.socket, key):
            if (line := await _opened(place)) is not None:
                going = _Going(scope, *line)
                try:
                    await going.both(receive, send)
                except (OSError, Ended, Elsewhere, h11.RemoteProtocolError):
                    return going.begun
                finally:
                    line[1].close()
                return True
        return False

    async def _line(self) -> Line | None:
        until = time.monotonic() + WAITS
        while (line := await _opened(self.socket)) is None and time.monotonic() < until:
            await asyncio.sleep(AGAIN)
        return line


async def _opened(place: Path) -> Line | None:
    """A connection to a worker of this process's own user, None where there is none."""
    with contextlib.suppress(OSError):
        reader, writer = await asyncio.open_unix_connection(place)
        if is_ours(writer.get_extra_info("socket")):
            return reader, writer
        writer.close()
    return None


class _Going:
    """One request on its way."""

    def __init__(self, scope: Scope, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._scope, self._reader, self._writer = scope, reader, writer
        self._talk = h11.Connection(h11.CLIENT)
        self.begun = False

    async def both(self, receive: Receive, send: Send) -> None:
        """The request goes on while the answer comes, which may be before its end; a client that leaves ends both."""
        await self._write(self._head())
        up = asyncio.create_task(self._up(receive))
        down = asyncio.create_task(self._down(send))
        try:
            await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
            left = up.done() and up.exception() is None
            if not left:
                await down  # also what the worker had said before it took no more
        finally:
            for task in (up, down):
                task.cancel()
            await asyncio.gather(up, down, return_exceptions=True)

    def _head(self) -> h11.Request:
        scope, client = self._scope, self._scope.get("client")
        left_out = HOP | SAID
        headers = [each for each in scope["headers"] if each[0] not in left_out]
        if scope["path"] in PATHS:  # a balancer asks by a number, or under no name
            headers = [(b"host", b"localhost"), *(each for each in headers if each[0] != b"host")]
        headers += [
            (CLIENT, (client[0] if client else "").encode("latin-1")),
            (SCHEME, scope["scheme"].encode()),
        ]
        target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
        return h11.Request(
            method=scope["method"], target=target, headers=[*headers, (b"connection", b"close")]
        )

    async def _up(self, receive: Receive) -> None:
        """The body; ends once the client has left."""
        more = True
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            if not more:
                continue
            if message.get("body"):
                await self._write(h11.Data(data=message["body"]))
            more = message.get("more_body", False)
            if not more:
                await self._write(h11.EndOfMessage())

    async def _down(self, send: Send) -> None:
        async for event in self._events():
            if isinstance(event, h11.Response):
                said = {name: value for name, value in event.headers if name in SAID}
                if ELSEWHERE in said:
                    raise Elsewhere
                self._scope["route"] = Pattern(said.get(ROUTE, b"").decode() or NOWHERE)
                headers = [each for each in event.headers if each[0] not in OWN | SAID]
                self.begun = True
                await send({"type": "http.response.start", "status": event.status_code, "headers": headers})
            elif isinstance(event, h11.Data):
                await send({"type": "http.response.body", "body": bytes(event.data), "more_body": True})
            elif isinstance(event, h11.EndOfMessage):
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                return

    async def _events(self) -> AsyncIterator[Any]:
        while True:
            event = self._talk.next_event()
            if event is h11.NEED_DATA:
                data = await self._reader.read(PIECE)
                if not data:
                    raise Ended
                self._talk.receive_data(data)
            else:
                yield event

    async def _write(self, event: Any) -> None:
        data = self._talk.send(event)
        if data:
            self._writer.write(data)
            with contextlib.suppress(ConnectionError):  # it may have answered before it took everything
                await self._writer.drain()


def _said(path: str, status: int, why: str) -> Response:
    """A refusal of the gateway's own, in the format of what is there."""
    again = {"Retry-After": "1"} if status == UNAVAILABLE else {}
    if path.startswith("/fhir"):
        said = outcome("error", "transient" if again else "security", why)
        return http.response(said, status, again)
    made = problems.failed(status, why)
    made.headers.update(again)
    return made
