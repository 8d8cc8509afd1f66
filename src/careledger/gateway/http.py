"""FHIR over HTTP without FHIR's interactions: what was asked, how an answer goes out, what is turned away unread."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from careledger.app.scopes import ANY
from careledger.app.tokens import Bearer
from careledger.domain.errors import CareLedgerError, FhirRefused, Throttled
from careledger.fhir.definitions.tables import resource_types
from careledger.fhir.json_text import MOST_BYTES, Resource
from careledger.fhir.searching.parse import named
from careledger.fhir.searching.results import subset_of
from careledger.gateway import forms, outcomes
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
MOST_FORM = 64 * 1024
MOST_SAID = 1_000
"""Characters of a warning."""
CREATED, ACCEPTED, NO_CONTENT = 201, 202, 204
WRITES = ("POST", "PUT", "PATCH")


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
        """The resource type of the path; raises FhirRefused."""
        if self.path["kind"] not in resource_types():
            raise FhirRefused(problem="not a resource type of R4")
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
    """A resource to send back; ``shown`` where it is one record's version, ``headers`` besides those that follow."""

    resource: Resource | None
    shown: Shown | None = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, repr=False)
class Plain:
    """Bytes of another media type to send back."""

    body: bytes
    media_type: str
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Slow = Generator[Callable[[], object] | None, Any, Answered | Plain]
"""An answer in steps, between which the worker takes other requests. A step may yield what the next one needs of a
process beside: something to call that can be pickled, whose result is sent back, or thrown if it raises."""
Answering = Callable[[Bearer, Asked], Answered | Plain | Slow]


@dataclass(frozen=True)
class Handler:
    """One route: HTTP method, path under the base, what answers it, which content types it takes and how much.

    ``any_format``: it answers in whatever format, so that none that a client asks for is turned away unread.
    ``looks_at``: the parameters that it knows besides those that every route does; what else is given is refused where
    the client wants strict handling, and named otherwise. None where the route itself says what it ignored.
    ``later``: a client need not wait for it. ``needs``: what of SMART's ``cruds`` an app's scopes have to allow, of
    the path's type or ``of`` this; without it no app asks.
    """

    method: str
    path: str
    answer: Answering
    takes: tuple[str, ...] = ()
    most: int = MOST_BYTES
    any_format: bool = False
    looks_at: tuple[str, ...] | None = ()
    later: bool = False
    needs: str = ""
    of: str = ANY

    def check(self, who: Bearer, asked: Asked) -> None:
        """Raises ScopeRefused for what an app's token does not reach."""
        if who.scopes.limited:
            who.scopes.require(self.needs, asked.path.get("kind", self.of))


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


def whole_number(asked: Asked, name: str) -> int | None:
    """The last value of a parameter that is a count; raises FhirRefused."""
    values = asked.values(name)
    if not values:
        return None
    if not (values[-1].isascii() and values[-1].isdigit() and len(values[-1]) < 9):
        raise FhirRefused(path=name, problem="not a whole number")
    return int(values[-1])


async def read(request: Request, handler: Handler) -> Asked:
    """The whole request, bounded; raises FhirRefused."""
    given, body = pairs(request.url.query), b""
    if handler.takes:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in handler.takes and not (kind in XMLS and JSON in handler.takes):
            raise FhirRefused(problem=f"the content type is not {handler.takes[0]}")
        body = await _body(request, handler.most)
        if kind == FORM:
            given += pairs(body.decode("ascii", "replace"))
    ignored = _ignored(handler, [name for name, _ in given])
    refuse_if_strict(request.headers, ignored)
    named_forms = [value for name, value in given if name == "_format"]
    form = form_of(request, named_forms[-1] if named_forms else None) or JSON
    return Asked(
        request.path_params, request.headers, given, body, request.method, ignored, str(request.url), form
    )


def form_of(request: Request, named: str | None = None) -> str | None:
    """Which of FHIR's forms a request wants back; None if it is none of them."""
    return forms.wanted(request.headers.get("accept", "*/*"), named or request.query_params.get("_format"))


