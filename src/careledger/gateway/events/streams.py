"""Server-sent events (WHATWG HTML, 9.2): what an event looks like, and the response that goes on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from careledger.domain.errors import CareLedgerError
from careledger.formats.events import Event
from careledger.gateway.events.inbox import Numbered, Page
from careledger.gateway.events.listening import Listener, Listeners

MEDIA_TYPE = "text/event-stream"
RETRY = 3_000
"""Milliseconds after which a client that was cut off should come back."""
BEAT = 15.0
"""Seconds between two signs of life."""
STUCK = 20.0
"""Seconds that a client may take to read what is sent."""
_ALIVE = b":\n\n"
_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-accel-buffering", b"no"),
]
Pages = Callable[[int], Awaitable[Page]]


def reference(event: Event) -> str:
    """What an event is about, as programs look it up."""
    named = event.reference.hex()
    return f"Consent/{named}" if event.kind.startswith("consent-") else named


def shown(told: Numbered) -> dict[str, Any]:
    """An event as JSON says it: kind, number, time and a reference, and nothing else."""
    return {
        "number": told.number,
        "kind": told.event.kind,
        "time": datetime.fromtimestamp(told.event.time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "reference": reference(told.event),
    }


def written(told: Numbered) -> tuple[int, bytes]:
    """An event as a stream has it, with its number."""
    said = json.dumps(shown(told), separators=(",", ":"))
    return told.number, f"id: {told.number}\nevent: {told.event.kind}\ndata: {said}\n\n".encode()


def _opened(after: int) -> bytes:
    """How a stream begins. Its number is no event: a client that is cut off before it was told anything knows from it
    where to go on (an id counts without data, 9.2.6)."""
    return f"id: {after}\nretry: {RETRY}\n\n".encode()


class EventStream(Response):
    """Tells a listener what it missed and then what happens, until it leaves, is ended or does not keep up."""

    def __init__(self, listeners: Listeners, listener: Listener, pages: Pages, after: int) -> None:
        """``after``: what the client had last; what came until the listener joined is read by pages."""
        super().__init__(media_type=MEDIA_TYPE)
        self._listeners, self._listener, self._pages = listeners, listener, pages
        self._after, self._reached = after, listener.reached

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        listener = self._listener
        listener.loop = asyncio.get_running_loop()
        gone = asyncio.ensure_future(_gone(receive))
        gone.add_done_callback(lambda _: listener.end())
        try:
            async with asyncio.timeout(STUCK):
                await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            await _send(send, _opened(self._after))
            await self._catch_up(send)
            await self._go_on(send)
            await _send(send, b"", more=False)
        except (TimeoutError, CareLedgerError):
            pass  # it does not read, or may not any more: it is cut off, and may ask again
        finally:
            gone.cancel()
            self._listeners.leave(listener)

    async def _catch_up(self, send: Send) -> None:
        while self._after < self._reached and not self._listener.over:
            page = await self._pages(self._after)
            told, self._after = [written(each)[1] for each in page.found], page.reached
            if told:
                await _send(send, b"".join(told))

    async def _go_on(self, send: Send) -> None:
        listener = self._listener
        while not listener.over:
            told = [said for number, said in listener.taken() if number > self._after]
            if told:
                await _send(send, b"".join(told))
                continue
            try:
                async with asyncio.timeout(BEAT):
                    await listener.woken.wait()
                listener.woken.clear()
            except TimeoutError:
                await _send(send, _ALIVE)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send(send: Send, body: bytes, more: bool = True) -> None:
    async with asyncio.timeout(STUCK):
        await send({"type": "http.response.body", "body": body, "more_body": more})
