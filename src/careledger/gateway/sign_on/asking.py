"""What a provider is sent: people with a question, and the code that they bring back (RFC 6749, RFC 7636, RFC 7523);
and people who signed out here."""

from __future__ import annotations

import base64
import hashlib
import secrets
from urllib.parse import quote, urlencode

from careledger.app import signers
from careledger.app.assertions import TYPE
from careledger.app.identity.providers import Registered
from careledger.app.identity.signing_on import LONGEST
from careledger.formats.sign_on import Provider, SignOn
from careledger.gateway.sign_on.discovering import Metadata

SCOPES = "openid profile email"
BASIC, POST = "client_secret_basic", "client_secret_post"
ASSERTED_FOR = 60
"""Seconds that an assertion of ours is good for."""


def question(found: Registered[Provider], said: Metadata, begun: SignOn, state: str, back: str) -> str:
    """Where a browser is sent to; ``back`` is where it is to come back."""
    hashed = hashlib.sha256(begun.verifier.encode()).digest()
    asks = {
        "response_type": "code", "client_id": found.provider.client, "redirect_uri": back, "scope": SCOPES,
        "state": state, "nonce": begun.nonce, "code_challenge_method": "S256",
        "code_challenge": base64.urlsafe_b64encode(hashed).rstrip(b"=").decode(),
        "max_age": "0" if begun.again else str(LONGEST),
    }  # fmt: skip
    if begun.again:
        asks["prompt"] = "login"
    if found.provider.acr:
        asks["acr_values"] = " ".join(found.provider.acr)
    return f"{said.authorization}{'&' if '?' in said.authorization else '?'}{urlencode(asks)}"


def sign_out(found: Registered[Provider], said: Metadata, state: str, back: str) -> str:
    """Where a browser is sent to whose person signed out here (OpenID Connect RP-Initiated Logout 1.0). Nothing in it
    says who that is, so that the provider asks them."""
    asks = {"client_id": found.provider.client, "post_logout_redirect_uri": back, "state": state}
    return f"{said.end_session}{'&' if '?' in said.end_session else '?'}{urlencode(asks)}"


def redeemed(
    found: Registered[Provider], said: Metadata, begun: SignOn, code: str, back: str, now: int
) -> tuple[dict[str, str], bytes]:
    """Headers and form by which this organisation, and nobody else, is given what the code stands for."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": back,
        "code_verifier": begun.verifier,
    }
    headers, provider = dict[str, str](), found.provider
    if not provider.secret:
        form |= {"client_id": provider.client, "client_assertion_type": TYPE}
        form["client_assertion"] = _assertion(found, said.issuer, now)
    elif POST in said.methods and BASIC not in said.methods:
        form |= {"client_id": provider.client, "client_secret": provider.secret}
    else:
        pair = f"{quote(provider.client, safe='')}:{quote(provider.secret, safe='')}"
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    return headers, urlencode(form).encode()


def _assertion(found: Registered[Provider], issuer: str, now: int) -> str:
    """By the organisation's own key, which is published at /oauth/keys."""
    client = found.provider.client
    claims: dict[str, object] = {
        "iss": client,
        "sub": client,
        "aud": issuer,
        "iat": now,
        "exp": now + ASSERTED_FOR,
    }
    claims["jti"] = secrets.token_urlsafe(16)
    return signers.signed(found.employer.books, claims, now, signers.ASSERTIONS)
