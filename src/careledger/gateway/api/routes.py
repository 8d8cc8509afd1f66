"""The routes of /api/v1, each from a row: token, pace, standing, role, then the request itself, then the act.

Nothing of a request is looked at for whom the table does not permit it.
"""

from __future__ import annotations

import secrets
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TypeVar
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from careledger.app.tokens import Bearer
from careledger.domain.errors import (
    ActRefused,
    ApiRefused,
    CareLedgerError,
    ContentRefused,
    RecordNotFound,
    TooLarge,
)
from careledger.domain.parties import Role
from careledger.gateway import repeats, security_log
from careledger.gateway.api import docs, problems
from careledger.gateway.api.openapi import document
from careledger.gateway.api.pace import Pace, Strangers
from careledger.gateway.api.rows import BASE, PARTS, Called, Later, Row
from careledger.gateway.api.table import ROWS
from careledger.gateway.desk import Desk
from careledger.gateway.entrance import Entrance, is_here, unexpected
from careledger.gateway.packed import packed
from careledger.gateway.repeats import Repeat
from careledger.gateway.told import Told

JSON = "application/json"
T = TypeVar("T")


class Api:
    """Everything under /api/v1."""

    def __init__(
        self,
        desk: Desk,
        entrance: Entrance,
        told: Told,
        rows: Sequence[Row] = ROWS,
        pace: Pace | None = None,
    ) -> None:
        self._desk, self._entrance, self._told, self._rows = desk, entrance, told, rows
        self._pace = pace or Pace()
        each = Pace()
        self._strangers = {
            row.name: Strangers(Pace(*row.pace), Pace(*row.by_address) if row.by_address else each)
            for row in rows
            if row.open
        }

    def routes(self) -> list[Route]:
        """The document and its page, which need no token, and one route for each row."""
        said = document(self._rows)
        made = [
            Route(BASE + place, partial(_open, *each), methods=["GET"])
            for place, each in docs.files(said).items()
        ]
        by_path: dict[str, dict[str, Row]] = defaultdict(dict)
        for row in self._rows:
            for path in {BASE + row.path, BASE + row.path.rstrip("/")}:
                by_path[path][row.method] = row
        made += [
            Route(path, partial(self._by_method, rows), methods=list(rows)) for path, rows in by_path.items()
        ]
        return made

    async def _by_method(self, rows: Mapping[str, Row], request: Request) -> Response:
        return await self._handle(rows["GET" if request.method == "HEAD" else request.method], request)

    async def _handle(self, row: Row, request: Request) -> Response:
        came = time.monotonic()
        if not is_here(request):
            return problems.failed(421)
        try:
            who = None
            if row.open:
                self._strangers[row.name].take(request, came)
            else:
                who = await self._entrance.work(lambda: self._entrance.who(request, came))
                self._pace.take(who.digest, came)
            body = b"" if row.takes is None else await json_body(request, row.most)
            made = await self._entrance.work(lambda: self._answer(row, who, request, body))
            if who is not None and row.shows is not None:
                shown = [
                    (bytes.fromhex(alias), f"Patient/{alias}")
                    for alias in row.shows(msgspec.json.decode(made.body))
                ]
                await self._told.note_shown(who, f"{row.method} {BASE}{row.path}", shown)
            return made
        except CareLedgerError as error:
            security_log.refused(request, error)
            return problems.refused(error)
        except Exception:
            return problems.failed(500, unexpected())

    def _answer(self, row: Row, who: Bearer | None, request: Request, body: bytes) -> Response:
        roles = frozenset[Role]()
        if who is not None:
            self._entrance.check_still(who)
            roles = self._entrance.standing(who).roles
        if not row.permits(roles):
            raise ActRefused(why=_needs(row))
        if who is not None and row.fresh:
            who.require_fresh(self._desk.world.clock.now())
        place = f"{row.method} {request.url.path}?{request.url.query}"
        asked = None
        if who is not None and row.once:
            asked = repeats.repeat(who, request.headers.get(repeats.HEADER), place, body)
        called = Called(
            who,
            request.method,
            request.headers,
            request.url.path,
            _parts(request.path_params),
            _query(request.url.query, row.query),
            None if row.takes is None else read_json(body, row.takes),
            tuple(each.name for each in self._rows if each.permits(roles)),
            secrets.token_bytes(32) if asked is None else asked.unique,
        )
        return self._once(row, called, asked) if asked is not None else self._done(row, called)

    def _once(self, row: Row, called: Called, asked: Repeat) -> Response:
        """The answer that was given to the same request before, or the act."""
        organisation, now = called.who.staff.organisation, self._desk.world.clock.now()
        if (kept := repeats.answer_to(organisation, asked, now)) is not None:
            return _response(kept.body, kept.status, row.kept)
        made = self._done(row, called)
        self._desk.answers.keep(organisation, asked, made.status_code, bytes(made.body), now)
        return made

    def _done(self, row: Row, called: Called) -> Response:
        answer, status = row.act(self._desk, called), row.status
        if isinstance(answer, Response):
            return answer
        if isinstance(answer, Later):
            answer, status = answer.answer, 202
        return _response(msgspec.json.encode(answer), status, row.kept)


async def _open(body: bytes, media_type: str, request: Request) -> Response:
    """What needs no token: the document, and the page about it."""
    if not is_here(request):
        return problems.failed(421)
    return packed(request, Response(body, headers=docs.HEADERS, media_type=media_type))


async def json_body(request: Request, most: int) -> bytes:
    """The body, which has to be JSON of at most so many bytes; raises ContentRefused, TooLarge."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
        raise ContentRefused(takes=JSON)
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > most:
            raise TooLarge(most=f"{most // 1024} KiB")
    return bytes(body)


def _parts(given: dict[str, str]) -> dict[str, str]:
    """The path's parts; raises RecordNotFound for what none can look like."""
    for name, value in given.items():
        if not PARTS[name].fits(value):
            raise RecordNotFound()
    return given


def _query(said: str, kind: type[T]) -> T:
    """The query as that struct; raises ApiRefused."""
    try:
        given = parse_qsl(said, keep_blank_values=True, errors="strict", max_num_fields=50)
    except ValueError:
        raise ApiRefused(why="a query that cannot be read") from None
    if len(dict(given)) < len(given):
        raise ApiRefused(why="a parameter that is given twice")
    try:
        return msgspec.convert(dict(given), kind, strict=False)
    except msgspec.ValidationError as error:
        raise ApiRefused(why=str(error)) from None


def read_json(body: bytes, kind: type[T]) -> T:
    """The body as that struct; raises ApiRefused."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ApiRefused(why=str(error)) from None


def _needs(row: Row) -> str:
    return "only posts with one of these roles may: " + ", ".join(sorted(each.code for each in row.may or ()))


def _response(body: bytes, status: int, kept: str) -> Response:
    return Response(body, status, {**problems.SAFE, "Cache-Control": kept}, media_type=JSON)
