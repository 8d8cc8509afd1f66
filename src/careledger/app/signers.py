"""The keys by which an organisation signs id tokens: made when they are needed, a new one each month.

A key is published as long as something that it signed may count. Order of effects: the key durable, then what it signs.
"""

from __future__ import annotations

import json
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey

from careledger.formats.apps import AppSigner
from careledger.formats.digests import uint
from careledger.ports import Books

KEPT, ALGORITHM = "app-signer", "ES256"
ROTATES, PUBLISHED = 30 * 24 * 3_600, 31 * 24 * 3_600
"""Seconds after which a key signs no more, and is shown no more."""


def signed(books: Books, claims: dict[str, Any], now: int) -> str:
    """These claims as a JWT."""
    key = _current(books, now)
    return jwt.encode({"alg": ALGORITHM, "kid": key.kid}, claims, key, [ALGORITHM])


def published(books: Books, now: int) -> list[dict[str, Any]]:
    """The public keys, as JWKs."""
    return [
        {**_key(each).as_dict(private=False), "use": "sig", "alg": ALGORITHM}
        for each in _kept(books)
        if now < each.made + PUBLISHED
    ]


def _current(books: Books, now: int) -> ECKey:
    if (found := _signing(books, now)) is not None:
        return found
    key = ECKey.generate_key("P-256", auto_kid=True)
    made = AppSigner(json.dumps(key.as_dict(private=True)), now)
    with books.alone():
        if (found := _signing(books, now)) is not None:  # another process made one meanwhile
            return found
        over = [uint(each.made) for each in _kept(books) if now >= each.made + PUBLISHED]
        books.change({KEPT: [(uint(now), made.encode())]}, {})
        books.drop(KEPT, over)
    return key


def _signing(books: Books, now: int) -> ECKey | None:
    kept = _kept(books)
    return _key(kept[-1]) if kept and now < kept[-1].made + ROTATES else None


def _kept(books: Books) -> list[AppSigner]:
    return [AppSigner.decode(row) for _, row in books.rows(KEPT)]


def _key(kept: AppSigner) -> ECKey:
    return ECKey.import_key(json.loads(kept.key))
