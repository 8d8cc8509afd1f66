"""Who comes in: a program by its bearer token, a person by the session in a cookie.

Either is looked up at each request, and the post's standing checked at the ledger's head, on the one worker.
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import sys
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request

from careledger.app import clients
from careledger.app.clients import Registered
from careledger.app.identity.accounts import Person
from careledger.app.identity.passkeys import Site
from careledger.app.identity.references import References
from careledger.app.identity.sessions import Current, Sessions
from careledger.app.scopes import ANY
from careledger.app.serving import is_loopback
from careledger.app.tokens import Bearer, Bearers, in_force
from careledger.app.world import World
from careledger.domain.errors import ClientNotFound, SessionRefused, TokenRefused
from careledger.domain.facts import PartyFacts
from careledger.gateway import cookies, security_log
from careledger.workflows.actors import Organisation
from careledger.workflows.let_in import stands
from careledger.workflows.network import verified

NAMES = "careledger.names"
"""Where the front says under which names besides loopback's may be asked, in lower case."""
_LOG = logging.getLogger("careledger.gateway")
T = TypeVar("T")


class Entrance:
    """For everything that a gateway serves with a token, so that all of it is as strict."""

    def __init__(self, world: World, worker: Executor, site: Site, references: References) -> None:
        """``worker``: the one thread that touches the world; ``site``: whose pages use sessions; ``references``: what
        stands for whoever comes in, in the log."""
        self.references = references
        self._world, self._worker, self.site, self.under_way = world, worker, site, 0
        self._bearers = Bearers(world.keyring)
        self._sessions = Sessions(self._bearers.current, self._bearers.anew)

    def client(self, id: str) -> Registered:
        """The app or back-end service of that id; on the worker. Raises ClientNotFound."""
        with suppress(ClientNotFound):
            return clients.find(self._bearers.current(), id)
        return clients.find(self._bearers.anew(), id)

    @property
    def employers(self) -> tuple[Organisation, ...]:
        """Every organisation whose posts come in here; on the worker."""
        return self._bearers.current() or self._bearers.employers()

    def anew(self) -> tuple[Organisation, ...]:
        """The same, read again where another process changed one; on the worker."""
        return self._bearers.anew()

    @property
    def now(self) -> int:
        """The world's time, in unix seconds."""
        return self._world.clock.now()

    async def work(self, act: Callable[[], T]) -> T:
        """What that act gives, carried out by the worker in the order of arrival."""
        self.under_way += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._worker, act)
        finally:
            self.under_way -= 1

    def who(self, request: Request, came: float, for_apps: bool = False) -> Bearer:
        """Who brings the request's token, or the session of a member of staff; on the worker. ``for_apps``: whoever
        asks this looks at scopes itself. Raises TokenRefused, ScopeRefused for an app's token elsewhere,
        SessionRefused, CrossSiteRefused."""
        if "authorization" not in request.headers and (current := self.signed_in(request)) is not None:
            cookies.check_own_page(request, self.site)
            return self._bearers.acting(current, came)
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.casefold() != "bearer" or not token.strip():
            raise TokenRefused(why="a bearer token is needed")
        who = self._bearers.bearer(token.strip(), self._world.clock.now(), came)
        noted = security_log.of(request)
        noted.who, noted.client = self.references.post(who.staff.organisation, who.staff.number), who.client
        if not for_apps:
            who.scopes.require("", ANY)
        return who

    def signed_in(self, request: Request) -> Current | None:
        """The session in the request's cookie, None where there is no cookie; on the worker. Whoever changes something
        for it first calls ``cookies.check_own_page``. Raises SessionRefused."""
        secret = cookies.session_of(request)
        if not secret:
            return None
        current = self._sessions.check(secret, self._world.clock.now())
        self.comes(request, current.who)
        return current

    def session(self, digest: bytes) -> Current | None:
        """The session with that digest, of whatever organisation, None where it is over; on the worker."""
        return self._sessions.of(digest, self._world.clock.now())

    def comes(self, request: Request, who: Person) -> None:
        """It is this account's request, as far as the log says whose it is; on the worker."""
        security_log.of(request).who = self.references.account(who.organisation, who.id)

    def check_still(self, who: Bearer, in_time: bool = False) -> None:
        """Whoever came in before the body had come still does; on the worker. ``in_time``: what has begun is brought to
        its end after the token's or the session's own. Raises TokenRefused, SessionRefused."""
        now = self._world.clock.now()
        if not in_force(who, min(now, who.until - 1) if in_time else now):
            raise TokenRefused() if who.proved is None else SessionRefused()

    def standing(self, who: Bearer) -> PartyFacts:
        """The post as it stands on the ledger now, with its employer; on the worker. Raises PartyNotVerified, and
        TokenRefused for a patient's app whose consent is over."""
        view = self._world.ledger.fresh_head()
        if who.consent and not stands(view, self.now, who.consent):
            raise TokenRefused()
        return verified(view, who.staff.number)


def is_here(request: Request) -> bool:
    """Whether the name that was asked under is this machine's, or one that its operator named."""
    said = request.headers.getlist("host")
    host = said[0] if len(said) == 1 else ""
    name = re.sub(r":[0-9]*$", "", host).lower()
    return is_loopback(name) or name in request.scope.get(NAMES, ())


def unexpected() -> str:
    """The sentence for whoever asked; what happened, the exception being handled, is for the operator, without the
    request. A client that left before it had said everything is nothing to look into."""
    if isinstance(sys.exc_info()[1], ClientDisconnect):
        return "Whoever asked has left."
    place = secrets.token_hex(8)
    _LOG.exception("unexpected, noted as %s", place)
    return f"Something is wrong here, noted as {place}."
