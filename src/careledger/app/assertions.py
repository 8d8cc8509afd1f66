"""private_key_jwt: the assertion by which a client proves who it is (RFC 7523; SMART's asymmetric profile).

What it claims is read first, because the keys to verify it by are the claimed client's; nothing of it counts before
``proved``. Whether it was used before is for who keeps what was used.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

from joserfc.errors import JoseError

from careledger.app.key_sets import Keys, claims_of
from careledger.domain.errors import AssertionRefused

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALGORITHMS = {"RS384": "RSA", "ES384": "EC"}
KINDS = ("JWT", "CLIENT-AUTHENTICATION+JWT")
"""What its typ may say, in any case (RFC 7519 5.1; draft-ietf-oauth-rfc7523bis); without one it says the first."""
LONGEST = 300
"""Seconds that an assertion is good for at most."""
MOST, MOST_NAME = 8_192, 200
"""Characters of an assertion; of its jti."""
UNPROVED = "it is signed by no key of a client that is registered here"


@dataclass(frozen=True, repr=False)
class Claimed:
    """What an assertion says of itself, unverified."""

    text: str
    client: str
    algorithm: str
    kid: str
    keys_at: str


@dataclass(frozen=True)
class Proved:
    """A client, and the one-time name of the assertion that proved it, with its end in unix seconds."""

    client: str
    name: str
    until: int


def claimed(text: str) -> Claimed:
    """Raises AssertionRefused for what no client's assertion looks like."""
    parts = text.split(".")
    if len(text) > MOST or len(parts) != 3:
        raise AssertionRefused(why="it is no signed JWT")
    header, claims = _object(parts[0]), _object(parts[1])
    if header.get("alg") not in ALGORITHMS:
        raise AssertionRefused(why=f"its alg is none of {', '.join(ALGORITHMS)}")
    if str(header.get("typ", KINDS[0])).upper() not in KINDS:
        raise AssertionRefused(why="its typ is not JWT")
    said = (claims.get("sub"), header.get("kid"), header.get("jku", ""))
    if not all(isinstance(each, str) for each in said) or not said[0] or not said[1]:
        raise AssertionRefused(why="it needs a sub, a kid, and a jku that is text if there is one")
    return Claimed(text, str(said[0]), str(header["alg"]), str(said[1]), str(said[2]))


def proved(said: Claimed, keys: Keys, audiences: tuple[str, ...], now: int) -> Proved:
    """By the one key of that kid and kind, for one of those audiences; raises AssertionRefused, for whatever does not
    prove the client in the same words."""
    kind = ALGORITHMS[said.algorithm]
    fitting = [each for each in keys if (each.kid, each.key_type) == (said.kid, kind)]
    if len(fitting) != 1:
        raise AssertionRefused(why=UNPROVED)
    try:
        claims = claims_of(said.text, fitting[0], said.algorithm)
    except (JoseError, ValueError, TypeError, RecursionError):
        raise AssertionRefused(why=UNPROVED) from None
    _check(claims, said.client, audiences, now)
    return Proved(said.client, claims["jti"], claims["exp"])


def _check(claims: dict[str, Any], client: str, audiences: tuple[str, ...], now: int) -> None:
    if claims.get("iss") != client or claims.get("sub") != client:
        raise AssertionRefused(why="iss and sub are not both the client id")
    said = claims.get("aud")
    if not any(each in audiences for each in (said if isinstance(said, list) else [said])):
        raise AssertionRefused(why="aud is neither the token endpoint nor the issuer")
    times = [claims[each] for each in ("exp", "nbf", "iat") if each in claims]
    if "exp" not in claims or not all(type(each) is int for each in times):
        raise AssertionRefused(why="exp, and nbf and iat if they are there, are no whole seconds")
    if not now < claims["exp"] <= now + LONGEST:
        raise AssertionRefused(why=f"exp has passed, or is more than {LONGEST} seconds ahead")
    if claims.get("nbf", now) > now:
        raise AssertionRefused(why="nbf has not come")
    name = claims.get("jti")
    if not isinstance(name, str) or not 0 < len(name) <= MOST_NAME:
        raise AssertionRefused(why="it needs a jti")


def _object(part: str) -> dict[str, Any]:
    try:
        found = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        raise AssertionRefused(why="it is no signed JWT") from None
    if not isinstance(found, dict):
        raise AssertionRefused(why="it is no signed JWT")
    return found
