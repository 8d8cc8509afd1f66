"""FHIR over HTTP without FHIR's interactions: what was asked, how an answer goes out, what is turned away unread."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Send

from careledger.app.scopes import ANY
from careledger.app.tokens import Bearer
from careledger.domain.errors import (
    CareLedgerError,
    ContentRefused,
    FhirRefused,
    ScopeRefused,
    TooLarge,
    TypeUnknown,
)
from careledger.fhir.definitions.tables import resource_types
from careledger.fhir.json_text import MOST_BYTES, Resource
from careledger.fhir.searching.parse import named
from careledger.fhir.searching.results import subset_of
from careledger.gateway import forms, outcomes
from careledger.gateway.allowed import allowed, is_operation
from careledger.gateway.conditions import is_known, last_modified
from careledger.gateway.entrance import is_here
from careledger.gateway.outcomes import outcome
from careledger.gateway.views import Shown

JSON, XMLS = forms.JSON, forms.XMLS
EVERYWHERE = ("_format", "_pretty")
"""What every route looks at."""
WRITTEN = outcome("information", "informational", "Written; Location says where it is.")
PART = ("_summary", "_elements")
FORM = "application/x-www-form-urlencoded"
PATCH = "application/json-patch+json"
JSONS = (JSON, "application/json")
MOST_FORM, MOST_SAID = 64 * 1024, 1_000
"""Bytes of a form, characters of a warning."""
CREATED, ACCEPTED, NO_CONTENT = 201, 202, 204
PIECE, STUCK = 1 << 20, 60
"""Bytes of a file that go out or come in together; seconds after which a client that takes or sends none is cut off."""
READS, WRITES = ("GET", "HEAD"), ("POST", "PUT", "PATCH")


@dataclass(frozen=True)
class Asked:
    """A request that was read: its path's parts, headers, query and form, body, HTTP method, and address; ``ignored``
    names the parameters that its route does not look at, ``form`` is the one of FHIR's that is wanted back."""

    path: Mapping[str, str]
    headers: Mapping[str, str]
    given: list[tuple[str, str]]
    body: bytes
    method: str = "GET"
    ignored: tuple[str, ...] = ()
    url: str = ""
    form: str = JSON

    @property
    def kind(self) -> str:
        """The resource type of the path; raises TypeUnknown."""
        if self.path["kind"] not in resource_types():
            raise TypeUnknown()
        return self.path["kind"]

    def prefers(self, said: str) -> bool:
        """Whether the Prefer header (RFC 7240) says this."""
        return prefers(self.headers, said)

    @property
    def wants_fresh(self) -> bool:
        """Whether nothing that is kept from before will do (RFC 9111, 5.2.1.4)."""
        said = self.headers.get("cache-control", "").casefold()
        return "no-cache" in {each.strip() for each in said.split(",")}

    def values(self, name: str) -> list[str]:
        """Every value that was given under that name."""
        return [value for each, value in self.given if each == name]

    def part(self, resource: Resource) -> Resource:
        """As much of a resource as ``_summary`` or ``_elements`` wants; raises SearchRefused."""
        return subset_of(self.given).of(resource)


@dataclass(frozen=True, repr=False)
class Answered:
    """A resource to send back; ``shown`` where it is one record's version, ``lists`` where it lists several,
    ``headers`` besides those that follow; ``parts`` are answers that it is made of, each with of whom all was asked."""

    resource: Resource | None
    shown: Shown | None = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    lists: Sequence[Shown] = ()
    parts: Sequence[tuple[bytes, Answered]] = ()


@dataclass(frozen=True, repr=False)
class Plain:
    """Bytes of another media type to send back; ``shows``: about whom, and what of records they were made of."""

    body: bytes
    media_type: str
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    shows: tuple[tuple[bytes, str], ...] = ()


@dataclass(frozen=True, repr=False)
class Streamed:
    """A range of a file to send back piece by piece; ``read`` gives bytes start…stop − 1 of it, on the worker, as long
    as whoever asked may have them, and raises what refuses them then. ``shows`` as of Plain."""

    read: Callable[[int, int], bytes]
    wanted: range
    media_type: str
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    shows: tuple[tuple[bytes, str], ...] = ()


Answer = Answered | Plain | Streamed
Slow = Generator[Callable[[], object] | None, Any, Answer]
"""An answer in steps, between which the worker takes other requests. A step may yield what the next one needs of a
process beside: something to call that can be pickled, or ``Waiting``; its result is sent back, or thrown."""
Answering = Callable[[Bearer, Asked], Answer | Slow]


class Taking(Protocol):
    """What takes a body piece by piece, on the worker but for ``look`` and ``close``: no world, and they may wait."""

    def look(self, piece: bytes) -> None:
        """The next bytes, before they are added; b"" for the end."""

    def close(self) -> None:
        """Nothing more comes, whatever came of it."""

    def add(self, piece: bytes) -> None:
        """The next bytes."""

    def end(self) -> Answered:
        """The answer, once all of them came."""


Opening = Callable[[Bearer, Asked], Taking]


