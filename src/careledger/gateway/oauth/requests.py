"""Requests for authorization (SMART App Launch 2.2), as an app sends people with them: read, and refused.

What names no client, or an address that is not that client's, is refused to the person's face: nobody is led anywhere.
Everything else that is wrong is told to the app, at its registered address.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from careledger.app import clients
from careledger.app.clients import BACKEND, LAUNCH, LAUNCH_PATIENT, Asked, Registered
from careledger.app.scopes import PATIENT, narrowed
from careledger.domain.errors import CareLedgerError, OAuthRefused
from careledger.gateway.oauth import answers

CODE, CHALLENGE_METHOD = "code", "S256"
NAMED = ("response_type", "client_id", "redirect_uri", "launch", "scope", "state", "aud", "code_challenge",
         "code_challenge_method", "nonce", "prompt", "max_age", "response_mode", "request", "request_uri",
         "registration")  # fmt: skip
"""What a request is made of; whatever else is in it says nothing."""
UNSUPPORTED = ("request", "request_uri", "registration")
"""What OpenID Connect has besides and is not taken here (Core 1.0, 3.1.2.6)."""
ANSWERED_BY = "query"
PROMPTS = frozenset({"none", "login", "consent", "select_account"})
"""OpenID Connect Core 1.0, 3.1.2.1. Consent is always asked for; who is to choose an account proves it anew."""
MOST_STATE, MOST_NONCE, MOST_LAUNCH = 1_000, 200, 100
NOT_HERE = ("profile", "email", "address", "phone")
"""OpenID's scopes for what is not told here: they are passed over."""
_SECONDS = re.compile(r"[0-9]{1,9}", re.ASCII)
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


@dataclass(frozen=True, repr=False)
class Sent:
    """An app's request: where its people are led back to, and with which state."""

    found: Registered
    given: dict[str, str]

    @property
    def redirect(self) -> str:
        """The registered address."""
        return self.given["redirect_uri"]

    def back(self, issuer: str, **said: str) -> str:
        """The app's address with what it is told."""
        state = {"state": self.given["state"]} if self.given.get("state") else {}
        more = urlencode(said | state | {"iss": issuer})
        return f"{self.redirect}{'&' if urlsplit(self.redirect).query else '?'}{more}"

    @property
    def query(self) -> str:
        """The request once more, as a query."""
        return urlencode(self.given)


@dataclass(frozen=True, repr=False)
class Wanted:
    """What is asked for: scopes as far as the client may have them, and whether a patient has to be chosen."""

    scopes: Asked
    launch: str
    anew: bool = False
    oldest: int | None = None
    """Whether the person has to prove it anew, and how many seconds ago they may have, if it is said."""

    @property
    def needs_patient(self) -> bool:
        """Whether the app is for one patient."""
        said = any(each.level == PATIENT for each in self.scopes.words)
        return said or LAUNCH_PATIENT in self.scopes.others


def sent(found: Registered, given: Sequence[tuple[str, str]]) -> Sent:
    """The request of a client that is known; raises OAuthRefused, for the person to read."""
    named = [each for each in given if each[0] in NAMED]
    if len(dict(named)) < len(named):
        raise OAuthRefused(error=answers.REQUEST, why="something is said twice")
    said = dict(named)
    if found.client.kind == BACKEND or said.get("redirect_uri") not in found.client.redirects:
        raise OAuthRefused(
            error=answers.REQUEST, why="the app wants to be answered where it was not registered"
        )
    return Sent(found, said)


def wanted(asked: Sent, base: str) -> Wanted:
    """What it asks for; raises OAuthRefused, for the app to read."""
    said = asked.given
    for each in UNSUPPORTED:
        if each in said:
            raise OAuthRefused(error=f"{each}_not_supported", why=f"{each} is not taken")
    if said.get("response_type") != CODE:
        raise OAuthRefused(error="unsupported_response_type", why="only code is answered")
    if not 0 < len(said.get("state", "")) <= MOST_STATE:
        raise OAuthRefused(error=answers.REQUEST, why=f"a state of at most {MOST_STATE} characters is needed")
    method = said.get("code_challenge_method")
    if method != CHALLENGE_METHOD or not _CHALLENGE.fullmatch(said.get("code_challenge", "")):
        raise OAuthRefused(error=answers.REQUEST, why="a code_challenge of the method S256 is needed")
    if said.get("aud", "").rstrip("/") != base:
        raise OAuthRefused(error=answers.REQUEST, why="aud is not the address of this FHIR server")
    if len(said.get("nonce", "")) > MOST_NONCE or len(said.get("launch", "")) > MOST_LAUNCH:
        raise OAuthRefused(error=answers.REQUEST, why="nonce or launch is too long")
    scopes = _scopes(asked)
    if (LAUNCH in scopes.others) != bool(said.get("launch")):
        raise OAuthRefused(error=answers.REQUEST, why="the scope launch goes with the parameter launch")
    anew, oldest = _prompted(said), _oldest(said)
    if oldest == 0:  # as prompt=login (OpenID Connect Core 1.0, 3.1.2.1): nobody decides within the second
        anew, oldest = True, None
    return Wanted(scopes, said.get("launch", ""), anew, oldest)


def _prompted(said: Mapping[str, str]) -> bool:
    """Whether the person has to prove anew who they are; raises OAuthRefused for what cannot be done."""
    if said.get("response_mode", ANSWERED_BY) != ANSWERED_BY:
        raise OAuthRefused(error=answers.REQUEST, why="answers stand in the query alone")
    words = said.get("prompt", "").split()
    if not PROMPTS.issuperset(words) or ("none" in words and len(words) > 1):
        raise OAuthRefused(
            error=answers.REQUEST, why="prompt is none alone, or login, consent, select_account"
        )
    if "none" in words:
        raise OAuthRefused(error="interaction_required", why="a person is always asked here")
    return "login" in words or "select_account" in words


def _oldest(said: Mapping[str, str]) -> int | None:
    if "max_age" not in said:
        return None
    if not _SECONDS.fullmatch(said["max_age"]):
        raise OAuthRefused(error=answers.REQUEST, why="max_age is no number of seconds")
    return int(said["max_age"])


def _scopes(asked: Sent) -> Asked:
    kind, client = asked.found.client.kind, asked.found.client
    text = " ".join(each for each in asked.given.get("scope", "").split() if each not in NOT_HERE)
    try:
        said, most = clients.asked(text, kind), clients.asked(client.scopes, kind)
    except CareLedgerError as error:
        raise OAuthRefused(error=answers.SCOPE, why=str(error.details.get("why", error))) from None
    others = tuple(dict.fromkeys(each for each in said.others if each in most.others))
    made = Asked(tuple(narrowed(said.words, most.words)), others)
    if not made.words and clients.OPENID not in made.others:
        raise OAuthRefused(error=answers.SCOPE, why="nothing of this was registered for the app")
    return made
