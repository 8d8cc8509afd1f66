"""Entries of a Bundle answered one by one: each by the route that a request of its own would take, after its checks.

What an entry shows is noted likewise, and answers stand in the response as R4 has them.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from http import HTTPStatus
from re import Pattern
from typing import Any

from starlette.routing import compile_path

from careledger.app.tokens import Bearer, in_force
from careledger.domain.errors import CareLedgerError, ContentRefused, FhirRefused, TokenRefused, TooCostly
from careledger.fhir.json_text import Resource
from careledger.gateway import taking
from careledger.gateway.conditions import is_known
from careledger.gateway.desk import Desk
from careledger.gateway.entries import READS, Sent
from careledger.gateway.forms import JSON
from careledger.gateway.http import Answered, Asked, Handler, ignored_by, pairs, prefers, refuse_if_strict
from careledger.gateway.told import whom

MOST_SHOWN = 10_000
"""Records that one batch shows; what would be read after them is refused."""


@dataclass
class Made:
    """What became of the entries of a Bundle, by place; ``shown`` is what is to be noted."""

    entries: dict[int, Resource]
    shown: list[tuple[bytes, Answered]]
    records: int = 0


def answered(desk: Desk, who: Bearer, asked: Asked, each: Sent, made: Made) -> Generator[Any, Any, None]:
    """One entry, by whoever still comes in; raises TokenRefused."""
    yield None
    if not in_force(who, desk.world.clock.now()):
        raise TokenRefused()
    try:
        if each.method in READS and made.records >= MOST_SHOWN:
            raise TooCostly(most=MOST_SHOWN)
        handler, path = route(desk, each)
        inner = asked_by(asked, each, handler, path)
        now = replace(who, came=time.monotonic())
        handler.check(now, inner)
        answer = handler.answer(now, inner)
        said = (yield from answer) if isinstance(answer, Generator) else answer
    except CareLedgerError as error:
        made.entries[each.place] = taking.refused(error)
        return
    assert isinstance(said, Answered), "no route that a batch may ask answers with a file"
    made.records += len(said.lists) or 1
    made.shown.append((whom(handler, inner), said))
    made.entries[each.place] = entry_of(inner, said)


def route(desk: Desk, each: Sent) -> tuple[Handler, Mapping[str, str]]:
    """What answers that entry, and its path's parts; raises FhirRefused."""
    method = "GET" if each.method == "HEAD" else each.method
    for handler in desk.batched:
        if handler.method == method and (found := _pattern(handler.path).match(f"/{each.path}")):
            return handler, found.groupdict()
    raise FhirRefused(path=f"Bundle.entry[{each.place}].request", problem="is not answered in a batch")


@cache
def _pattern(path: str) -> Pattern[str]:
    return compile_path(path)[0]


def asked_by(asked: Asked, each: Sent, handler: Handler, path: Mapping[str, str]) -> Asked:
    """The entry as a request of its own; raises FhirRefused, ContentRefused."""
    if each.body and not handler.takes_type(each.content_type):
        raise ContentRefused(takes=JSON)
    preferences = {name: value for name, value in asked.headers.items() if name.casefold() == "prefer"}
    given = pairs(each.query)
    ignored = ignored_by(handler, [name for name, _ in given])
    headers = {**each.headers, **preferences}
    refuse_if_strict(headers, ignored)
    return Asked(path, headers, given, each.body, each.method, ignored, each.path)


def entry_of(asked: Asked, said: Answered) -> Resource:
    """How an answer stands in the response (R4 http.html#transaction-response)."""
    shown, status = said.shown, said.status
    known = (
        shown is not None and asked.method in READS and is_known(asked.headers, shown.etag, shown.anchored)
    )
    status = HTTPStatus.NOT_MODIFIED if known else status
    response: Resource = {"status": f"{status} {HTTPStatus(status).phrase}"}
    if shown is not None and shown.version != "0":
        response["etag"] = shown.etag
        if shown.updated:
            response["lastModified"] = shown.updated
        if asked.method not in READS:
            response["location"] = f"{shown.path}/_history/{shown.version}"
    elif "Location" in said.headers:
        response["location"] = said.headers["Location"]
    resource = said.resource or {}
    says = asked.method == "DELETE" or (asked.method not in READS and shown is not None)
    if says and resource.get("resourceType") == "OperationOutcome":
        return {"response": {**response, "outcome": resource}}
    left_out = known or asked.method == "HEAD" or (shown is not None and minimal(asked))
    return (
        {"response": response} if left_out or not resource else {"resource": resource, "response": response}
    )


def minimal(asked: Asked) -> bool:
    """Whether what was written comes back by its place alone, as it does unless the whole request prefers otherwise."""
    return asked.method not in READS and not prefers(asked.headers, "return=representation")
