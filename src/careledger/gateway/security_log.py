"""Security events in the service's log: one line for each request that let somebody in, out, or was refused,
and one for each post whose licence the gateway found to be over by itself, or could not look at.

A line has the event, the route's pattern, the class of the refusal, and references (``app/identity/references``) for
whom it was by and about; never a path, a name, an address or anything that was sent. Where a request came from is a
name that is good until the process ends, so that what came from one place is seen together.
"""

from __future__ import annotations

import hmac
import logging
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, fields
from typing import Any

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from careledger.domain import errors
from careledger.domain.errors import CareLedgerError, OAuthRefused
from careledger.gateway import outcomes
from careledger.gateway.api.pace import place

NOTED = "careledger.noted"
_LOG = logging.getLogger("careledger.security")
_KEY = secrets.token_bytes(32)


@dataclass(frozen=True)
class Event:
    """One kind: its name in the log, when it is written, and of which refusals, none where something was done."""

    name: str
    says: str
    refusals: tuple[type[CareLedgerError], ...] = ()


@dataclass(repr=False)
class Noted:
    """What is known of a request: by whom, about whom, the app's id, what happened, and why not."""

    who: str = ""
    about: str = ""
    client: str = ""
    event: str = ""
    refusal: str = ""


MISDIRECTED, NO_TLS, OTHER = "misdirected", "no-tls", "refused"
INPUT, GRANT, CLIENT, SCOPE, TOKEN = (
    *("input-refused", "grant-refused", "client-refused", "scope-refused", "token-refused"),
)
TURNED_AWAY = "app-turned-away"
ENDED, UNKNOWN = "post-ended", "licence-unknown"
DOINGS = (
    Event("signed-up", "somebody opened an account"),
    Event("signed-in", "a session began"),
    Event("stepped-up", "a session was proved anew"),
    Event("signed-out", "a session was ended by who had it"),
    Event(
        "signed-out-elsewhere",
        "an identity provider said that somebody signed out there, whose sessions are over",
    ),
    Event("sessions-ended", "other sessions of the same account were ended"),
    Event("proofs-changed", "a passkey or a password was set or taken away"),
    Event(
        "person-decided",
        "`about` was approved, suspended or reinstated, its sessions ended, or somebody was invited to a post",
    ),
    Event("app-let-in", "a person let an app act for the post, or a patient's pass let one in"),
    Event("token-given", "an app or a back-end service proved itself and was given a token"),
    Event("token-taken-back", "one took back its token"),
    Event(
        ENDED,
        "the licence that the post `about` rests on was revoked or has expired, and the gateway ended the post",
    ),
)
"""What was done."""
EVENTS = (
    *DOINGS,
    Event(UNKNOWN, "a post's licence could not be looked at; the post stays (`why`)"),
    Event(
        "replay-seen",
        "an assertion, a code or a refresh token came a second time; what the latter two gave is over",
        (errors.AssertionUsed, errors.ReplaySeen),
    ),
    Event(
        "challenge-refused",
        "the answer was to a challenge that is over, was answered before, or was for something else",
        (errors.ChallengeRefused,),
    ),
    Event(
        "sign-on-refused", "what came back from an identity provider proved nobody", (errors.SignOnRefused,)
    ),
    Event(
        "proof-refused",
        "a passkey, a password or a code proved nobody: at sign-in, step-up, or where it was to be set",
        (errors.SignInRefused,),
    ),
    Event("fresh-proof-wanted", "the last proof was more than five minutes ago", (errors.FreshProofNeeded,)),
    Event(
        "session-refused",
        "a session that is none, or is over, or none where one is needed",
        (errors.SessionRefused, errors.SessionExpired),
    ),
    Event(
        TOKEN,
        "a bearer token that is none, is over or was withdrawn, or none where one is needed",
        (errors.TokenRefused,),
    ),
    Event(
        CLIENT,
        "an app or a back-end service did not prove itself, or may not do this",
        (errors.AssertionRefused, errors.ClientNotFound),
    ),
    Event(GRANT, "an authorization code or a refresh token was none, was over or another's"),
    Event(TURNED_AWAY, "a person, or what the person may, left an app nothing"),
    Event(SCOPE, "a token does not reach that far", (errors.ScopeRefused,)),
    Event(
        "access-refused",
        "a role, a post's standing, an invitation or a signature does not allow it",
        (
            errors.ActRefused,
            errors.AccessRefused,
            errors.WritingRefused,
            errors.PartyNotVerified,
            errors.InvitationRefused,
            errors.SignatureRefused,
        ),
    ),
    Event(
        "held-up",
        "too often, or too much at once: sign-in that is locked for a while, and every pace",
        (errors.Throttled, errors.ExportsBusy, errors.TooCostly),
    ),
    Event(
        "other-site-refused",
        "a page of another site asked, or one that does not say where it is from",
        (errors.CrossSiteRefused,),
    ),
    Event(
        "file-refused",
        "the scanner found a file harmful, or could not look through it",
        (errors.FileRefused,),
    ),
    Event(
        "file-unscanned", "the scanner did not answer, so a file was not taken", (errors.ScannerUnavailable,)
    ),
    Event("secret-sent", "a browser sent a secret that has to stay in it", (errors.SecretSent,)),
    Event(INPUT, "what was sent is not what is taken here"),
    Event(MISDIRECTED, "asked under a name that is not this service's"),
    Event(NO_TLS, "asked without TLS from beyond loopback"),
    Event(OTHER, "refused for a reason that no other row has"),
)
OAUTH = {
    "invalid_client": CLIENT,
    "unauthorized_client": CLIENT,
    "invalid_grant": GRANT,
    "invalid_token": TOKEN,
    "insufficient_scope": SCOPE,
    "invalid_scope": SCOPE,
    "access_denied": TURNED_AWAY,
}
DONE = frozenset(each.name for each in DOINGS)
_BAD = (400, 413, 415, 422)
_LOUD = (401, 403, 421, 429)


