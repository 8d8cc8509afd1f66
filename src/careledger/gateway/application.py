"""The HTTP side of the gateway: every route, who asks, and one worker that does what has to be done.

Every route but the CapabilityStatement and the files of release logs and sealed blocks needs a bearer token, which is
looked at before anything else of the request. It is answered only while its post and employer stand on the ledger.
Nothing of a request is logged. The worker takes requests in the order of arrival, one that takes long step by step, so
that others pass between.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator
from concurrent.futures import Executor
from datetime import UTC, datetime
from functools import partial

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from careledger.app.tokens import Bearer
from careledger.domain.errors import CareLedgerError
from careledger.gateway import bundles, editing, http, logs, reading, sealed, searching
from careledger.gateway.api import problems
from careledger.gateway.api.routes import Api
from careledger.gateway.api.rows import BASE
from careledger.gateway.beside import Beside
from careledger.gateway.capability import capability
from careledger.gateway.desk import Desk
from careledger.gateway.entrance import Entrance, unexpected
from careledger.gateway.forms import JSON
from careledger.gateway.http import Answered, Asked, Handler, Plain, Slow
from careledger.gateway.operations import (
    binaries,
    definitions,
    everything,
    export,
    groups,
    match,
    pdf,
    pending,
    subscriptions,
    summary,
    validate,
)
from careledger.gateway.outcomes import outcome
from careledger.gateway.own import history
from careledger.gateway.turns import Turns

FEATURES: tuple[Callable[[Desk], list[Handler]], ...] = (
    everything.handlers,
    summary.handlers,
    pdf.handlers,
    match.handlers,
    definitions.handlers,
    validate.handlers,
    binaries.handlers,
    export.handlers,
    pending.handlers,
    history.handlers,
    groups.handlers,
    subscriptions.handlers,
    searching.handlers,
    reading.handlers,
    editing.handlers,
)
"""What is answered under /fhir with a token: of two routes that fit a path, the first."""


class Edge:
    """The application over the desk of one gateway."""

    def __init__(self, desk: Desk, worker: Executor, beside: Beside) -> None:
        self._desk = desk
        self._entrance = Entrance(desk.world, worker)
        self._api = Api(desk, self._entrance)
        self._turns = Turns(self._entrance, beside)
        self._put_offs: set[asyncio.Task[None]] = set()
        self._started = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def application(self) -> Starlette:
        """As an ASGI application."""
        missing = {404: _no_route, 405: _no_route}
        made = Starlette(routes=self.routes(), exception_handlers=missing)
        made.router.redirect_slashes = False
        return made

    def routes(self) -> list[Route]:
        """Every route; those that stand here need no token, those of FEATURES and of /api/v1 do."""
        made = [Route("/fhir/metadata", self._metadata, methods=["GET"])]
        made += logs.routes(self._desk, self._entrance.work) + sealed.routes(self._desk, self._entrance.work)
        for handler in (each for feature in FEATURES for each in feature(self._desk)):
            for path in {"/fhir" + handler.path, "/fhir" + handler.path.rstrip("/")}:
                made.append(Route(path, partial(self._handle, handler), methods=[handler.method]))
        return made + self._api.routes()

    async def _metadata(self, request: Request) -> Response:
        if (turned := http.turned_away(request)) is not None:
            return turned
        return http.response(capability(self._desk.base, self._started), form=http.form_of(request) or JSON)

    async def _handle(self, handler: Handler, request: Request) -> Response:
        came, form = time.monotonic(), http.form_of(request) or JSON
        if (turned := http.turned_away(request, handler.any_format)) is not None:
            return turned
        try:
            who = await self._entrance.work(lambda: self._entrance.who(request, came, for_apps=True))
            asked = await http.read(request, handler)
            form = asked.form
            if handler.later and asked.prefers("respond-async") and not who.scopes.limited:
                name = self._desk.later.begin(who.digest, self._desk.world.clock.now())
                if name is not None:
                    return self._put_off(name, handler, who, asked)
            answered = await self._answered(handler, who, asked)
            return http.answered(request, asked, self._desk.base, answered)
        except CareLedgerError as error:
            return http.refused(error, form)
        except Exception:
            return http.response(outcome("fatal", "exception", unexpected()), 500)

    async def _answered(self, handler: Handler, who: Bearer, asked: Asked) -> Answered | Plain:
        answered = await self._entrance.work(lambda: self._answer(handler, who, asked))
        return await self._turns.taken(who, answered) if isinstance(answered, Generator) else answered

    def _put_off(self, name: str, handler: Handler, who: Bearer, asked: Asked) -> Response:
        """Accepted: carried out in its turn as if it had been waited for, and asked after under that name."""
        task = asyncio.create_task(self._carry_out(name, handler, who, asked))
        self._put_offs.add(task)
        task.add_done_callback(self._put_offs.discard)
        place = {"Content-Location": f"{self._desk.base}/later/{name}", "Preference-Applied": "respond-async"}
        said = outcome("information", "informational", "Accepted; Content-Location says what becomes of it.")
        return http.response(said, http.ACCEPTED, place, asked.form)

    async def _carry_out(self, name: str, handler: Handler, who: Bearer, asked: Asked) -> None:
        try:
            said = bundles.became(self._desk.base, await self._answered(handler, who, asked))
        except CareLedgerError as error:
            said = bundles.refused(error)
        except Exception:
            said = bundles.one_response(
                {"status": "500", "outcome": outcome("fatal", "exception", unexpected())}
            )
        self._desk.later.done(name, said, self._desk.world.clock.now())

    def _answer(self, handler: Handler, who: Bearer, asked: Asked) -> Answered | Plain | Slow:
        """For a post that stands on the ledger now, with its employer, and for no other, whatever is asked."""
        self._entrance.standing(who)
        handler.check(who, asked)
        return handler.answer(who, http.in_json(asked))


async def _no_route(request: Request, error: Exception) -> Response:
    """Where nothing is, in the format of what is beside it."""
    beside_api = request.url.path.startswith(f"{BASE}/") or request.url.path == BASE
    if beside_api:
        return await problems.no_route(request, error)
    return await http.no_route(request, error)
