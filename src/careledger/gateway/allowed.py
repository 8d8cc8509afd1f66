"""Which methods an address answers."""

from __future__ import annotations

from starlette.requests import Request
from starlette.routing import Match, Route


def allowed(request: Request) -> list[str]:
    """Every method that the routes at this address answer (RFC 9110, 10.2.1)."""
    return sorted({method for each in _there(request) for method in each.methods or ()})


def is_operation(request: Request) -> bool:
    """Whether the address is that of an operation, by whatever method it is asked for."""
    last = request.url.path.rpartition("/")[2]
    return any(each.path.endswith(f"/{last}") for each in _there(request))


def _there(request: Request) -> list[Route]:
    return [each for each in request.app.routes if each.matches(request.scope)[0] is not Match.NONE]
