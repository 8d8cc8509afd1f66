"""The routes under /scim/v2 (RFC 7644): who joins, changes, leaves and is in which team, by an operator of the
organisation alone.

Nobody and nothing of another organisation is found. Order of effects: see ``app/identity/employing`` and ``grouping``;
each request may be repeated.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from careledger.app.tokens import Bearer
from careledger.domain.errors import (
    ActRefused,
    CareLedgerError,
    ContentRefused,
    LoginTaken,
    ScimRefused,
    TeamTaken,
    TooLarge,
)
from careledger.domain.parties import Role
from careledger.gateway import outcomes, security_log
from careledger.gateway.api import problems
from careledger.gateway.api.pace import Pace
from careledger.gateway.desk import Desk
from careledger.gateway.entrance import Entrance, is_here, unexpected
from careledger.gateway.scim import about
from careledger.gateway.scim.asked import MOST_SHOWN, Act, Answer, Asked
from careledger.gateway.scim.group_acts import Groups
from careledger.gateway.scim.user_acts import Users

BASE = "/scim/v2"
JSON, TYPES = "application/scim+json", ("application/scim+json", "application/json")
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
MOST_BODY = 512 * 1024
CHANGING = ("POST", "PUT", "PATCH", "DELETE")


class Scim:
    """Everything under /scim/v2."""

    def __init__(self, desk: Desk, entrance: Entrance) -> None:
        self._entrance, self._pace = entrance, Pace()
        self._base = desk.base.removesuffix("/fhir") + BASE
        self._users, self._groups = Users(desk, self._base), Groups(desk, self._base)

    def routes(self) -> list[Route]:
        """Each with what answers it."""
        base = self._base
        there: list[tuple[str, str, Act]] = [
            ("GET", "/ServiceProviderConfig", lambda _: Answer(200, about.configuration(base, MOST_SHOWN))),
        ]
        for name, all_of in (("ResourceTypes", about.kinds(base)), ("Schemas", about.schemas(base))):
            there += [
                ("GET", f"/{name}", partial(_all_described, all_of)),
                ("GET", f"/{name}/{{id}}", partial(_described, all_of)),
            ]
        for place, acts in (("/Users", self._users), ("/Groups", self._groups)):
            there += [("GET", place, acts.search), ("POST", place, acts.create)]
            there += [
                ("GET", f"{place}/{{id}}", acts.read), ("PUT", f"{place}/{{id}}", acts.replace),
                ("PATCH", f"{place}/{{id}}", acts.patch), ("DELETE", f"{place}/{{id}}", acts.delete),
            ]  # fmt: skip
        return [
            Route(BASE + path, partial(self._handle, act), methods=[method]) for method, path, act in there
        ]

    async def _handle(self, act: Act, request: Request) -> Response:
        if not is_here(request):
            return _failed(421)
        came = time.monotonic()
        try:
            who = await self._entrance.work(lambda: self._admitted(request, came))
        except CareLedgerError as error:
            security_log.refused(request, error)
            return _refused(error)
        try:
            body = await _body(request) if request.method in CHANGING[:3] else {}
            answer = await self._entrance.work(lambda: act(self._asked(request, who, body)))
        except CareLedgerError as error:
            security_log.refused(request, error)
            return _refused(error)
        except Exception:
            return _failed(500, unexpected())
        return _response(answer.status, answer.body, answer.headers)

    def _asked(self, request: Request, who: Bearer, body: dict[str, Any]) -> Asked:
        still = self._still(who, request.method)
        return Asked(still, request.path_params, request.query_params, request.headers, body)

    def _admitted(self, request: Request, came: float) -> Bearer:
        """An operator that stands, on the worker; raises TokenRefused, PartyNotVerified, ActRefused, Throttled."""
        who = self._entrance.who(request, came)
        self._pace.take(who.digest, came)
        return self._still(who, request.method)

    def _still(self, who: Bearer, method: str) -> Bearer:
        """Whoever asks, as it stands now; on the worker. Raises TokenRefused, SessionRefused, PartyNotVerified,
        ActRefused, FreshProofNeeded."""
        self._entrance.check_still(who)
        if Role.OPERATOR not in self._entrance.standing(who).roles:
            raise ActRefused(why="only posts with the role operator may")
        if method in CHANGING:
            who.require_fresh(self._entrance.now)
        return who


def _all_described(found: list[dict[str, Any]], asked: Asked) -> Answer:
    return Answer(200, about.listed(found))


def _described(found: list[dict[str, Any]], asked: Asked) -> Answer:
    return Answer(200, about.one(found, asked.parts["id"]))


async def _body(request: Request) -> dict[str, Any]:
    """The body, a JSON object of at most 512 KiB; raises ContentRefused, TooLarge, ScimRefused."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() not in TYPES:
        raise ContentRefused(takes=JSON)
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MOST_BODY:
            raise TooLarge(most=f"{MOST_BODY // 1024} KiB")
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ScimRefused(scim="invalidSyntax", why="it is no JSON object")
    return found


async def no_route(request: Request, error: Exception) -> Response:
    """An Error, where nothing answers this path or method."""
    status, headers = getattr(error, "status_code", 404), getattr(error, "headers", None) or {}
    said = {"schemas": [ERROR], "status": str(status), "detail": "There is nothing here that answers this."}
    return _response(status, said, headers)


def _refused(error: CareLedgerError) -> Response:
    """An Error (RFC 7644, 3.12), in words that name nobody."""
    status = outcomes.kind_of(error).status
    said = {"schemas": [ERROR], "status": str(status), "detail": outcomes.why(error)}
    kind = "uniqueness" if isinstance(error, LoginTaken | TeamTaken) else error.details.get("scim")
    return _response(status, said | ({"scimType": kind} if kind else {}), outcomes.headers_of(error))


def _failed(status: int, detail: str = "") -> Response:
    """An Error that is no refusal of the tree: 421, 500."""
    said = {"schemas": [ERROR], "status": str(status), "detail": detail or problems.sentence(status)}
    return _response(status, said, {})


def _response(status: int, said: dict[str, Any] | None, headers: Mapping[str, str]) -> Response:
    body = b"" if said is None else json.dumps(said).encode()
    return Response(body, status, {**problems.SAFE, **headers}, media_type=JSON if body else None)
