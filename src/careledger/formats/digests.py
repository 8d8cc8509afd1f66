"""Domain-tagged SHA-256 and HKDF inputs: every field is prefixed with its length."""

from __future__ import annotations

import hashlib
from functools import lru_cache

PREFIX = "careledger/v1/"


def framed(tag: str, *fields: bytes) -> bytes:
    """``LP(prefix ‖ tag) ‖ LP(field) ‖ …`` with LP(x) = 4-byte big-endian length, then x."""
    return _tagged(tag) + b"".join([len(part).to_bytes(4, "big") + part for part in fields])


@lru_cache(maxsize=256)
def _tagged(tag: str) -> bytes:
    named = (PREFIX + tag).encode("ascii")
    return len(named).to_bytes(4, "big") + named


def digest(tag: str, *fields: bytes) -> bytes:
    """H of protocol.md: SHA-256 over the framed tag and fields; 32 bytes."""
    return hashlib.sha256(framed(tag, *fields)).digest()


def uint(value: int, size: int = 8) -> bytes:
    """A field for an unsigned integer: big-endian, ``size`` bytes."""
    return value.to_bytes(size, "big")