@dataclass(frozen=True)
class Handler:
    """One route: HTTP method, path under the base, what answers it, which content types it takes and how much.

    ``any_format``: it answers in whatever format, so that none that a client asks for is turned away unread.
    ``looks_at``: the parameters that it knows besides those that every route does; what else is given is refused where
    the client wants strict handling, and named otherwise. None where the route itself says what it ignored.
    ``later``: a client need not wait for it. ``needs``: what of SMART's ``cruds`` an app's scopes have to allow, of
    the path's type or ``of`` this, or one of several such; without it no app asks. ``pieces``: by the path's type, what
    takes bodies of any other content type than those, as they come. ``of_one``: an app for one patient may ask: nothing
    of others shows. ``in_part``: an app may whose scopes allow it of some records: no others show, or change.
    ``of_person``: of the person who let it in an app may too that may know who that is.
    """

    method: str
    path: str
    answer: Answering
    takes: tuple[str, ...] = ()
    most: int = MOST_BYTES
    any_format: bool = False
    looks_at: tuple[str, ...] | None = ()
    later: bool = False
    needs: str | Sequence[str] = ""
    of: str = ANY
    of_one: bool = False
    in_part: bool = False
    of_person: bool = False
    pieces: Mapping[str, Opening] = field(default_factory=dict)

    def takes_type(self, stated: str) -> bool:
        """Whether a body of this content type is read as a whole."""
        kind = stated.partition(";")[0].strip().lower()
        return (kind in self.takes or (kind in XMLS and JSON in self.takes)) and forms.is_read(stated)

    def opening(self, request: Request) -> Opening | None:
        """What takes this request's body piece by piece; None where it is read as a whole."""
        stated = request.headers.get("content-type", "")
        found = self.pieces.get(request.path_params.get("kind", ""))
        return None if found is None or self.takes_type(stated) else found

    def check(self, who: Bearer, asked: Asked) -> None:
        """Raises ScopeRefused for what an app's token does not reach."""
        own = self.of_person and bool(who.person) and asked.path.get("id") == who.person
        if who.scopes.limited and not own:
            kind, needs = (
                asked.path.get("kind", self.of),
                [self.needs] if isinstance(self.needs, str) else self.needs,
            )
            allow = who.scopes.allow_in_part if self.in_part else who.scopes.allow
            if not any(allow(each, kind) for each in needs):
                who.scopes.require(needs[0], kind)
        if who.patient and not self.of_one:
            raise ScopeRefused(needs="a token that is not for one patient alone")


def prefers(headers: Mapping[str, str], said: str) -> bool:
    """Whether one of the preferences of the Prefer headers (RFC 7240) is this; their parameters say nothing here."""
    lines = (value for name, value in headers.items() if name.casefold() == "prefer")
    stated = (each.partition(";")[0].strip().replace('"', "") for line in lines for each in line.split(","))
    return said.casefold() in (each.casefold() for each in stated)


def pairs(query: str) -> list[tuple[str, str]]:
    """What a query string or a form gives; raises FhirRefused."""
    try:
        return parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=200)
    except ValueError:
        raise FhirRefused(problem="a query that cannot be read") from None


async def read(request: Request, handler: Handler) -> Asked:
    """The whole request, bounded; raises ContentRefused, TooLarge, FhirRefused."""
    body = b""
    if handler.takes:
        stated = request.headers.get("content-type", "")
        if stated and not handler.takes_type(stated):
            raise ContentRefused(takes=handler.takes[0])
        body = await _body(request, handler.most)
        if body and not stated:
            raise ContentRefused(takes=handler.takes[0])
    return asked_of(request, handler, body)


def asked_of(request: Request, handler: Handler, body: bytes = b"") -> Asked:
    """A request with that body, or before its body came; raises FhirRefused."""
    given = pairs(request.url.query)
    if body and request.headers.get("content-type", "").partition(";")[0].strip().lower() == FORM:
        given += pairs(body.decode("ascii", "replace"))
    ignored = ignored_by(handler, [name for name, _ in given])
    refuse_if_strict(request.headers, ignored)
    named_forms = [value for name, value in given if name == "_format"]
    form = form_of(request, named_forms[-1] if named_forms else None) or JSON
    return Asked(
        request.path_params, request.headers, given, body, request.method, ignored, str(request.url), form
    )


def form_of(request: Request, named: str | None = None) -> str | None:
    """Which of FHIR's forms a request wants back; None if it is none of them."""
    return forms.wanted(request.headers.get("accept") or "*/*", named or request.query_params.get("_format"))


def ignored_by(handler: Handler, names: list[str]) -> tuple[str, ...]:
    """The parameters that a route does not look at, each once."""
    if handler.looks_at is None:
        return ()
    known = {*EVERYWHERE, *handler.looks_at}
    return tuple(dict.fromkeys(named(each) for each in names if each not in known))


def refuse_if_strict(headers: Mapping[str, str], ignored: tuple[str, ...]) -> None:
    """Raises FhirRefused where something would be passed over and the client wants strict handling."""
    if ignored and prefers(headers, "handling=strict"):
        raise FhirRefused(path=", ".join(ignored), problem="is not supported here")


