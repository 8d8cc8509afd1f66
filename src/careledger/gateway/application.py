"""The HTTP side of the gateway: every route, who asks, and one worker that does what has to be done.

Every route but the CapabilityStatement and the release logs' files needs a bearer token, which is looked at before
anything else of the request. It is answered only while its post and employer stand on the ledger. Nothing of a request
is logged. The worker takes requests in the order of arrival.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from concurrent.futures import Executor
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from careledger.app.tokens import Bearer, Bearers
from careledger.domain.errors import CareLedgerError, TokenRefused
from careledger.gateway import editing, http, logs, reading, searching
from careledger.gateway.capability import capability
from careledger.gateway.desk import Desk
from careledger.gateway.http import Answered, Asked, Handler, Plain
from careledger.gateway.operations import binaries, definitions, everything, match, summary, validate
from careledger.gateway.outcomes import outcome
from careledger.workflows.network import verified

FEATURES: tuple[Callable[[Desk], list[Handler]], ...] = (
    everything.handlers,
    summary.handlers,
    match.handlers,
    definitions.handlers,
    validate.handlers,
    binaries.handlers,
    searching.handlers,
    reading.handlers,
    editing.handlers,
)
"""What is answered under /fhir with a token: of two routes that fit a path, the first."""
_LOG = logging.getLogger("careledger.gateway")
T = TypeVar("T")


class Edge:
    """The application over the desk of one gateway."""

    def __init__(self, desk: Desk, worker: Executor) -> None:
        self._desk, self._worker = desk, worker
        self._bearers = Bearers(desk.world.keyring)
        self._started = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def application(self) -> Starlette:
        """As an ASGI application."""
        missing = {404: http.no_route, 405: http.no_route}
        made = Starlette(routes=self.routes(), exception_handlers=missing)
        made.router.redirect_slashes = False
        return made

    def routes(self) -> list[Route]:
        """Every route; those that stand here need no token, those of FEATURES do."""
        made = [Route("/fhir/metadata", self._metadata, methods=["GET"])]
        made += logs.routes(self._desk, self._work)
        for handler in (each for feature in FEATURES for each in feature(self._desk)):
            for path in {"/fhir" + handler.path, "/fhir" + handler.path.rstrip("/")}:
                made.append(Route(path, partial(self._handle, handler), methods=[handler.method]))
        return made

    async def _metadata(self, request: Request) -> Response:
        if (turned := http.turned_away(request)) is not None:
            return turned
        return http.response(capability(self._desk.base, self._started))

    async def _handle(self, handler: Handler, request: Request) -> Response:
        came = time.monotonic()
        if (turned := http.turned_away(request, handler.any_format)) is not None:
            return turned
        try:
            who = await self._work(lambda: self._who(request, came))
            asked = await http.read(request, handler)
            answered = await self._work(lambda: self._answer(handler, who, asked))
        except CareLedgerError as error:
            return http.refused(error)
        except Exception:
            place = secrets.token_hex(8)  # what happened is for the operator, without the request
            _LOG.exception("unexpected, noted as %s", place)
            said = f"Something is wrong here, noted as {place}."
            return http.response(outcome("fatal", "exception", said), 500)
        return http.answered(request, asked, self._desk.base, answered)

    async def _work(self, act: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._worker, act)

    def _answer(self, handler: Handler, who: Bearer, asked: Asked) -> Answered | Plain:
        """For a post that stands on the ledger now, with its employer, and for no other, whatever is asked."""
        verified(self._desk.world.ledger.fresh_head(), who.staff.number)
        return handler.answer(who, asked)

    def _who(self, request: Request, came: float) -> Bearer:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.casefold() != "bearer" or not token.strip():
            raise TokenRefused(why="a bearer token is needed")
        return self._bearers.bearer(token.strip(), self._desk.world.clock.now(), came)
