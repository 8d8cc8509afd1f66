"""One address for what clients write in two ways: with a slash at the end or without, a search by GET with ``_search``
behind its type or without.

R4 has neither second way and forbids neither; nothing else is meant by them, as no id ends with a slash or has an
underscore in it.
"""

from __future__ import annotations

import re

from starlette.types import ASGIApp, Receive, Scope, Send

_TYPE = r"/fhir(/Patient/[A-Za-z0-9.\-]{1,64}/[A-Z][A-Za-z]{1,63}|/[A-Z][A-Za-z]{1,63}|)"
_SEARCH = re.compile(f"{_TYPE}/_search")


class OneAddress:
    """An ASGI application that is asked under the shorter address."""

    def __init__(self, application: ASGIApp) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "http":
            scope["path"] = shortest(scope["method"], scope["path"])
        await self._application(scope, receive, send)


def shortest(method: str, path: str) -> str:
    """The address that a request to this one is taken for."""
    if path.startswith("/fhir/") and path.endswith("/") and not path.endswith("//"):
        path = path[:-1]
    searched = _SEARCH.fullmatch(path) if method in ("GET", "HEAD") else None
    return path if searched is None else f"/fhir{searched[1]}"
