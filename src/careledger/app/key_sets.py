"""JWK Sets by which clients prove who they are: public RSA and P-384 keys, each with a name; what they sign."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from careledger.domain.errors import KeySetRefused

Key = RSAKey | ECKey
Keys = tuple[Key, ...]
MOST_BYTES, MOST_KEYS = 20_000, 20
LEAST_RSA = 2048
"""Bits of an RSA modulus."""
CURVE = "P-384"


def key_set(said: str | bytes, curves: tuple[str, ...] = (CURVE,)) -> Keys:
    """The keys that can be used, of these curves if they have one; raises KeySetRefused if there are none, two of one
    name and kind, or a private one."""
    made, named = list[Key](), set[tuple[str, str]]()
    for each in _listed(said):
        if "d" in each:
            raise KeySetRefused(
                why="one of its keys is private: keep that one to yourself, and make a new one"
            )
        key = _usable(each, curves)
        if key is None:
            continue
        if (key.key_type, str(key.kid)) in named:
            raise KeySetRefused(why="two of its keys have one kid")
        named.add((key.key_type, str(key.kid)))
        made.append(key)
    if not made:
        raise KeySetRefused(
            why=f"none of its keys has a kid and is RSA of {LEAST_RSA} bits or more, or {' or '.join(curves)}"
        )
    return tuple(made)


def _listed(said: str | bytes) -> list[Mapping[str, Any]]:
    if len(said) > MOST_BYTES:
        raise KeySetRefused(why=f"more than {MOST_BYTES} bytes")
    try:
        keys = json.loads(said)["keys"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise KeySetRefused(why='it is no JSON object with "keys"') from None
    if (
        not isinstance(keys, list)
        or len(keys) > MOST_KEYS
        or not all(isinstance(each, dict) for each in keys)
    ):
        raise KeySetRefused(why=f"its keys are no list of at most {MOST_KEYS} objects")
    return keys


def _usable(said: Mapping[str, Any], curves: tuple[str, ...]) -> Key | None:
    """The key, None for one of another kind or for another use, or without a name."""
    if not isinstance(said.get("kid"), str) or not said["kid"] or said.get("use", "sig") != "sig":
        return None
    try:
        if said.get("kty") == "RSA" and len(said["n"]) * 6 >= LEAST_RSA:
            key = RSAKey.import_key(dict(said))
            return key if key.public_key.key_size >= LEAST_RSA else None
        if said.get("kty") == "EC" and said.get("crv") in curves:
            return ECKey.import_key(dict(said))
    except (JoseError, ValueError, TypeError, KeyError, OverflowError):
        return None
    return None


def claims_of(text: str, key: Key, algorithm: str) -> dict[str, Any]:
    """What a JWT says that is signed by that key. Raises JoseError for another one, ValueError where any text in it is
    none, which no digest is made of: half of a pair of surrogates."""
    claims: dict[str, Any] = jwt.decode(text, key, algorithms=[algorithm]).claims
    json.dumps(claims, ensure_ascii=False).encode()
    return claims