async def _body(request: Request, most: int) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > most:
            raise TooLarge(most=f"{most // 1024} KiB")
    return bytes(body)


def turned_away(request: Request, any_format: bool = False) -> Response | None:
    """A request under a name that is not this machine's, or for a format that is not made here."""
    if not is_here(request):
        return response(outcome("error", "security", "Ask under a name of loopback."), 421)
    if any_format:
        return None
    if form_of(request) is None:
        said = f"Only {JSON} and {forms.XML} are made here."
        return response(outcome("error", "not-supported", said), 406)
    return None


def answered(request: Request, asked: Asked, base: str, made: Answered | Plain) -> Response:
    """What was answered, with the headers of the version that it shows and what was passed over."""
    if isinstance(made, Plain):
        return Response(made.body, made.status, _safe(made.headers), media_type=made.media_type)
    if made.resource is None:
        return Response(status_code=made.status, headers=_safe({**passed_over(asked), **made.headers}))
    shown, headers = made.shown, {**passed_over(asked), **made.headers}
    if shown is not None and shown.version != "0":
        headers |= {"ETag": shown.etag, **last_modified(shown.anchored)}
        if request.method in WRITES:
            headers["Location"] = location(base, shown)
        if request.method in READS and is_known(request.headers, shown.etag, shown.anchored):
            return Response(status_code=304, headers=_safe(headers))
    elif shown is not None and made.status == CREATED:
        headers["Location"] = location(base, shown)
    resource = _preferred(request, made, headers) if "Location" in headers else made.resource
    if resource is None:
        return Response(status_code=made.status, headers=_safe(headers))
    return response(resource, made.status, headers, asked.form, asked.values("_pretty")[-1:] == ["true"])


class Pieces(StreamingResponse):
    """A range of a file, read piece by piece as the client takes it. What cannot be read any more, or not by this
    client, ends the connection before its time, so that nobody takes a part for the whole."""

    def __init__(self, streamed: Streamed, work: Callable[[Callable[[], bytes]], Awaitable[bytes]]) -> None:
        self._streamed, self._work = streamed, work
        headers = {**_safe(streamed.headers), "Content-Length": str(len(streamed.wanted))}
        super().__init__(self._pieces(), streamed.status, headers, streamed.media_type)

    async def _pieces(self) -> AsyncIterator[bytes]:
        read, wanted = self._streamed.read, self._streamed.wanted
        for start in range(wanted.start, wanted.stop, PIECE):
            yield await self._work(partial(read, start, min(start + PIECE, wanted.stop)))

    async def stream_response(self, send: Send) -> None:
        """The start, the pieces, and the end unless something refused them."""
        start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        await send(start)
        try:
            async for piece in self._pieces():
                async with asyncio.timeout(STUCK):
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
        except (CareLedgerError, TimeoutError):
            return
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def location(base: str, shown: Shown) -> str:
    """The address of a version, or of what has none."""
    return f"{base}/{shown.path}" + ("" if shown.version == "0" else f"/_history/{shown.version}")


def _preferred(request: Request, made: Answered, headers: dict[str, str]) -> Resource | None:
    """What a client wants back of what it wrote (R4 http.html#ops): nothing, an OperationOutcome, or the record; the
    headers say which of them was followed."""
    for wish in ("minimal", "OperationOutcome", "representation"):
        if prefers(request.headers, f"return={wish}"):
            headers["Preference-Applied"] = f"return={wish}"
            outcomes_only = wish == "OperationOutcome" and (made.resource or {}).get("resourceType") != wish
            return None if wish == "minimal" else WRITTEN if outcomes_only else made.resource
    return made.resource


def passed_over(asked: Asked) -> dict[str, str]:
    """A warning that names the parameters that were not looked at."""
    said = ", ".join(asked.ignored)[:MOST_SAID]
    return {"Warning": f'299 - "Not looked at: {said}."'} if said else {}


def refused(error: CareLedgerError, form: str = JSON) -> Response:
    """Why something was refused."""
    status, headers = outcomes.kind_of(error).status, outcomes.headers_of(error)
    if status == 405:
        headers["Allow"] = ", ".join(READS)  # the same for what is not shown and what is not there
    return response(outcomes.refusal(error), status, headers, form)


async def no_route(request: Request, error: Exception) -> Response:
    """The answer where nothing is."""
    if request.url.path.rpartition("/")[2].startswith("$") and not is_operation(request):
        return response(outcome("error", "not-supported", "There is no such operation here."), 404)
    status = getattr(error, "status_code", 404)
    headers = {"Allow": ", ".join(allowed(request))} if status == 405 else {}
    code = "not-supported" if status == 405 else "not-found"
    return response(outcome("error", code, "There is nothing here that answers this."), status, headers)


def response(
    resource: Resource,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    form: str = JSON,
    pretty: bool = False,
) -> Response:
    """A resource in one of FHIR's forms."""
    said = _safe({**forms.told_with(form), **(headers or {})})
    return Response(forms.written(resource, form, pretty), status, said, form + forms.UTF_8)


def _safe(headers: Mapping[str, str]) -> dict[str, str]:
    return {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", **headers}
