"""The routes of the OAuth server. No cookie and no token is looked at but at introspection: clients prove themselves.

Forms are read whole and bounded; what the world has to be asked is asked by the gateway's one worker.
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from careledger.app import app_codes, clients, signers
from careledger.app.clients import PUBLIC, Registered
from careledger.domain.errors import CareLedgerError, OAuthRefused
from careledger.gateway import security_log
from careledger.gateway.api.pace import Pace, Strangers
from careledger.gateway.desk import Desk
from careledger.gateway.entrance import Entrance, is_here, unexpected
from careledger.gateway.events.sending import Sender
from careledger.gateway.files import strangers
from careledger.gateway.oauth import answers, backend, forms, inspecting, launched, metadata
from careledger.gateway.oauth.authorizing import Authorizing
from careledger.gateway.oauth.fetched_keys import FetchedKeys
from careledger.gateway.oauth.inspecting import Inquirer
from careledger.gateway.oauth.proving import Proving

MOST_FORM, MOST_FIELDS = 32 * 1024, 50
PACE = (60, 2.0)
"""How many tokens a client is given at once, and a second in the long run."""
RENEWALS = (10, 1 / 60)
"""How often at once, and a second in the long run, what a public app was granted is renewed."""
Form = Mapping[str, str]


class OAuth:
    """Everything under /oauth, and what is said of it elsewhere."""

    def __init__(self, desk: Desk, entrance: Entrance) -> None:
        self._desk, self._entrance = desk, entrance
        self._fetched = FetchedKeys(Sender.of(desk.world))
        self._proving = Proving(entrance, self._fetched, metadata.audiences(desk.base))
        self._pace, self._renewals, self._strangers = Pace(*PACE), Pace(*RENEWALS), strangers()
        self._authorizing = Authorizing(desk, entrance, self._strangers)

    def close(self) -> None:
        """Ends what is fetched."""
        self._fetched.close()

    def routes(self) -> list[Route]:
        """Each with what answers it."""
        forms = {
            metadata.TOKEN: self._token,
            metadata.INTROSPECTION: self._introspect,
            metadata.REVOCATION: self._revoke,
        }
        made = [
            Route(path, partial(_answer, act, self._strangers), methods=["POST"])
            for path, act in forms.items()
        ]
        files = {
            "/fhir" + metadata.SMART: self._smart,
            metadata.OPENID: self._openid,
            metadata.SERVER: self._openid,
            metadata.KEYS: self._keys,
        }
        kept = {metadata.KEYS: {"Cache-Control": f"public, max-age={signers.FRESH}"}}
        made += [
            Route(path, partial(_file, act, self._strangers, kept.get(path, {})), methods=["GET"])
            for path, act in files.items()
        ]
        return made + self._authorizing.routes()

    async def _smart(self) -> dict[str, Any]:
        return metadata.smart_configuration(self._desk.base, self._entrance.site.origin)

    async def _openid(self) -> dict[str, Any]:
        return metadata.openid_configuration(self._desk.base, self._entrance.site.origin)

    async def _keys(self) -> dict[str, Any]:
        return await self._entrance.work(self._published)

    def _published(self) -> dict[str, Any]:
        employers, now = self._entrance.employers, self._entrance.now
        for each in employers:
            if clients.names_people(each):
                signers.ready(each.books, now)
        return {"keys": [key for each in employers for key in signers.published(each.books, now)]}

    async def _token(self, request: Request, form: Form) -> Response:
        grant_type = form.get("grant_type", "")
        if not grant_type:
            raise OAuthRefused(error=answers.REQUEST, why="a grant_type is needed")
        if grant_type not in metadata.GRANT_TYPES:
            raise OAuthRefused(
                error=answers.GRANT_TYPE, why=f"only {', '.join(metadata.GRANT_TYPES)} is taken"
            )
        found, world, base = await self._proving.client(form), self._desk.world, self._desk.base
        security_log.of(request).client = found.id
        if (
            found.client.kind != PUBLIC
        ):  # whoever names a public client has proved nothing, and costs it nothing
            self._strangers.give_back(request)
            self._pace.take(found.id.encode(), time.monotonic())
        elif grant_type == metadata.BY_REFRESH:
            await self._entrance.work(lambda: self._renews(found, form))
        act = {
            metadata.CLIENT_CREDENTIALS: lambda: backend.granted(world, found, form),
            metadata.BY_CODE: lambda: launched.by_code(world, base, found, form),
            metadata.BY_REFRESH: lambda: launched.by_refresh(world, base, found, form),
        }[grant_type]
        given = await self._entrance.work(act)
        security_log.happened(request, "token-given")
        return answers.answered(given)

    def _renews(self, found: Registered, form: Form) -> None:
        """Whoever brings a public app's refresh token is counted by what it renews, before it is used up; raises
        Throttled."""
        standing = app_codes.refreshing(found, form.get("refresh_token", ""), self._entrance.now)
        if standing is not None:
            self._renewals.take(standing.name, time.monotonic())

    async def _introspect(self, request: Request, form: Form) -> Response:
        if "authorization" in request.headers:
            told = await self._entrance.work(lambda: self._told_by_token(request, form))
            self._strangers.give_back(request)
            return answers.answered(told)
        found, world = await self._proving.client(form), self._desk.world
        security_log.of(request).client = found.id
        if found.client.kind == PUBLIC:
            raise OAuthRefused(error=answers.CLIENT, why="a client that cannot prove itself is told nothing")
        self._strangers.give_back(request)
        asker = Inquirer(found.employer, found.id)
        return answers.answered(
            await self._entrance.work(lambda: inspecting.introspected(world, self._desk.base, asker, form))
        )

    def _told_by_token(self, request: Request, form: Form) -> dict[str, Any]:
        who, world = self._entrance.who(request, time.monotonic(), for_apps=True), self._desk.world
        self._entrance.standing(who)
        return inspecting.introspected(world, self._desk.base, inspecting.by_token(world, who), form)

    async def _revoke(self, request: Request, form: Form) -> Response:
        found = await self._proving.client(form)
        security_log.of(request).client = found.id
        await self._entrance.work(lambda: inspecting.revoked(self._desk.world, found, form))
        security_log.happened(request, "token-taken-back")
        return answers.answered({})


async def _answer(
    act: Callable[[Request, Form], Awaitable[Response]], pace: Strangers, request: Request
) -> Response:
    if not is_here(request):
        return answers.failed(answers.REQUEST, "Ask under a name of loopback.", 421)
    try:
        pace.take(request, time.monotonic())
        return await act(request, await _read(request))
    except CareLedgerError as error:
        security_log.refused(request, error)
        return answers.refused(error)
    except Exception:
        return answers.failed(answers.BROKEN, unexpected(), 500)


async def _file(
    act: Callable[[], Awaitable[dict[str, Any]]],
    pace: Strangers,
    headers: Mapping[str, str],
    request: Request,
) -> Response:
    if not is_here(request):
        return answers.failed(answers.REQUEST, "Ask under a name of loopback.", 421)
    try:
        pace.take(request, time.monotonic())
        body = json.dumps(await act()).encode()
    except CareLedgerError as error:
        security_log.refused(request, error)
        return answers.refused(error)
    said = {"X-Content-Type-Options": "nosniff", **headers}
    return Response(body, headers=said, media_type=answers.JSON)


async def _read(request: Request) -> Form:
    """The form, each of whose fields is given once; raises OAuthRefused."""
    given = await forms.posted(request, MOST_FORM, MOST_FIELDS)
    if len(dict(given)) < len(given):
        raise OAuthRefused(error=answers.REQUEST, why="a parameter is given twice")
    return dict(given)
