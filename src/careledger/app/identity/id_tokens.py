"""ID tokens of an organisation's OpenID provider (OpenID Connect Core 1.0, 3.1.3.7): nothing of one counts before
``proved``."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

from joserfc.errors import JoseError

from careledger.app.key_sets import Keys, claims_of
from careledger.domain.errors import SignOnRefused

ALGORITHMS = {
    **{f"{name}{bits}": "RSA" for name in ("RS", "PS") for bits in (256, 384, 512)},
    "ES256": "EC",
    "ES384": "EC",
}
"""What may sign an ID token, with the kind of its key: by keys that only the provider has."""
LOGOUT = "http://schemas.openid.net/event/backchannel-logout"
MOST = 16_384
"""Characters of an ID token."""
MOST_NAME = 255
"""Characters of what a provider calls a session of its own, and a logout token."""
PLAIN, TYPE = "jwt", "logout+jwt"
"""The type of a token that says none, and the one of logout tokens (Back-Channel Logout 1.0, 2.4), in lower case."""
SKEW, OLDEST = 60, 600
"""Seconds by which clocks may differ; that an ID token may be old when it comes."""


@dataclass(frozen=True, repr=False)
class Expected:
    """What an ID token has to say. ``since``: whoever it names proved it then or later, in unix seconds; one of
    ``acr`` says how, if there are any, and each of ``amr``."""

    issuer: str
    client: str
    nonce: str
    since: int
    acr: tuple[str, ...] = ()
    amr: tuple[str, ...] = ()


@dataclass(frozen=True, repr=False)
class Told:
    """Whom a provider names, when they proved it, what it says of them, and what it calls its session with them, empty
    where it does not say."""

    subject: str
    authenticated: int
    claims: dict[str, Any]
    index: str = ""


@dataclass(frozen=True, repr=False)
class Ended:
    """That a provider signed somebody out: its request's ID, or its token's, its time, in unix seconds, the subject,
    empty where only sessions are named, and what it calls its sessions that are over, none for all of that subject's.
    """

    id: str
    said: int
    subject: str
    indexes: tuple[str, ...]


def signed_by(text: str, algorithms: tuple[str, ...], types: tuple[str, ...] = (PLAIN,)) -> tuple[str, str]:
    """The algorithm, one of those, and the name of the key that a token of one of these types says it is signed by;
    raises SignOnRefused. A logout token is no ID token, nor the other way round."""
    part = text.partition(".")[0]
    try:
        header = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        header = None
    if len(text) > MOST or not isinstance(header, dict) or "crit" in header:
        raise SignOnRefused(why="the provider gave no ID token")
    if str(header.get("typ", PLAIN)).casefold().removeprefix("application/") not in types:
        raise SignOnRefused(why="what the provider gave is a token of another type")
    algorithm, kid = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS or algorithm not in algorithms:
        raise SignOnRefused(why="the ID token is signed by another algorithm than the provider says")
    if not isinstance(kid, str) or not kid:
        raise SignOnRefused(why="the ID token names no key")
    return algorithm, kid


def proved(text: str, algorithm: str, kid: str, keys: Keys, expected: Expected, now: int) -> Told:
    """Whom it names, by the one key of that name and kind; raises SignOnRefused."""
    claims = _signed(text, algorithm, kid, keys)
    _check_whose(claims, expected)
    _check_times(claims, expected, now)
    return Told(claims["sub"], min(claims["auth_time"], now), claims, _session(claims))


def ended(text: str, algorithm: str, kid: str, keys: Keys, issuer: str, client: str, now: int) -> Ended:
    """Who signed out, or of which session, and when it was said: of a logout token (OpenID Connect Back-Channel Logout
    1.0, 2.6), which no ID token is. Raises SignOnRefused."""
    claims = _signed(text, algorithm, kid, keys)
    if claims.get("iss") != issuer or claims.get("aud") not in (client, [client]):
        raise SignOnRefused(why="the logout token is another issuer's, or for another client")
    events, subject, session = claims.get("events"), claims.get("sub", ""), _session(claims)
    if "nonce" in claims or not isinstance(events, dict) or not isinstance(events.get(LOGOUT), dict):
        raise SignOnRefused(why="what is brought is no logout token")
    if not isinstance(subject, str) or not (subject or session) or claims.get("sub") == "":
        raise SignOnRefused(why="the logout token names nobody")
    if type(claims.get("iat")) is not int or type(claims.get("exp")) is not int:
        raise SignOnRefused(why="iat and exp of the logout token are not both whole seconds")
    if not now < claims["exp"] or not now - OLDEST <= claims["iat"] <= now + SKEW:
        raise SignOnRefused(why="the logout token is over, or not yet")
    id = claims.get("jti")
    if not isinstance(id, str) or not 0 < len(id) <= MOST_NAME:
        raise SignOnRefused(why="the logout token has no ID")
    return Ended(id, claims["iat"], subject, (session,) if session else ())


def _session(claims: dict[str, Any]) -> str:
    """What the provider calls its session, empty where it does not say; raises SignOnRefused for what is no name."""
    said = claims.get("sid", "")
    if not isinstance(said, str) or len(said) > MOST_NAME or (said == "" and "sid" in claims):
        raise SignOnRefused(why="the provider calls its session by what is no name")
    return said


def _signed(text: str, algorithm: str, kid: str, keys: Keys) -> dict[str, Any]:
    fitting = [each for each in keys if (each.kid, each.key_type) == (kid, ALGORITHMS[algorithm])]
    if len(fitting) != 1:
        raise SignOnRefused(why="the ID token is signed by no key of the provider")
    try:
        return claims_of(text, fitting[0], algorithm)
    except (JoseError, ValueError, TypeError, RecursionError):
        raise SignOnRefused(why="the ID token is signed by no key of the provider") from None


def _check_whose(claims: dict[str, Any], expected: Expected) -> None:
    if claims.get("iss") != expected.issuer:
        raise SignOnRefused(why="the ID token is another issuer's")
    if claims.get("aud") not in (expected.client, [expected.client]):
        raise SignOnRefused(why="the ID token is for another client")
    if claims.get("azp", expected.client) != expected.client:
        raise SignOnRefused(why="the ID token was given to another client")
    if claims.get("nonce") != expected.nonce:
        raise SignOnRefused(why="the ID token is of another sign-on")
    _check_how(claims, expected)
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= 255:
        raise SignOnRefused(why="the ID token names nobody")


def _check_how(claims: dict[str, Any], expected: Expected) -> None:
    """That the provider proved somebody as is demanded; what it does not say is not so."""
    said = claims.get("amr")
    ways = [each for each in said if isinstance(each, str)] if isinstance(said, list) else []
    if (expected.acr and claims.get("acr") not in expected.acr) or not set(expected.amr) <= set(ways):
        raise SignOnRefused(why="whoever it is was not proved as the organisation demands")


def _check_times(claims: dict[str, Any], expected: Expected, now: int) -> None:
    if not all(type(claims.get(each)) is int for each in ("exp", "iat", "auth_time")):
        raise SignOnRefused(why="exp, iat and auth_time of the ID token are not all whole seconds")
    if not now < claims["exp"] or not now - OLDEST <= claims["iat"] <= now + SKEW:
        raise SignOnRefused(why="the ID token is over, or not yet")
    if not expected.since - SKEW <= claims["auth_time"] <= now + SKEW:
        raise SignOnRefused(why="whoever it is proved it too long ago")
