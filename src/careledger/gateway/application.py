"""The HTTP side of the gateway: every route, who asks, and one worker that does what has to be done.

Every route but the CapabilityStatement, health, release logs, sealed blocks, and those at which people and apps prove
who they are needs a bearer token or a person's session, which is looked at before anything else of the request. It is
answered only while its post and employer stand on the ledger. Nothing of a request is logged but what it shows of
records, in the organisation's own encrypted log of reads, before it is answered. The worker takes requests in the order
of arrival, one that takes long step by step, so that others pass between.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator
from concurrent.futures import Executor
from datetime import UTC, datetime
from functools import partial
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from careledger.adapters.lent.elsewhere import NotHere
from careledger.app.identity.passkeys import Site
from careledger.app.serving import is_loopback
from careledger.app.tokens import Bearer
from careledger.domain.errors import CareLedgerError
from careledger.fhir.searching.results import subset_of
from careledger.gateway import (
    all_types,
    batches,
    bundles,
    compartments,
    dids,
    editing,
    http,
    licences,
    logs,
    reading,
    sealed,
    searching,
    security_log,
)
from careledger.gateway.addresses import OneAddress
from careledger.gateway.allowed import Named, Sole
from careledger.gateway.api import problems
from careledger.gateway.api.routes import Api
from careledger.gateway.api.rows import BASE
from careledger.gateway.arriving import Arriving
from careledger.gateway.beside import Beside
from careledger.gateway.capability import capability, part_of
from careledger.gateway.desk import Desk
from careledger.gateway.entrance import Entrance, unexpected
from careledger.gateway.forms import JSON
from careledger.gateway.http import Answer, Asked, Handler, Slow, Streamed
from careledger.gateway.identity import routes as identity
from careledger.gateway.identity.routes import Identity
from careledger.gateway.leaving import Leaving
from careledger.gateway.long_bodies import in_json
from careledger.gateway.oauth.crossing import Crossing
from careledger.gateway.oauth.routes import OAuth
from careledger.gateway.operating.health import Health
from careledger.gateway.operations import (
    binaries,
    definitions,
    everything,
    export,
    groups,
    match,
    meta,
    pdf,
    pending,
    practitioners,
    subscriptions,
    summary,
    validate,
)
from careledger.gateway.outcomes import outcome
from careledger.gateway.own import history
from careledger.gateway.packed import packed
from careledger.gateway.scim import routes as scim
from careledger.gateway.scim.routes import Scim
from careledger.gateway.security_log import Noting
from careledger.gateway.sign_on.routes import SigningOn
from careledger.gateway.told import Told
from careledger.gateway.turns import Turns

LOCALHOST = "localhost"
DEFAULT_PORTS = {"http": 80, "https": 443}
Feature = Callable[[Desk], list[Handler]]
FEATURES: tuple[Feature, ...] = (
    everything.handlers,
    summary.handlers,
    pdf.handlers,
    match.handlers,
    definitions.handlers,
    meta.handlers,
    validate.handlers,
    binaries.handlers,
    export.handlers,
    pending.handlers,
    history.handlers,
    groups.handlers,
    subscriptions.handlers,
    practitioners.handlers,
    all_types.handlers,
    searching.handlers,
    reading.handlers,
    compartments.handlers,
    editing.handlers,
    batches.handlers,
)
"""What is answered under /fhir with a token: of two routes that fit a path, the first."""
ALONE = (pdf.handlers, match.handlers, binaries.handlers, export.handlers, pending.handlers, batches.handlers)
READING = (all_types.handlers, searching.handlers, reading.handlers, compartments.handlers)
BATCHED = tuple(each for each in FEATURES if each not in ALONE)
"""What the entries of a batch may ask for: nothing that answers with a file, begins what goes on, or has a pace."""


class Edge:
    """The application over the desk of one gateway."""

    def __init__(self, desk: Desk, worker: Executor, beside: Beside, health: Health) -> None:
        self._desk, self._health = desk, health
        self._entrance = Entrance(
            desk.world, worker, site_of(desk.base, desk.world.ledger.deployment), desk.references
        )
        self._told = Told(desk.world, desk.base)
        self._api = Api(desk, self._entrance, self._told)
        self._oauth = OAuth(desk, self._entrance)
        self._identity = Identity(desk, self._entrance)
        self._signing_on = SigningOn(desk, self._entrance)
        self._scim = Scim(desk, self._entrance)
        self._turns = Turns(self._entrance, beside)
        self._arriving = Arriving(desk, self._entrance)
        self._leaving = Leaving(self._entrance.work)
        self._put_offs: set[asyncio.Task[None]] = set()
        self._started = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def application(self) -> ASGIApp:
        """As an ASGI application."""
        missing = {404: _no_route, 405: _no_route}
        made = Starlette(routes=self.routes(), exception_handlers=missing)
        made.router.redirect_slashes = False
        made.add_middleware(Noting)
        return self.crossing(made)

    def crossing(self, application: ASGIApp) -> ASGIApp:
        """The same for pages of registered public apps, which ask from elsewhere."""
        return Crossing(OneAddress(application), self._entrance)

    def close(self) -> None:
        """Ends what is under way outside."""
        self._identity.close()
        self._oauth.close()
        self._signing_on.close()

    @property
    def is_asked(self) -> bool:
        """Whether a request waits for the worker or has it."""
        return self._entrance.under_way > 0

    def routes(self) -> list[Route]:
        """Every route; those that stand here need no token, those of FEATURES and of /api/v1 do."""
        made: list[Route] = [
            Sole("/fhir/metadata", self._metadata, methods=["GET"]),
            *self._health.routes(),
        ]
        made += logs.routes(self._desk, self._entrance.work) + sealed.routes(self._desk, self._entrance.work)
        made += dids.routes(self._desk, self._entrance.work) + licences.routes(
            self._desk, self._entrance.work
        )
        made += self._oauth.routes() + self._signing_on.routes() + self._scim.routes()
        self._desk.batched = [each for feature in BATCHED for each in feature(self._desk)]
        return made + self._answering(FEATURES) + self._api.routes() + self._identity.routes()

    def reading(self) -> list[Route]:
        """The routes of those that a worker answers which only reads."""
        return self._answering(READING)

    def _answering(self, features: tuple[Feature, ...]) -> list[Route]:
        return [
            Named(
                "/fhir" + handler.path.rstrip("/"), partial(self._handle, handler), methods=[handler.method]
            )
            for feature in features
            for handler in feature(self._desk)
        ]

    def sweep(self) -> None:
        """Drops what is over of people's sessions; on the worker."""
        self._identity.sweep()

    async def _metadata(self, request: Request) -> Response:
        if (turned := http.turned_away(request)) is not None:
            return turned
        form = http.form_of(request) or JSON
        try:
            wanted = subset_of(http.pairs(request.url.query))
        except CareLedgerError as error:
            return http.refused(error, form)
        said = capability(self._desk.base, self._entrance.site.origin, self._started)
        return packed(request, http.response(part_of(said, wanted), form=form))

    async def _handle(self, handler: Handler, request: Request) -> Response:
        came, form = time.monotonic(), http.form_of(request) or JSON
        if (turned := http.turned_away(request, handler.any_format)) is not None:
            return turned
        try:
            who = await self._entrance.work(lambda: self._entrance.who(request, came, for_apps=True))
            if (opening := handler.opening(request)) is not None:
                asked = http.asked_of(request, handler)
                made = await self._arriving.taken(handler, opening, who, asked, request)
                await self._told.note(who, handler, asked, made)
                return http.answered(request, asked, self._desk.base, made)
            asked = await http.read(request, handler)
            form = asked.form
            if handler.later and asked.prefers("respond-async") and not who.scopes.limited:
                later, now = self._desk.later, self._desk.world.clock.now()
                name = await self._entrance.work(lambda: later.begin(who, now))
                if name is not None:
                    return self._put_off(request, name, handler, who, asked)
            answered = await self._answered(handler, who, asked)
            await self._told.note(who, handler, asked, answered)
            if isinstance(answered, Streamed):
                return self._leaving.file(who.staff.number, answered)
            return http.answered(request, asked, self._desk.base, answered)
        except CareLedgerError as error:
            security_log.refused(request, error)
            return http.refused(error, form)
        except NotHere:
            raise
        except Exception:
            return http.response(outcome("fatal", "exception", unexpected()), 500)

    async def _answered(self, handler: Handler, who: Bearer, asked: Asked) -> Answer:
        answered = await self._entrance.work(lambda: self._answer(handler, who, asked))
        return await self._turns.taken(who, answered) if isinstance(answered, Generator) else answered

    def _put_off(self, request: Request, name: str, handler: Handler, who: Bearer, asked: Asked) -> Response:
        """Accepted: carried out in its turn as if it had been waited for, and asked after under that name."""
        task = asyncio.create_task(self._carry_out(request, name, handler, who, asked))
        self._put_offs.add(task)
        task.add_done_callback(self._put_offs.discard)
        place = {"Content-Location": f"{self._desk.base}/later/{name}", "Preference-Applied": "respond-async"}
        said = outcome("information", "informational", "Accepted; Content-Location says what becomes of it.")
        return http.response(said, http.ACCEPTED, place, asked.form)

    async def _carry_out(
        self, request: Request, name: str, handler: Handler, who: Bearer, asked: Asked
    ) -> None:
        try:
            said = bundles.became(self._desk.base, await self._answered(handler, who, asked))
        except CareLedgerError as error:
            security_log.refused(request, error)
            security_log.write(request.scope, security_log.of(request))  # its answer has gone out
            said = bundles.refused(error)
        except Exception:
            said = bundles.one_response(
                {"status": "500", "outcome": outcome("fatal", "exception", unexpected())}
            )
        later, now = self._desk.later, self._desk.world.clock.now()
        await self._entrance.work(lambda: later.done(who, name, said, now))

    def _answer(self, handler: Handler, who: Bearer, asked: Asked) -> Answer | Slow:
        """For a post that stands on the ledger now, with its employer, and for no other, whatever is asked."""
        self._entrance.check_still(who)
        self._entrance.standing(who)
        handler.check(who, asked)
        return in_json(asked, partial(handler.answer, who))


def site_of(base: str, deployment: bytes) -> Site:
    """What passkeys are bound to: a name, because no address is a relying party's id (WebAuthn 5.1.2), the origin as
    browsers say it, and the network."""
    at = urlsplit(base)
    name = LOCALHOST if is_loopback(at.hostname or "") else at.hostname or ""
    port = "" if at.port in (None, DEFAULT_PORTS.get(at.scheme)) else f":{at.port}"
    return Site(name, f"{at.scheme}://{name}{port}", deployment)


async def _no_route(request: Request, error: Exception) -> Response:
    """Where nothing is, in the format of what is beside it."""
    beside_api = request.url.path.startswith((f"{BASE}/", f"{identity.BASE}/")) or request.url.path == BASE
    if beside_api:
        return await problems.no_route(request, error)
    if request.url.path.startswith(f"{scim.BASE}/"):
        return await scim.no_route(request, error)
    return await http.no_route(request, error)
