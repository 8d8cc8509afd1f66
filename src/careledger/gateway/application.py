"""The HTTP side of the gateway: routes, who asks, and answers as a FHIR R4 server gives them.

Every route but the CapabilityStatement needs a bearer token, which is looked at before anything else of the request.
Nothing of a request is logged. One worker does what has to be done, in the order of arrival.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from functools import partial
from typing import TypeVar
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from careledger.app.serving import is_loopback
from careledger.app.tokens import Bearer, Bearers
from careledger.domain.errors import CareLedgerError, FhirRefused, TokenRefused
from careledger.fhir.canonical import canonical
from careledger.fhir.definitions.tables import resource_types
from careledger.fhir.json_text import MOST_BYTES, Resource
from careledger.gateway import outcomes
from careledger.gateway.capability import capability
from careledger.gateway.interactions import Answered, Interactions
from careledger.gateway.outcomes import outcome
from careledger.gateway.views import Shown

JSON = "application/fhir+json"
FORM = "application/x-www-form-urlencoded"
PATCH = "application/json-patch+json"
BODIES = {"POST": (JSON, "application/json"), "PUT": (JSON, "application/json"), "PATCH": (PATCH,)}
MOST_FORM = 64 * 1024
_TAKEN = ("application/fhir+json", "application/json", "json", "*/*", "application/*", "text/json")
_LOG = logging.getLogger("careledger.gateway")
T = TypeVar("T")


@dataclass(frozen=True)
class Asked:
    """A request that was read: its path's parts, headers, query and form, and body."""

    path: Mapping[str, str]
    headers: Mapping[str, str]
    given: list[tuple[str, str]]
    body: bytes

    @property
    def kind(self) -> str:
        """The resource type of the path; raises FhirRefused."""
        if self.path["kind"] not in resource_types():
            raise FhirRefused(problem="not a resource type of R4")
        return self.path["kind"]


Answering = Callable[[Bearer, Asked], Answered]


@dataclass(frozen=True)
class Handler:
    """One route: HTTP method, path under the base, what answers it."""

    method: str
    path: str
    answer: Answering


class Edge:
    """The application over the interactions of one gateway."""

    def __init__(self, interactions: Interactions, worker: Executor) -> None:
        self._does, self._worker = interactions, worker
        self._bearers = Bearers(interactions.world.keyring)
        self._started = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def handlers(self) -> list[Handler]:
        """Every route that needs a token."""
        return [
            Handler("GET", "/", self._page),
            Handler("POST", "/", self._take),
            Handler("GET", "/Patient/{id}/$everything", self._everything),
            Handler("GET", "/{kind}/{id}/_history/{version}", self._vread),
            Handler("GET", "/{kind}/{id}/_history", self._history),
            Handler("GET", "/{kind}/{id}", self._read),
            Handler("PUT", "/{kind}/{id}", self._update),
            Handler("PATCH", "/{kind}/{id}", self._patch),
            Handler("DELETE", "/{kind}/{id}", self._delete),
            Handler("POST", "/{kind}/_search", self._search),
            Handler("POST", "/{kind}/$validate", self._validate),
            Handler("GET", "/{kind}", self._search),
            Handler("POST", "/{kind}", self._create),
        ]

    def application(self) -> Starlette:
        """As an ASGI application."""
        made = Starlette(routes=self.routes(), exception_handlers={404: _no_route, 405: _no_route})
        made.router.redirect_slashes = False
        return made

    def routes(self) -> list[Route]:
        """Every route; all but the first need a token."""
        made = [Route("/fhir/metadata", self._metadata, methods=["GET"])]
        for handler in self.handlers():
            for path in {"/fhir" + handler.path, "/fhir" + handler.path.rstrip("/")}:
                made.append(Route(path, partial(self._handle, handler), methods=[handler.method]))
        return made

    # Each interaction ---------------------------------------------------------------------------

    def _read(self, who: Bearer, asked: Asked) -> Answered:
        return self._does.read(who, asked.kind, asked.path["id"])

    def _vread(self, who: Bearer, asked: Asked) -> Answered:
        return self._does.vread(who, asked.kind, asked.path["id"], asked.path["version"])

    def _history(self, who: Bearer, asked: Asked) -> Answered:
        return self._does.history(who, asked.kind, asked.path["id"])

    def _search(self, who: Bearer, asked: Asked) -> Answered:
        strict = "handling=strict" in asked.headers.get("prefer", "")
        return self._does.search(who, asked.kind, asked.given, strict)

    def _everything(self, who: Bearer, asked: Asked) -> Answered:
        return self._does.everything(who, asked.path["id"], _count(asked.given))

    def _page(self, who: Bearer, asked: Asked) -> Answered:
        names = [value for name, value in asked.given if name == "_page"]
        if len(names) != 1:
            raise FhirRefused(path="_page", problem="name a type, or a page of a search")
        return self._does.page(who, names[0])

    def _create(self, who: Bearer, asked: Asked) -> Answered:
        stated = asked.headers.get("if-none-exist")
        unless = None if stated is None else _pairs(stated.removeprefix("?"))
        key = asked.headers.get("idempotency-key", "")
        return self._does.create(who, asked.kind, asked.body, key, unless)

    def _update(self, who: Bearer, asked: Asked) -> Answered:
        return self._does.update(
            who, asked.kind, asked.path["id"], asked.body, asked.headers.get("if-match", "")
        )

    def _patch(self, who: Bearer, asked: Asked) -> Answered:
        tags = asked.headers.get("if-match", "")
        return self._does.patch(who, asked.kind, asked.path["id"], asked.body, tags)

    def _validate(self, who: Bearer, asked: Asked) -> Answered:
        return self._does.validate(asked.kind, asked.body)

    def _delete(self, who: Bearer, asked: Asked) -> Answered:
        self._does.delete(who, asked.kind, asked.path["id"])
        return Answered(None)

    def _take(self, who: Bearer, asked: Asked) -> Answered:
        return self._does.take(who, asked.body)

    # HTTP ---------------------------------------------------------------------------------------

    async def _metadata(self, request: Request) -> Response:
        if (turned := _turned_away(request)) is not None:
            return turned
        return _response(capability(self._does.base, self._started))

    async def _handle(self, handler: Handler, request: Request) -> Response:
        came = time.monotonic()
        if (turned := _turned_away(request)) is not None:
            return turned
        try:
            who = await self._work(lambda: self._who(request, came))
            asked = await _read(request)
            answered = await self._work(lambda: handler.answer(who, asked))
        except CareLedgerError as error:
            return _refused(error)
        except Exception:
            place = secrets.token_hex(8)  # what happened is for the operator, without the request
            _LOG.exception("unexpected, noted as %s", place)
            return _response(
                outcome("fatal", "exception", f"Something is wrong here, noted as {place}."), 500
            )
        return _answered(request, self._does.base, answered)

    async def _work(self, act: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._worker, act)

    def _who(self, request: Request, came: float) -> Bearer:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.casefold() != "bearer" or not token.strip():
            raise TokenRefused(why="a bearer token is needed")
        return self._bearers.bearer(token.strip(), self._does.world.clock.now(), came)


