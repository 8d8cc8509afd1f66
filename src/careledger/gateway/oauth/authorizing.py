"""The authorization endpoint and the question behind it, as routes.

An app sends people to the endpoint from its own site, and no browser brings this site's session along with that; so the
endpoint looks at the request alone and hands on to the question, which only pages of this site ask for. The request is
read anew each time and kept nowhere.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from functools import partial
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from careledger.app import clients
from careledger.app.app_codes import DENIED, NOT_LET_IN
from careledger.domain.errors import (
    CareLedgerError,
    ClientNotFound,
    CrossSiteRefused,
    FreshProofNeeded,
    OAuthRefused,
    PartyNotVerified,
    SessionRefused,
    TokenRefused,
)
from careledger.gateway import cookies, outcomes, security_log
from careledger.gateway.api.pace import Strangers
from careledger.gateway.desk import Desk
from careledger.gateway.entrance import Entrance, is_here, unexpected
from careledger.gateway.oauth import admitting, answers, consenting, forms, metadata, pages, requests
from careledger.gateway.oauth.consenting import Asked
from careledger.gateway.oauth.forms import Pairs
from careledger.gateway.oauth.requests import Sent, Wanted

MOST, MOST_FIELDS = 16 * 1024, 300
SEE_OTHER = 303
SIGN_IN = "/sign-in"


class Authorizing:
    """Where people are led by apps."""

    def __init__(self, desk: Desk, entrance: Entrance, strangers: Strangers) -> None:
        self._desk, self._entrance, self._strangers = desk, entrance, strangers
        self._issuer, self._origin = metadata.issuer(desk.base), entrance.site.origin

    def routes(self) -> list[Route]:
        """Both with GET and POST, and their style."""
        made = {metadata.AUTHORIZATION: self._authorize, metadata.CONSENT: self._consent}
        found = [
            Route(path, partial(_answer, act, self._strangers), methods=["GET", "POST"])
            for path, act in made.items()
        ]
        return [*found, Route(pages.STYLE, _style, methods=["GET"])]

    async def _authorize(self, request: Request, given: Pairs) -> Response:
        sent = await self._entrance.work(lambda: self._sent(given))
        wanted = self._wanted(request, sent)
        if isinstance(wanted, Response):
            return wanted
        if request.headers.get("host") != urlsplit(self._origin).netloc:
            return _led(f"{self._origin}{metadata.AUTHORIZATION}?{sent.query}")
        return pages.handed_on(f"{self._origin}{metadata.CONSENT}?{sent.query}")

    async def _consent(self, request: Request, given: Pairs) -> Response:
        cookies.check_own_page(request, self._entrance.site)
        sent = await self._entrance.work(lambda: self._sent(given))
        wanted = self._wanted(request, sent)
        if isinstance(wanted, Response):
            return wanted
        if clients.is_of_patients(sent.found.client):
            return await self._admit(request, sent, wanted, given)
        try:
            if request.method == "POST":
                return _led(await self._entrance.work(lambda: self._decided(request, sent, wanted, given)))
            question = await self._entrance.work(lambda: self._asked(request, sent, wanted))
        except (SessionRefused, TokenRefused, FreshProofNeeded) as error:
            security_log.refused(request, error)
            return self._signs_in(sent, error)
        choose = {} if question.launch else {alias.hex(): name for alias, name in question.patients.items()}
        return await self._page(sent, wanted, pages.Whom(question.others, question.patient, choose))

    async def _admit(self, request: Request, sent: Sent, wanted: Wanted, given: Pairs) -> Response:
        """Of a patient's app: whoever brings the pass of the patient's agent decides, signed in or not."""
        if request.method != "POST":
            return await self._page(sent, wanted, pages.Whom(wanted.scopes.others, client=sent.found.id))

        def decide(granted: set[str], said: dict[str, str]) -> str:
            return admitting.allowed(self._desk, sent, wanted, granted, said.get("pass", ""))

        return _led(await self._entrance.work(lambda: self._back(request, sent, given, decide)))

    async def _page(self, sent: Sent, wanted: Wanted, whom: pages.Whom) -> Response:
        keyring, found = self._desk.world.keyring, sent.found
        employer = await self._entrance.work(lambda: keyring.name_of(found.employer))
        asks = pages.Asks(found.client.name, employer, wanted.scopes.words, whom)
        return pages.question(asks, sent.given, sent.redirect)

    def _sent(self, given: Pairs) -> Sent:
        """Raises OAuthRefused, which tells the same of a client that is none."""
        try:
            found = self._entrance.client(dict(given).get("client_id", ""))
        except ClientNotFound:
            raise OAuthRefused(error=answers.REQUEST, why="the app is not known here") from None
        return requests.sent(found, given)

    def _wanted(self, request: Request, sent: Sent) -> Wanted | Response:
        """What the app wants, or the way back to it with why not."""
        security_log.of(request).client = sent.found.id
        try:
            return requests.wanted(sent, self._desk.base)
        except OAuthRefused as error:
            return _led(self._refused(request, sent, error))

    def _asked(self, request: Request, sent: Sent, wanted: Wanted) -> Asked:
        current = self._entrance.signed_in(request)
        if current is None or "authorization" in request.headers:
            raise SessionRefused()
        who = self._entrance.who(request, time.monotonic())
        self._entrance.standing(who)
        return consenting.asked(self._desk, sent, wanted, who, current)

    def _decided(self, request: Request, sent: Sent, wanted: Wanted, given: Pairs) -> str:
        """The way back to the app, with what somebody who is signed in decided."""

        def decide(granted: set[str], said: dict[str, str]) -> str:
            question = self._asked(request, sent, wanted)
            return consenting.allowed(self._desk, question, granted, said.get("patient", ""))

        return self._back(request, sent, given, decide)

    def _back(
        self, request: Request, sent: Sent, given: Pairs, decide: Callable[[set[str], dict[str, str]], str]
    ) -> str:
        """The way back to the app, with the code for what was allowed, or why there is none."""
        try:
            said = dict(given)
            if said.get("decision") != "allow":
                raise OAuthRefused(error=DENIED, why="the person refused")
            granted = {value for name, value in given if name == "granted"}
            code = decide(granted, said)
            security_log.happened(request, "app-let-in")
            return sent.back(self._issuer, code=code)
        except OAuthRefused as error:
            return self._refused(request, sent, error)

    def _refused(self, request: Request, sent: Sent, error: OAuthRefused) -> str:
        """The way back to the app, with why not."""
        security_log.refused(request, error)
        why = answers.plain(str(error.details["why"]))
        return sent.back(self._issuer, error=str(error.details["error"]), error_description=why)

    def _signs_in(self, sent: Sent, error: CareLedgerError) -> Response:
        back = f"{self._origin}{metadata.CONSENT}?{sent.query}"
        links = {"Sign in": self._origin + SIGN_IN, "Go on once you have signed in": back}
        return pages.said("Sign in first", str(error), outcomes.kind_of(error).status, links)


async def _answer(
    act: Callable[[Request, Pairs], Awaitable[Response]], pace: Strangers, request: Request
) -> Response:
    if not is_here(request):
        return pages.said("Not here", "Ask under a name of loopback.", 421)
    try:
        pace.take(request, time.monotonic())
        return await act(request, await _given(request))
    except CareLedgerError as error:
        security_log.refused(request, error)
        return _said(error)
    except Exception:
        return pages.said("Something is wrong here", unexpected(), 500)


def _said(error: CareLedgerError) -> Response:
    """The page that says why."""
    if isinstance(error, OAuthRefused):
        status = 403 if error.details["error"] == DENIED else 400
        return pages.said("This app cannot be let in", str(error.details["why"]), status)
    if isinstance(error, CrossSiteRefused):
        return pages.said("Not from there", str(error), 403)
    if isinstance(error, PartyNotVerified):
        return pages.said("Not as this post", str(error), 403)
    if error.details.get("because") == NOT_LET_IN:
        return pages.said("This pass does not count", NOT_LET_IN, 403)
    return pages.said("Not now", str(error), outcomes.kind_of(error).status)


async def _given(request: Request) -> Pairs:
    """The parameters of the query, or of a form; raises OAuthRefused."""
    if request.method == "POST":
        return await forms.posted(request, MOST, MOST_FIELDS)
    return forms.parameters(request.url.query.encode("ascii", "replace"), MOST, MOST_FIELDS)


async def _style(request: Request) -> Response:
    return Response(
        pages.style(), headers={"X-Content-Type-Options": "nosniff"}, media_type="text/css; charset=utf-8"
    )


def _led(url: str) -> Response:
    return RedirectResponse(url, SEE_OTHER, {**answers.SAFE, "Referrer-Policy": "no-referrer"})
