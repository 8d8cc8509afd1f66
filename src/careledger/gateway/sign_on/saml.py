"""The routes under /sign-on/saml: on to a SAML 2.0 provider (HTTP-Redirect binding), back from it (HTTP-POST binding),
what this side says of itself for each provider; and saml_leaving.py has signing out.

An answer counts for the browser that asked and once: what it answers is over, durably, before its proof is looked at.
It comes as a form from another site's page, so that the cookie which names the browser is sent on that way too. A
RelayState is neither given nor heeded.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from careledger.app.identity import signing_on
from careledger.app.identity.providers import Registered
from careledger.app.identity.saml import answers, markup, own_key
from careledger.app.identity.saml.answers import Asked
from careledger.app.identity.saml.own_key import OwnKey
from careledger.domain.errors import OAuthRefused, SignOnRefused
from careledger.formats.sign_on import SamlProvider
from careledger.gateway import cookies
from careledger.gateway.entrance import Entrance
from careledger.gateway.oauth.answers import SAFE
from careledger.gateway.oauth.forms import posted
from careledger.gateway.sign_on import saml_asking
from careledger.gateway.sign_on.entering import Entering, away

BASE = "/sign-on/saml"
MOST_FORM, MOST_FIELDS = 512 * 1024, 10
MEDIA_TYPE = "application/samlmetadata+xml"


@dataclass(frozen=True)
class Side:
    """What this side is called by one provider alone, where it is sent people back to, and where it is told that
    somebody signed out: other places for each, so that no two are mixed up."""

    named: str
    back: str
    logout: str


def side(entrance: Entrance, found: Registered[SamlProvider]) -> Side:
    """This side, as that provider knows it."""
    place = f"{entrance.site.origin}{BASE}/{found.id.hex()}"
    return Side(f"{place}/metadata", f"{place}/return", f"{place}/logout")


async def own(entrance: Entrance, found: Registered[SamlProvider]) -> OwnKey:
    """The key by which the organisation signs what it sends that provider."""
    return await entrance.work(lambda: own_key.of(found.employer.books, entrance.now))


class Saml:
    """Everything under /sign-on/saml."""

    def __init__(self, entering: Entering) -> None:
        self._entering, self._entrance = entering, entering.entrance

    def routes(self) -> list[Route]:
        """Away, back, and this side's metadata."""
        path = f"{BASE}/{{provider}}"
        return [
            self._entering.route(path, self._away),
            self._entering.route(f"{path}/return", self._back, "POST"),
            self._entering.route(f"{path}/metadata", self._metadata),
        ]

    def _side(self, found: Registered[SamlProvider]) -> Side:
        return side(self._entrance, found)

    async def _away(self, request: Request) -> Response:
        cookies.check_own_page(request, self._entrance.site)
        markup.check_installed()
        found = await self._entering.found(request, SamlProvider)
        browser, state, begun = await self._entering.begun(request, found, cookies.saml_of(request))
        here, key = self._side(found), await own(self._entrance, found)
        url = saml_asking.question(found.provider, begun, state, here.named, here.back, key)
        return away(url, cookies.saml_cookie(browser, signing_on.GOOD_FOR))

    async def _back(self, request: Request) -> Response:
        browser = cookies.saml_of(request)
        if not browser:
            raise SignOnRefused(why="the browser that comes back is not one that was sent away")
        found = await self._entering.found(request, SamlProvider)
        answer = await asyncio.to_thread(answers.received, await _given(request))
        state = answer.request.removeprefix(saml_asking.BEFORE)
        begun = await self._entering.taken(found, state, browser)
        provider, now, here = found.provider, self._entrance.now, self._side(found)
        asked = Asked(
            provider.issuer, provider.certificates, here.named, here.back,
            saml_asking.BEFORE + state, signing_on.since(begun, now), provider.acr,
        )  # fmt: skip
        told = await asyncio.to_thread(answers.proved, answer, asked, now)
        return await self._entering.entered(request, found, begun, told)

    async def _metadata(self, request: Request) -> Response:
        found = await self._entering.found(request, SamlProvider)
        here, books = self._side(found), found.employer.books
        certificates = await self._entrance.work(lambda: own_key.shown(books, self._entrance.now))
        said = saml_asking.metadata(here.named, here.back, here.logout, certificates)
        return Response(said, headers=dict(SAFE), media_type=MEDIA_TYPE)


async def _given(request: Request) -> str:
    """The field SAMLResponse, which is there once; raises SignOnRefused."""
    try:
        fields = await posted(request, MOST_FORM, MOST_FIELDS)
    except OAuthRefused:
        raise SignOnRefused(why="the browser brings back what cannot be read") from None
    found = [value for name, value in fields if name == "SAMLResponse"]
    if len(found) != 1:
        raise SignOnRefused(why="the browser brings back what cannot be read")
    return found[0]
