"""Bundles that a program sends: what they create is imported, of a batch the rest is answered entry by entry.

A transaction creates and does nothing else, whole or not at all. Of a batch each other entry is answered as if it had
been asked for by itself, after what is deleted and created (R4 http.html#trules), each by the same route, scopes and
checks, and what it shows is noted likewise. Other requests pass between any two of them.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from http import HTTPStatus
from re import Pattern
from typing import Any

from starlette.routing import compile_path

from careledger.app.scopes import ANY, SOME
from careledger.app.tokens import Bearer, in_force
from careledger.domain.errors import (
    CareLedgerError,
    ContentRefused,
    FhirRefused,
    ScopeRefused,
    TokenRefused,
    TooCostly,
)
from careledger.fhir.json_text import Resource
from careledger.gateway import taking
from careledger.gateway.conditions import is_known
from careledger.gateway.desk import Desk
from careledger.gateway.entries import ORDER, READS, Sending, Sent, sent_in
from careledger.gateway.forms import JSON
from careledger.gateway.http import (
    JSONS,
    Answered,
    Asked,
    Handler,
    Slow,
    ignored_by,
    pairs,
    prefers,
    refuse_if_strict,
)
from careledger.gateway.scanned import scanned
from careledger.gateway.told import whom

SOMETHING = ("c", "r", "u", "s")
"""An app that may do one of these may send a batch; each entry asks for its own."""
MOST_SHOWN = 10_000
"""Records that one batch shows; what would be read after them is refused."""
RESPONSES = {"transaction": "transaction-response", "batch": "batch-response", "collection": "batch-response"}


def handlers(desk: Desk) -> list[Handler]:
    """The route; files in a body are scanned first, where files are scanned."""
    route = Handler(
        "POST",
        "/",
        partial(take, desk),
        JSONS,
        later=True,
        needs=SOMETHING,
        of=SOME,
        of_one=True,
        in_part=True,
    )
    return [scanned(desk, route)]


@dataclass
class _Made:
    """What became of the entries of a batch, by place; ``shown`` is what is to be noted."""

    entries: dict[int, Resource]
    shown: list[tuple[bytes, Answered]]
    records: int = 0


def take(desk: Desk, who: Bearer, asked: Asked) -> Slow:
    """The response Bundle, for each entry what became of it. Raises FhirRefused for what is no Bundle, of another type,
    or a transaction that asks for anything but creating; ImportStopped, PatientNotFound as ``taking.take``."""
    sending = sent_in(asked.body)
    together = who.scopes.allow("c", ANY) and not who.patient
    if not together and sending.type != "batch":
        raise ScopeRefused(needs="*.c, for all patients")
    created, others = sending.parted(together)
    made, rest = _Made({}, []), sorted(others, key=lambda each: ORDER.index(each.method))
    for each in [each for each in rest if each.method == "DELETE"]:
        yield from _answered(desk, who, asked, each, made)
    if created or not sending.sent:
        yield from _created(desk, who, sending, created, made)
    for each in [each for each in rest if each.method != "DELETE"]:
        yield from _answered(desk, who, asked, each, made)
    entries = [made.entries[place] for place in sorted(made.entries)]
    response: Resource = {"resourceType": "Bundle", "type": RESPONSES[sending.type]}
    return Answered({**response, "entry": entries} if entries else response, parts=made.shown)


def _created(
    desk: Desk, who: Bearer, sending: Sending, created: list[Sent], made: _Made
) -> Generator[Any, Any, None]:
    own = desk.charts.of(who.staff.organisation)
    body, whole = sending.of(created), sending.type == "transaction"
    try:
        entries, aliases = yield from taking.take(desk.world.network, desk.leases.session(who), body, whole)
    except CareLedgerError as error:
        own.look_again()
        if len(created) == len(sending.sent):
            raise
        made.entries |= {
            each.place: taking.refused(error) for each in created
        }  # the others are answered all the same
        return
    except BaseException:  # nobody waits for the answer any more
        own.look_again()
        raise
    own.wrote(aliases)
    made.entries |= {each.place: entry for each, entry in zip(created, entries, strict=True)}


def _answered(desk: Desk, who: Bearer, asked: Asked, each: Sent, made: _Made) -> Generator[Any, Any, None]:
    """One entry, by whoever still comes in; raises TokenRefused."""
    yield None
    if not in_force(who, desk.world.clock.now()):
        raise TokenRefused()
    try:
        if each.method in READS and made.records >= MOST_SHOWN:
            raise TooCostly(most=MOST_SHOWN)
        handler, path = _route(desk, each)
        inner = _asked(asked, each, handler, path)
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
    made.entries[each.place] = _entry(inner, said)


def _route(desk: Desk, each: Sent) -> tuple[Handler, Mapping[str, str]]:
    """What answers that entry, and its path's parts; raises FhirRefused."""
    method = "GET" if each.method == "HEAD" else each.method
    for handler in desk.batched:
        if handler.method == method and (found := _pattern(handler.path).match(f"/{each.path}")):
            return handler, found.groupdict()
    raise FhirRefused(path=f"Bundle.entry[{each.place}].request", problem="is not answered in a batch")


@cache
def _pattern(path: str) -> Pattern[str]:
    return compile_path(path)[0]


def _asked(asked: Asked, each: Sent, handler: Handler, path: Mapping[str, str]) -> Asked:
    """The entry as a request of its own; raises FhirRefused, ContentRefused."""
    if each.body and not handler.takes_type(each.content_type):
        raise ContentRefused(takes=JSON)
    preferences = {name: value for name, value in asked.headers.items() if name.casefold() == "prefer"}
    given = pairs(each.query)
    ignored = ignored_by(handler, [name for name, _ in given])
    headers = {**each.headers, **preferences}
    refuse_if_strict(headers, ignored)
    return Asked(path, headers, given, each.body, each.method, ignored, each.path)


def _entry(asked: Asked, said: Answered) -> Resource:
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
    left_out = known or asked.method == "HEAD" or (shown is not None and _minimal(asked))
    return (
        {"response": response} if left_out or not resource else {"resource": resource, "response": response}
    )


def _minimal(asked: Asked) -> bool:
    """Whether what was written comes back by its place alone, as it does unless the whole request prefers otherwise."""
    return asked.method not in READS and not prefers(asked.headers, "return=representation")
