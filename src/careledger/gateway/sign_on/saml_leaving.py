"""Signing out at a SAML 2.0 provider (Single Logout): what it says of signing out, and whoever signed out here sent
there. Neither needs a cookie: what a provider says counts by its signature, and of what it was asked by the state.
"""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from careledger.app.identity import leaving, providers
from careledger.app.identity.providers import Registered
from careledger.app.identity.saml import logouts, markup
from careledger.app.identity.saml.addresses import REQUEST
from careledger.app.identity.saml.logouts import Brought, Expected
from careledger.app.identity.saml.markup import Element
from careledger.domain.errors import OAuthRefused, SignOnRefused
from careledger.formats.sign_on import SamlLogout, SamlProvider
from careledger.gateway import cookies, security_log
from careledger.gateway.oauth import pages
from careledger.gateway.oauth.forms import posted
from careledger.gateway.sign_on import saml_asking
from careledger.gateway.sign_on.entering import SIGN_IN, Entering, away, note, signed_out
from careledger.gateway.sign_on.saml import BASE, MOST_FIELDS, MOST_FORM, own, side

MOST_QUERY = 32 * 1024
NOBODY = "This signed nobody out. Whoever signed out here before is signed out here."


class SamlLeaving:
    """Signing out, under /sign-on/saml."""

    def __init__(self, entering: Entering) -> None:
        self._entering, self._entrance = entering, entering.entrance

    def routes(self) -> list[Route]:
        """Away, and what the provider says, by both bindings."""
        path = f"{BASE}/{{provider}}"
        told = [
            self._entering.route(f"{path}/logout", self._told, method, of_provider=True)
            for method in ("GET", "POST")
        ]
        return [self._entering.route(f"{path}/leave", self._away), *told]

    async def _away(self, request: Request) -> Response:
        cookies.check_own_page(request, self._entrance.site)
        found, state = (
            await self._entering.found(request, SamlProvider),
            request.query_params.get("state", ""),
        )
        work, now, books = self._entrance.work, self._entrance.now, found.employer.books
        asked = await work(lambda: leaving.asked(found, state, now))
        place = await work(lambda: providers.logout_of(books, found.id))
        if place is None:
            return signed_out(False)
        key = await own(self._entrance, found)
        return away(saml_asking.sign_out(place, asked, state, side(self._entrance, found).named, key))

    async def _told(self, request: Request) -> Response:
        try:
            markup.check_installed()
            found = await self._entering.found(request, SamlProvider)
            brought = await _brought(request)
            here = side(self._entrance, found)
            expected = Expected(found.provider.issuer, found.provider.certificates, here.named, here.logout)
            message = await asyncio.to_thread(logouts.proved, brought, expected, self._entrance.now)
            if brought.field == REQUEST:
                return await self._ended(request, found, brought, message, expected)
            return await self._answered(found, brought, message)
        except SignOnRefused as error:
            note(request, error)
            return pages.said("Nobody was signed out", NOBODY, 403, {"Sign in": SIGN_IN})

    async def _ended(
        self,
        request: Request,
        found: Registered[SamlProvider],
        brought: Brought,
        message: Element,
        expected: Expected,
    ) -> Response:
        """The provider signed somebody out: so do we, and say so."""
        now, books = self._entrance.now, found.employer.books
        said = logouts.ended(message, expected, now)
        await self._entering.left(lambda: leaving.ended(found, said, now))
        security_log.happened(request, "signed-out-elsewhere")
        place: SamlLogout | None = await self._entrance.work(lambda: providers.logout_of(books, found.id))
        if place is None:
            return signed_out(True)
        key = await own(self._entrance, found)
        return away(saml_asking.signed_out(place, said.id, brought.relay, expected.here, key, now))

    async def _answered(
        self, found: Registered[SamlProvider], brought: Brought, message: Element
    ) -> Response:
        """The provider answers whoever signed out here; raises SignOnRefused for what was not asked."""
        state, now = brought.relay, self._entrance.now
        if not state or message.get("InResponseTo") != saml_asking.BEFORE + state:
            raise SignOnRefused(why="the provider answers another request, or none")
        await self._entrance.work(lambda: leaving.take(found, state, now))
        return signed_out(logouts.is_done(message))


async def _brought(request: Request) -> Brought:
    """What the provider says, unproved; raises SignOnRefused."""
    if request.method == "GET":
        query: bytes = request.scope["query_string"]
        if len(query) > MOST_QUERY:
            raise SignOnRefused(why="an address is longer than it may be")
        return await asyncio.to_thread(logouts.by_address, query.decode("latin-1"))
    try:
        fields = await posted(request, MOST_FORM, MOST_FIELDS)
    except OAuthRefused:
        raise SignOnRefused(why="a form brings what cannot be read") from None
    return await asyncio.to_thread(logouts.by_form, fields)