def _pairs(query: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=200)
    except ValueError:
        raise FhirRefused(problem="a query that cannot be read") from None


async def _read(request: Request) -> Asked:
    """The whole request, bounded; raises FhirRefused."""
    given, body, kind = _pairs(request.url.query), b"", ""
    if request.method in BODIES:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        searching = request.url.path.endswith("/_search")
        taken = (FORM,) if searching else BODIES[request.method]
        if kind not in taken:
            raise FhirRefused(problem=f"the content type is not {taken[0]}")
        body = await _body(request, MOST_FORM if searching else MOST_BYTES)
        if searching:
            given += _pairs(body.decode("ascii", "replace"))
    return Asked(request.path_params, request.headers, given, body)


async def _body(request: Request, most: int) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > most:
            raise FhirRefused(problem=f"more than {most // 1024} KiB")
    return bytes(body)


def _count(given: list[tuple[str, str]]) -> int | None:
    values = [value for name, value in given if name == "_count"]
    if not values:
        return None
    if not (values[-1].isascii() and values[-1].isdigit() and len(values[-1]) < 9):
        raise FhirRefused(path="_count", problem="not a whole number")
    return int(values[-1])


def _turned_away(request: Request) -> Response | None:
    """A request under a name that is not this machine's, or for a format that is not made here."""
    host = request.headers.get("host", "").rpartition(":")[0] or request.headers.get("host", "")
    if not is_loopback(host):
        return _response(outcome("error", "security", "Ask under a name of loopback."), 421)
    wanted = [each.partition(";")[0].strip() for each in request.headers.get("accept", "*/*").split(",")]
    named = request.query_params.get("_format")
    if not any(each in _TAKEN for each in ([named.partition(";")[0]] if named else wanted)):
        return _response(outcome("error", "not-supported", f"Only {JSON} is made here."), 406)
    return None


def _answered(request: Request, base: str, answered: Answered) -> Response:
    shown, headers = answered.shown, {}
    if answered.resource is None:
        return Response(status_code=204, headers=_safe({}))
    if shown is not None and shown.version != "0":
        headers["ETag"] = shown.etag
        if shown.anchored:
            when = datetime.fromtimestamp(shown.anchored, UTC)
            headers["Last-Modified"] = format_datetime(when, usegmt=True)
        if request.method in BODIES:
            headers["Location"] = f"{base}/{shown.path}/_history/{shown.version}"
        if request.method == "GET" and _is_known(request, shown):
            return Response(status_code=304, headers=_safe(headers))
    status = 201 if answered.new else 200
    if "return=minimal" in request.headers.get("prefer", "") and "Location" in headers:
        return Response(status_code=status, headers=_safe(headers))
    return _response(answered.resource, status, headers)


def _is_known(request: Request, shown: Shown) -> bool:
    """Whether the client says that it has this version; a tag counts before a time (RFC 9110, 13.2.2)."""
    tags = request.headers.get("if-none-match")
    if tags is not None:
        return shown.etag in {each.strip() for each in tags.split(",")}
    try:
        since = parsedate_to_datetime(request.headers.get("if-modified-since", ""))
    except ValueError:
        return False
    return bool(shown.anchored) and shown.anchored <= since.timestamp()


def _refused(error: CareLedgerError) -> Response:
    status = outcomes.kind_of(error).status
    headers = {"WWW-Authenticate": 'Bearer realm="careledger"'} if status == 401 else {}
    return _response(outcomes.refusal(error), status, headers)


async def _no_route(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 404)
    headers = getattr(error, "headers", None) or {}
    code = "not-supported" if status == 405 else "not-found"
    return _response(outcome("error", code, "There is nothing here that answers this."), status, headers)


def _response(resource: Resource, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(canonical(resource), status, _safe(headers or {}), media_type=JSON)


def _safe(headers: dict[str, str]) -> dict[str, str]:
    return {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", **headers}
