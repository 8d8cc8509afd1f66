"""A request that is answered before its body has come: the rest is taken and dropped before the connection may end.

A connection that ends while bytes are unread is reset, and whoever is still sending loses the answer (RFC 9112 §9.6).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]
MOST, SECONDS = 16 * 2**20, 5.0
"""Bytes that are dropped, and seconds in which, before the connection ends all the same."""


@dataclass
class Body:
    """What still comes of a request's body."""

    more: Receive
    ended: bool = False
    begun: bool = False

    async def receive(self) -> Message:
        """The next part."""
        self.begun = True
        message = await self.more()
        self.ended = self.ended or not message.get("more_body", False)
        return message

    async def drop(self) -> None:
        """Takes the rest, as far as it is little and comes soon."""
        left = MOST
        with suppress(TimeoutError):
            async with asyncio.timeout(SECONDS):
                while not self.ended and left > 0:
                    left -= len((await self.receive()).get("body", b""))


@dataclass(frozen=True)
class Lingering:
    """An ASGI application whose answers reach who is still sending: what ends one waits until the body is through."""

    application: Application

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """One request."""
        said = {name for name, _ in scope.get("headers", ())}
        if scope["type"] != "http" or said.isdisjoint((b"content-length", b"transfer-encoding")):
            await self.application(scope, receive, send)
            return
        body, end = Body(receive), list[Message]()

        async def sent(message: Message) -> None:
            ends = message["type"] == "http.response.body" and not message.get("more_body", False)
            waits = (
                b"expect" in said and not body.begun
            )  # for our word that it may send, which it does not get
            if not ends or body.ended or waits:
                await send(message)
                return
            await send({**message, "more_body": True})
            end.append({"type": "http.response.body", "body": b""})

        await self.application(scope, body.receive, sent)
        for message in end:
            await body.drop()
            await send(message)
