"""Which methods an address answers."""

from __future__ import annotations

from starlette.requests import Request
from starlette.routing import Match, Route
from starlette.types import Scope


class Sole(Route):
    """All that there is at its address, whatever other routes fit it: of ``/fhir/metadata`` no type is called so."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether it is that address; another method is refused here."""
        found, parts = super().matches(scope)
        return (Match.NONE if found is Match.NONE else Match.FULL), parts


class Named(Route):
    """What is at addresses whose last part is a name that is not known beforehand: none of an operation, which are
    called ``$…``."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether it is such an address."""
        if self.path.endswith("}") and scope["path"].rpartition("/")[2].startswith("$"):
            return Match.NONE, {}
        return super().matches(scope)


def allowed(request: Request) -> list[str]:
    """Every method that the routes at this address answer (RFC 9110, 10.2.1)."""
    return sorted({method for each in _there(request) for method in each.methods or ()})


def is_operation(request: Request) -> bool:
    """Whether the address is that of an operation, by whatever method it is asked for."""
    last = request.url.path.rpartition("/")[2]
    return any(each.path.endswith(f"/{last}") for each in _there(request))


def _there(request: Request) -> list[Route]:
    fitting = [each for each in request.app.routes if each.matches(request.scope)[0] is not Match.NONE]
    return [each for each in fitting if isinstance(each, Sole)] or fitting