def in_json(asked: Asked) -> Asked:
    """The same request, what came as XML in JSON; raises FhirRefused."""
    kind = asked.headers.get("content-type", "").partition(";")[0].strip().lower()
    return replace(asked, body=forms.in_json(asked.body)) if asked.body and kind in XMLS else asked


def _ignored(handler: Handler, names: list[str]) -> tuple[str, ...]:
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
            raise FhirRefused(problem=f"more than {most // 1024} KiB")
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
        return Response(status_code=made.status, headers=_safe({**_passed_over(asked), **made.headers}))
    shown, headers = made.shown, {**_passed_over(asked), **made.headers}
    if shown is not None and shown.version != "0":
        headers["ETag"] = shown.etag
        if shown.anchored:
            when = datetime.fromtimestamp(shown.anchored, UTC)
            headers["Last-Modified"] = format_datetime(when, usegmt=True)
        if request.method in WRITES:
            headers["Location"] = location(base, shown)
        if request.method == "GET" and _is_known(request, shown):
            return Response(status_code=304, headers=_safe(headers))
    elif shown is not None and made.status == CREATED:
        headers["Location"] = location(base, shown)
    resource = _preferred(request, made, headers) if "Location" in headers else made.resource
    if resource is None:
        return Response(status_code=made.status, headers=_safe(headers))
    return response(resource, made.status, headers, asked.form, asked.values("_pretty")[-1:] == ["true"])


def location(base: str, shown: Shown) -> str:
    """The address of a version, or of what has none."""
    at = f"{base}/{shown.path}"
    return at if shown.version == "0" else f"{at}/_history/{shown.version}"


def _preferred(request: Request, made: Answered, headers: dict[str, str]) -> Resource | None:
    """What a client wants back of what it wrote (R4 http.html#ops): nothing, an OperationOutcome, or the record; the
    headers say which of them was followed."""
    for wish in ("minimal", "OperationOutcome", "representation"):
        if prefers(request.headers, f"return={wish}"):
            headers["Preference-Applied"] = f"return={wish}"
            outcomes_only = wish == "OperationOutcome" and (made.resource or {}).get("resourceType") != wish
            return None if wish == "minimal" else WRITTEN if outcomes_only else made.resource
    return made.resource


def _passed_over(asked: Asked) -> dict[str, str]:
    """A warning that names the parameters that were not looked at."""
    said = ", ".join(asked.ignored)[:MOST_SAID]
    return {"Warning": f'299 - "Not looked at: {said}."'} if said else {}


def _is_known(request: Request, shown: Shown) -> bool:
    """Whether the client says that it has this version; a tag counts before a time (RFC 9110, 13.2.2)."""
    tags = request.headers.get("if-none-match")
    if tags is not None:
        return shown.etag in {each.strip() for each in tags.split(",")}
    try:
        since = parsedate_to_datetime(request.headers.get("if-modified-since", ""))
    except (ValueError, OverflowError):  # a date that is none says nothing (RFC 9110, 13.1.3)
        return False
    return bool(shown.anchored) and shown.anchored <= since.timestamp()


def refused(error: CareLedgerError, form: str = JSON) -> Response:
    """Why something was refused."""
    status = outcomes.kind_of(error).status
    headers = {"WWW-Authenticate": 'Bearer realm="careledger"'} if status == 401 else {}
    if isinstance(error, Throttled):
        headers["Retry-After"] = str(error.details["seconds"])
    return response(outcomes.refusal(error), status, headers, form)


async def no_route(request: Request, error: Exception) -> Response:
    """The answer where nothing is."""
    status = getattr(error, "status_code", 404)
    headers = getattr(error, "headers", None) or {}
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
    return Response(forms.written(resource, form, pretty), status, _safe(headers or {}), media_type=form)


def _safe(headers: Mapping[str, str]) -> dict[str, str]:
    return {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", **headers}
