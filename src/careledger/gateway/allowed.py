"""Which methods an address answers."""

from __future__ import annotations

from starlette.requests import Request
from starlette.routing import Match


def allowed(request: Request) -> list[str]:
    """Every method that the routes at this address answer (RFC 9110, 10.2.1)."""
    there = [each for each in request.app.routes if each.matches(request.scope)[0] is not Match.NONE]
    return sorted({method for each in there for method in each.methods or ()})
