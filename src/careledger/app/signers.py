"""The keys by which an organisation signs id tokens, and proves itself to a provider: made when they are needed, a new
one each month.

A key is published as long as something that it signed may count. Order of effects: the key durable, then what it signs.
"""

from __future__ import annotations

import json
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from careledger.formats.apps import AppSigner
from careledger.formats.digests import uint
from careledger.ports import Books

ID_TOKENS, ASSERTIONS = "RS256", "ES256"
"""Algorithms. OpenID Connect Discovery 1.0 and SMART's sso-openid-connect ask for RS256, whatever there is besides."""
KEPT = {ID_TOKENS: "id-token-signer", ASSERTIONS: "app-signer"}
RSA_BITS = 3_072
ROTATES, PUBLISHED = 30 * 24 * 3_600, 31 * 24 * 3_600
"""Seconds after which a key signs no more, and is shown no more."""
FRESH = 3_600
"""Seconds for which the keys may be kept by whoever fetched them (OpenID Connect Core 1.0, 10.1.1): less than lies
between those two ends, so that nothing is found signed by a key that is shown no more."""


Key = ECKey | RSAKey


def signed(books: Books, claims: dict[str, Any], now: int, algorithm: str) -> str:
    """These claims as a JWT; the algorithm is one of the two."""
    key = _current(books, now, algorithm)
    return jwt.encode({"alg": algorithm, "kid": key.kid}, claims, key, [algorithm])


def ready(books: Books, now: int) -> None:
    """There is a key for id tokens from now on, for whoever fetches keys before the first of them."""
    _current(books, now, ID_TOKENS)


def published(books: Books, now: int) -> list[dict[str, Any]]:
    """The public keys, as JWKs."""
    return [
        {**_key(each).as_dict(private=False), "use": "sig", "alg": algorithm}
        for algorithm in KEPT
        for each in _kept(books, algorithm)
        if now < each.made + PUBLISHED
    ]


def _current(books: Books, now: int, algorithm: str) -> Key:
    if (found := _signing(books, now, algorithm)) is not None:
        return found
    key = _made(algorithm)
    made = AppSigner(json.dumps(key.as_dict(private=True)), now)
    with books.alone():
        if (found := _signing(books, now, algorithm)) is not None:  # another process made one meanwhile
            return found
        over = [uint(each.made) for each in _kept(books, algorithm) if now >= each.made + PUBLISHED]
        books.change({KEPT[algorithm]: [(uint(now), made.encode())]}, {})
        books.drop(KEPT[algorithm], over)
    return key


def _made(algorithm: str) -> Key:
    if algorithm == ID_TOKENS:
        return RSAKey.generate_key(RSA_BITS, auto_kid=True)
    return ECKey.generate_key("P-256", auto_kid=True)


def _signing(books: Books, now: int, algorithm: str) -> Key | None:
    kept = _kept(books, algorithm)
    return _key(kept[-1]) if kept and now < kept[-1].made + ROTATES else None


def _kept(books: Books, algorithm: str) -> list[AppSigner]:
    return [AppSigner.decode(row) for _, row in books.rows(KEPT[algorithm])]


def _key(kept: AppSigner) -> Key:
    said = json.loads(kept.key)
    return RSAKey.import_key(said) if said["kty"] == "RSA" else ECKey.import_key(said)
