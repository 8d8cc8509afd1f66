"""Signed tokens under secp256k1 keys (ES256K): made, and verified with nothing unasked in their headers."""

from __future__ import annotations

import json
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from careledger.domain.errors import LicenceRefused, MalformedBytes
from careledger.formats.sd_jwt import Claims, base64url, from_base64url, strict_json
from careledger.formats.signatures import SigningKey, uncompressed

ALGORITHM = "ES256K"


def jwk(public: bytes) -> dict[str, str | list[str]]:
    """A compressed public key as a JWK (RFC 8812)."""
    point = uncompressed(public)
    return {"kty": "EC", "crv": "secp256k1", "x": base64url(point[1:33]), "y": base64url(point[33:])}


def public_of(said: Any) -> bytes:
    """The compressed public key of a JWK that is just that; raises MalformedBytes."""
    if not isinstance(said, dict) or set(said) != {"kty", "crv", "x", "y"}:
        raise MalformedBytes(why="not a secp256k1 JWK")
    if not isinstance(said["x"], str) or not isinstance(said["y"], str):
        raise MalformedBytes(why="not a secp256k1 JWK")
    x, y = from_base64url(said["x"]), from_base64url(said["y"])
    public = bytes([2 + (y[-1] & 1 if y else 0)]) + x
    if jwk(public) != said:
        raise MalformedBytes(why="not a secp256k1 JWK")
    return public


def signed(key: SigningKey, kind: str, claims: Claims, **header: str) -> str:
    """A compact JWS of these claims; ``kind`` is its ``typ``."""
    private = ECKey.import_key({**jwk(key.public), "d": base64url(key.secret)})
    payload = json.dumps(claims, separators=(",", ":")).encode()
    return jws.serialize_compact(
        {"alg": ALGORITHM, "typ": kind, **header}, payload, private, algorithms=[ALGORITHM]
    )


def read(token: str, kind: str, header: frozenset[str] = frozenset()) -> tuple[Claims, Claims]:
    """Header and claims, unverified; raises LicenceRefused unless the header says that alg, that typ and just these."""
    parts = token.split(".")
    try:
        said, claims = strict_json(from_base64url(parts[0])), strict_json(from_base64url(parts[1]))
    except (MalformedBytes, IndexError):
        raise LicenceRefused(why="not a signed token") from None
    if not isinstance(said, dict) or not isinstance(claims, dict) or len(parts) != 3:
        raise LicenceRefused(why="not a signed token")
    if (said.get("alg"), said.get("typ")) != (ALGORITHM, kind) or set(said) != {"alg", "typ", *header}:
        raise LicenceRefused(why="another kind of token", wanted=kind)
    return said, claims


def verify(token: str, public: bytes) -> None:
    """Raises LicenceRefused unless that key signed it."""
    try:
        jws.deserialize_compact(token, ECKey.import_key(jwk(public)), algorithms=[ALGORITHM])
    except (JoseError, ValueError):
        raise LicenceRefused(why="signed by another key, or changed") from None
