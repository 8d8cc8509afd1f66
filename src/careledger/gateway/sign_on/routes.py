"""The routes under /sign-on: on to an OpenID provider, and back from it; saml.py has SAML's.

What comes back counts for the browser that was sent away and once.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from careledger.app.identity import id_tokens, leaving, signing_on
from careledger.app.identity.id_tokens import Ended, Expected, Told
from careledger.app.identity.providers import Registered
from careledger.domain.errors import OAuthRefused, PartyNotFound, SignOnRefused
from careledger.formats.sign_on import Provider, SignOn
from careledger.gateway import cookies, security_log
from careledger.gateway.desk import Desk
from careledger.gateway.entrance import Entrance
from careledger.gateway.events.sending import Sender
from careledger.gateway.oauth import answers
from careledger.gateway.oauth.forms import posted
from careledger.gateway.sign_on import asking
from careledger.gateway.sign_on.discovering import Discovered, Metadata
from careledger.gateway.sign_on.entering import Entering, away, signed_out
from careledger.gateway.sign_on.saml import Saml
from careledger.gateway.sign_on.saml_leaving import SamlLeaving

BASE = "/sign-on"
MOST_QUERY = 8_192
MOST_FORM, MOST_FIELDS = 32 * 1024, 10


class SigningOn:
    """Everything under /sign-on."""

    def __init__(self, desk: Desk, entrance: Entrance) -> None:
        self._entrance, self.entering = entrance, Entering(desk, entrance)
        self._saml, self._saml_leaving = Saml(self.entering), SamlLeaving(self.entering)
        self._discovered = Discovered(Sender.of(desk.world))

    def close(self) -> None:
        """Ends what is fetched."""
        self._discovered.close()

    def routes(self) -> list[Route]:
        """Away, and back; and what the provider itself brings when somebody signed out there."""
        there = {"": self._away, "/return": self._back, "/leave": self._leave, "/left": self._left}
        made = [self.entering.route(f"{BASE}/{{provider}}{path}", act) for path, act in there.items()]
        made += self._saml.routes() + self._saml_leaving.routes()
        logout = self.entering.route(f"{BASE}/{{provider}}/logout", self._logout, "POST", of_provider=True)
        return [*made, logout]

    def _place(self, found: Registered[Provider]) -> str:
        """Where the provider sends people back to: another place for each, so that no two are mixed up."""
        return f"{self._entrance.site.origin}{BASE}/{found.id.hex()}/return"

    async def _away(self, request: Request) -> Response:
        cookies.check_own_page(request, self._entrance.site)
        found = await self.entering.found(request, Provider)
        said = await self._discovered.of(found.provider.issuer)
        browser, state, begun = await self.entering.begun(request, found, cookies.sign_on_of(request))
        url = asking.question(found, said, begun, state, self._place(found))
        return away(url, cookies.sign_on_cookie(browser, signing_on.GOOD_FOR))

    async def _back(self, request: Request) -> Response:
        given, browser = _given(request), cookies.sign_on_of(request)
        found = await self.entering.found(request, Provider)
        begun = await self.entering.taken(found, given.get("state", ""), browser)
        said = await self._discovered.of(found.provider.issuer)
        if given.get("iss", "" if said.says_issuer else said.issuer) != said.issuer:
            raise SignOnRefused(why="another issuer, or none, sent the browser back")
        if "error" in given or not given.get("code"):
            raise SignOnRefused(why="the provider sent the browser back without a code")
        told = await self._told(found, said, begun, given["code"])
        return await self.entering.entered(request, found, begun, told)

    async def _leave(self, request: Request) -> Response:
        """Whoever signed out here is sent on to the provider, if it takes that."""
        cookies.check_own_page(request, self._entrance.site)
        found, state = await self.entering.found(request, Provider), request.query_params.get("state", "")
        now = self._entrance.now
        await self._entrance.work(lambda: leaving.asked(found, state, now))
        said = await self._discovered.of(found.provider.issuer)
        if not said.end_session:
            return signed_out(False)
        return away(asking.sign_out(found, said, state, f"{self._place(found).removesuffix('return')}left"))

    async def _left(self, request: Request) -> Response:
        """Back from there; raises SignOnRefused for whom nobody sent."""
        found, state, now = await self.entering.found(request, Provider), _given(request), self._entrance.now
        await self._entrance.work(lambda: leaving.take(found, state.get("state", ""), now))
        return signed_out(True)

    async def _logout(self, request: Request) -> Response:
        """Of the provider's own server: nobody's browser, and no cookie."""
        try:
            found = await self.entering.found(request, Provider)
            said = await self._ended(found, await _posted(request, "logout_token"))
        except (SignOnRefused, PartyNotFound) as error:
            security_log.refused(request, error)
            return answers.failed(answers.REQUEST, "this is no logout token for this provider", 400)
        now = self._entrance.now
        await self.entering.left(lambda: leaving.ended_by_token(found, said, now))
        security_log.happened(request, "signed-out-elsewhere")
        return Response(headers=dict(answers.SAFE))

    async def _ended(self, found: Registered[Provider], text: str) -> Ended:
        """Who signed out there, or of which session, and when that was said; raises SignOnRefused."""
        said = await self._discovered.of(found.provider.issuer)
        algorithm, kid = id_tokens.signed_by(text, said.algorithms, (id_tokens.PLAIN, id_tokens.TYPE))
        keys, client = await self._discovered.keys(said, kid), found.provider.client
        return id_tokens.ended(text, algorithm, kid, keys, said.issuer, client, self._entrance.now)

    async def _told(self, found: Registered[Provider], said: Metadata, begun: SignOn, code: str) -> Told:
        """Whom the provider names for the code; raises SignOnRefused."""
        now, place = self._entrance.now, self._place(found)
        headers, form = await self._entrance.work(
            lambda: asking.redeemed(found, said, begun, code, place, now)
        )
        answer = await self._discovered.given(said.token, headers, form)
        text = answer.get("id_token")
        algorithm, kid = id_tokens.signed_by(text if isinstance(text, str) else "", said.algorithms)
        keys, provider = await self._discovered.keys(said, kid), found.provider
        since = signing_on.since(begun, now)
        expected = Expected(said.issuer, provider.client, begun.nonce, since, provider.acr, provider.amr)
        return id_tokens.proved(str(text), algorithm, kid, keys, expected, self._entrance.now)


async def _posted(request: Request, field: str) -> str:
    """That field of a form, which is there once; raises SignOnRefused."""
    try:
        found = [value for name, value in await posted(request, MOST_FORM, MOST_FIELDS) if name == field]
    except OAuthRefused:
        found = []
    if len(found) != 1:
        raise SignOnRefused(why="the provider brings what cannot be read")
    return found[0]


def _given(request: Request) -> Mapping[str, str]:
    """What came back, each field once; raises SignOnRefused."""
    query = request.url.query
    try:
        pairs = (
            parse_qsl(query, errors="strict", max_num_fields=20)
            if len(query) <= MOST_QUERY
            else [("", "")] * 2
        )
    except ValueError:
        pairs = [("", "")] * 2
    if len(dict(pairs)) < len(pairs):
        raise SignOnRefused(why="the browser brings back what cannot be read")
    return dict(pairs)
