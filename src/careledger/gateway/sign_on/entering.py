"""What every way to sign on elsewhere has in common: who is refused and how, what is begun, and the session at its end.

Every refusal is told in the same words, so that nobody learns who is known here; the operator's log says why, in words
that name nobody.
"""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from careledger.app.identity import leaving, providers, sessions, signing_on
from careledger.app.identity.employing import Desk as Employing
from careledger.app.identity.id_tokens import Told
from careledger.app.identity.providers import Anywhere, P, Registered
from careledger.app.identity.sessions import Current
from careledger.domain.consents import Purpose
from careledger.domain.errors import (
    CareLedgerError,
    PartyNotFound,
    PartyNotVerified,
    SessionRefused,
    SignOnRefused,
)
from careledger.formats.sign_on import SignOn
from careledger.gateway import cookies, outcomes, security_log
from careledger.gateway.api.pace import Pace, place
from careledger.gateway.desk import Desk
from careledger.gateway.entrance import Entrance, is_here, unexpected
from careledger.gateway.oauth import pages
from careledger.gateway.oauth.answers import SAFE

SIGN_IN = "/sign-in"
AT_ONCE, A_SECOND = 60, 2.0
"""How often one place may ask."""
PROVIDERS_AT_ONCE, PROVIDERS_A_SECOND = 1_000, 30.0
"""How often a place that may be a provider's own: it speaks for all of its organisation's staff, and once."""
WORDS = "This did not sign you in. Begin again; if it stays so, ask whoever runs your organisation's sign-on."
OUT_HERE = "You are signed out here."
OUT = "You are signed out here and at your organisation's sign-on."
Act = Callable[[Request], Awaitable[Response]]
_LOG = logging.getLogger("careledger.gateway")
_COOKIE = re.compile(r"[A-Za-z0-9_-]{43}")


class Entering:
    """For everything under /sign-on."""

    def __init__(self, desk: Desk, entrance: Entrance) -> None:
        self._desk, self.entrance = desk, entrance
        self.pace = Pace(AT_ONCE, A_SECOND)
        self.providers_pace = Pace(PROVIDERS_AT_ONCE, PROVIDERS_A_SECOND)

    def route(self, path: str, act: Act, method: str = "GET", of_provider: bool = False) -> Route:
        """A route whose refusals are told alike; ``of_provider``: its own server asks, and no browser."""
        return Route(path, partial(self._answered, act, of_provider), methods=[method])

    async def _answered(self, act: Act, of_provider: bool, request: Request) -> Response:
        if not is_here(request):
            return pages.said("Elsewhere", "Ask under a name of this gateway.", 421)
        anew = f"{request.url.path.removesuffix('/return')}?again=1"
        try:
            address = place(request.client.host) if request.client else ""
            pace = self.providers_pace if of_provider else self.pace
            pace.take(address.encode(), time.monotonic())
            return await act(request)
        except (SignOnRefused, PartyNotVerified) as error:
            note(request, error)
            links = {"Sign in": SIGN_IN, "Prove anew who you are": anew}
            return pages.said("Not signed in", WORDS, 403, links)
        except PartyNotFound:
            return pages.said("Not here", "Nobody signs on here.", 404, {"Sign in": SIGN_IN})
        except CareLedgerError as error:
            security_log.refused(request, error)
            status = outcomes.kind_of(error).status
            return pages.said("Not signed in", str(error), status, {"Sign in": SIGN_IN})
        except Exception:
            return pages.said("Not signed in", unexpected(), 500)

    async def found(self, request: Request, kind: type[P]) -> Registered[P]:
        """The provider that the path names; raises PartyNotFound."""
        named = request.path_params["provider"]
        if not re.fullmatch("[0-9a-f]{32}", named, re.ASCII):
            raise PartyNotFound()
        id, entrance = bytes.fromhex(named), self.entrance
        return await entrance.work(lambda: providers.find(entrance.employers, id, kind))

    async def begun(self, request: Request, found: Anywhere, kept: str) -> tuple[str, str, SignOn]:
        """What the browser keeps, which kept that before, the state that it comes back with, and what was begun; raises
        Throttled."""
        browser = kept if _COOKIE.fullmatch(kept) else secrets.token_urlsafe(32)
        return browser, *await self.entrance.work(lambda: self._begun(request, found, browser))

    def _begun(self, request: Request, found: Anywhere, browser: str) -> tuple[str, SignOn]:
        try:
            current = self.entrance.signed_in(request)
        except SessionRefused:  # whoever signs on has none that counts
            current = None
        again, had = request.query_params.get("again") == "1", b"" if current is None else current.digest
        return signing_on.begin(found, browser, had, again, self.entrance.now)

    async def taken(self, found: Anywhere, state: str, browser: str) -> SignOn:
        """What that browser began under that state, which is over now; raises SignOnRefused."""
        now = self.entrance.now
        return await self.entrance.work(lambda: signing_on.take(found, state, browser, now))

    async def entered(self, request: Request, found: Anywhere, begun: SignOn, told: Told) -> Response:
        """On to the page of sessions, with a new one; the one that the browser had is over. Raises SignOnRefused."""
        secret = await self.entrance.work(lambda: self._entered(request, found, begun, told))
        security_log.happened(request, "signed-in")
        return _with(pages.handed_on(SIGN_IN), cookies.session_cookie(secret))

    async def left(self, end: Callable[[], list[Current]]) -> None:
        """Somebody signed out at a provider: the sessions that this ends are over, and what they had open."""
        await self.entrance.work(lambda: self._left(end))

    def _left(self, end: Callable[[], list[Current]]) -> None:
        for each in end():
            self._desk.leases.end(each.digest)

    def _entered(self, request: Request, found: Anywhere, begun: SignOn, told: Told) -> str:
        world, now = self._desk.world, self.entrance.now
        if not providers.stands(found):
            raise PartyNotFound()
        who = signing_on.arrived(Employing(world.network, world.keyring, now), found, told)
        self.entrance.comes(request, who)
        label = request.headers.get("user-agent", "")
        had = self.entrance.session(begun.session) if begun.session else None
        purpose = Purpose.TREAT.code
        if had is not None:
            purpose = had.row.purpose if had.who.id == who.id else purpose
            sessions.end(had.who, [had.digest])
            self._desk.leases.end(had.digest)
        secret, made = sessions.begin(who, None, now, purpose, label, told.authenticated)
        leaving.began(found, made, told)
        return secret


def note(request: Request, error: CareLedgerError) -> None:
    """For the logs: that of security, and the operator's, which says why."""
    security_log.refused(request, error)
    _LOG.warning("a sign-on was refused: %s", error.details.get("why", type(error).__name__))


def away(url: str, cookie: str = "") -> Response:
    """On to the provider."""
    headers = {**SAFE, "Location": url, "Referrer-Policy": "no-referrer"}
    made = Response(status_code=303, headers=headers)
    return _with(made, cookie) if cookie else made


def signed_out(everywhere: bool) -> Response:
    """What is read at the end by whoever signed out here first."""
    words = (
        OUT
        if everywhere
        else f"{OUT_HERE} Your organisation's sign-on does not say that you are signed out there."
    )
    return pages.said("Signed out", words, 200, {"Sign in": SIGN_IN})


def _with(made: Response, cookie: str) -> Response:
    made.raw_headers.append((b"set-cookie", cookie.encode("latin-1")))
    return made