def event_of(error: CareLedgerError) -> str:
    """The event that a refusal is, "" for one that says nothing of security, as that something is not there."""
    for each in EVENTS:
        if isinstance(error, each.refusals):
            return each.name
    if isinstance(error, OAuthRefused):
        return OAUTH.get(str(error.details.get("error")), INPUT)
    return INPUT if outcomes.kind_of(error).status in _BAD else ""


def of(request: HTTPConnection) -> Noted:
    """What is noted of a request, to be added to."""
    noted: Noted = request.scope.setdefault(NOTED, Noted())
    return noted


def refused(request: HTTPConnection, error: CareLedgerError) -> None:
    """Notes why; the first refusal counts."""
    noted = of(request)
    if not noted.refusal:
        noted.event, noted.refusal = event_of(error), type(error).__name__


def happened(request: HTTPConnection, event: str) -> None:
    """Notes what was done."""
    of(request).event = event


def write(scope: Scope, noted: Noted) -> None:
    """One line, where there is something to say."""
    if not noted.event:
        return
    said = {each.name: getattr(noted, each.name) for each in fields(Noted) if each.name != "event"}
    route = getattr(scope.get("route"), "path", "")
    client = scope.get("client")
    source = hmac.digest(_KEY, place(client[0]).encode(), "sha256")[:8].hex() if client else ""
    said |= {"source": source, "route": route, "method": scope["method"] if route else ""}
    level = logging.INFO if noted.event in DONE or noted.event == INPUT else logging.WARNING
    _LOG.log(level, noted.event, extra={name: value for name, value in said.items() if value})


def by_itself(event: str, about: str, why: str) -> None:
    """One line of what the gateway found or did without a request."""
    level = logging.INFO if event in DONE else logging.WARNING
    _LOG.log(level, event, extra={"about": about, "why": why})


@dataclass(frozen=True)
class Noting:
    """An ASGI application before another one, which writes what was noted of a request when its answer begins."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        noted = scope[NOTED] = Noted()
        told = _Once(scope, noted)
        try:
            await self.app(scope, receive, told.watched(send))
        finally:
            told.tell(0)


class _Once:
    def __init__(self, scope: Scope, noted: Noted) -> None:
        self._scope, self._noted, self._told = scope, noted, False

    def tell(self, status: int) -> None:
        if self._told:
            return
        self._told = True
        if not self._noted.event and status in _LOUD:
            self._noted.event = MISDIRECTED if status == 421 else OTHER
        write(self._scope, self._noted)

    def watched(self, send: Send) -> Callable[[MutableMapping[str, Any]], Awaitable[None]]:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.tell(message["status"])
            await send(message)

        return sent
