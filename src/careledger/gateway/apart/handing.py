"""The worker's side: requests that gateways hand on over the worker's socket.

The socket is the owner's alone, so what a gateway says of a request is taken as it is: who the client was, and whether
it came over TLS. Under which name it was asked, the gateway has judged. The answer says for the gateway alone which
route it was.
"""

from __future__ import annotations

from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from careledger.gateway.entrance import NAMES

CLIENT, SCHEME, ROUTE = b"x-careledger-client", b"x-careledger-scheme", b"x-careledger-route"
ELSEWHERE = b"x-careledger-elsewhere"
"""Says that another worker has to be asked."""
SAID = frozenset({CLIENT, SCHEME, ROUTE, ELSEWHERE})
"""What only a gateway and a worker say to one another; from and to anybody else these are taken out."""


class Handed:
    """An ASGI application before the worker's own."""

    def __init__(self, application: ASGIApp) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request of a gateway's."""
        if scope["type"] == "http":
            said = dict(scope["headers"])
            scope["client"] = (said.get(CLIENT, b"").decode("latin-1"), 0)
            scope["scheme"] = said.get(SCHEME, b"http").decode("latin-1")
            scope["headers"] = [each for each in scope["headers"] if each[0] not in SAID]
            scope[NAMES] = frozenset({host_name(said.get(b"host", b""))})
        await self._application(scope, receive, _with_route(scope, send))


def host_name(host: bytes) -> str:
    """The name in a Host header, in lower case."""
    name, colon, port = host.decode("latin-1").lower().rpartition(":")
    return name if colon and port.isdigit() else host.decode("latin-1").lower()


def _with_route(scope: Scope, send: Send) -> Any:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            path = getattr(scope.get("route"), "path", "")
            message = {**message, "headers": [*message.get("headers", ()), (ROUTE, path.encode())]}
        await send(message)

    return sent
