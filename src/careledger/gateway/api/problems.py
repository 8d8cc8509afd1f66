"""Refusals as RFC 9457 problems: one type for each class of the tree of errors, whose sentence is the title."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from careledger.domain.errors import CareLedgerError
from careledger.gateway import outcomes
from careledger.gateway.allowed import allowed

PROBLEM = "application/problem+json"
TYPES = "urn:careledger:problem:"
SAFE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
NO_ROUTE, NO_METHOD, ELSEWHERE, UNEXPECTED = "no-route", "no-method", "misdirected", "unexpected"
NOBODY = "nobody-answers"
_BASE_STATUS = {404: NO_ROUTE, 405: NO_METHOD, 421: ELSEWHERE, 500: UNEXPECTED, 503: NOBODY}
_TITLES = {
    NO_ROUTE: "There is nothing here that answers this.",
    NO_METHOD: "What is here does not answer this method.",
    ELSEWHERE: "Ask under a name of loopback.",
    UNEXPECTED: "Something is wrong here.",
    NOBODY: "Nothing here can answer now.",
}


class Problem(Struct, frozen=True):
    """Why something was refused (RFC 9457)."""

    type: Annotated[str, Meta(description="Names the kind of problem; it is not a link.")]
    title: Annotated[str, Meta(description="The same for every problem of the type.")]
    status: int
    detail: Annotated[str, Meta(description="What it was this time, in words that name nobody.")]


def type_of(kind: type[CareLedgerError]) -> str:
    """The name of the problem type of a class of refusals, without its prefix."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", kind.__name__).lower()


def title_of(kind: type[CareLedgerError]) -> str:
    """The sentence of a class of refusals."""
    return (kind.__doc__ or "").splitlines()[0]


def refused(error: CareLedgerError) -> Response:
    """Why something was refused."""
    kind, status = type(error), outcomes.kind_of(error).status
    said = Problem(TYPES + type_of(kind), title_of(kind), status, outcomes.why(error))
    return _response(said, outcomes.headers_of(error))


def failed(status: int, detail: str = "", headers: Mapping[str, str] | None = None) -> Response:
    """What is no refusal of the tree: 404 and 405 where no route is, 421, 500, 503."""
    name = _BASE_STATUS[status]
    return _response(Problem(TYPES + name, _TITLES[name], status, detail or _TITLES[name]), headers or {})


def sentence(status: int) -> str:
    """What is no refusal of the tree, in words: of 404, 405, 421, 500 and 503."""
    return _TITLES[_BASE_STATUS[status]]


async def no_route(request: Request, error: Exception) -> Response:
    """The answer where nothing is."""
    status = getattr(error, "status_code", 404)
    return failed(status, headers={"Allow": ", ".join(allowed(request))} if status == 405 else None)


def _response(problem: Problem, headers: Mapping[str, str]) -> Response:
    return Response(msgspec.json.encode(problem), problem.status, {**SAFE, **headers}, media_type=PROBLEM)
