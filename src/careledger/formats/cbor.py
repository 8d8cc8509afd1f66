"""Deterministic CBOR (RFC 8949 §4.2.1), the only encoding of stored and signed messages.

Allowed: unsigned and negative integers of 64 bits, byte strings, text, arrays, maps with text keys,
booleans, null. Nothing else: no floats, tags, indefinite lengths or duplicate keys.
"""

from __future__ import annotations

from typing import Any

import cbor2

from careledger.domain.errors import MalformedBytes

MOST_BYTES = 16 * 1024 * 1024
MOST_DEPTH = 16
UNREADABLE = (
    cbor2.CBORError, ValueError, RecursionError, OverflowError, MemoryError, EOFError, TypeError,
)  # fmt: skip


def _check(value: object, depth: int) -> None:
    if depth > MOST_DEPTH:
        raise MalformedBytes(why="nested too deeply")
    if value is None or isinstance(value, bool | bytes | str):
        return
    if isinstance(value, int):
        if not -(1 << 64) <= value < 1 << 64:
            raise MalformedBytes(why="integer over 64 bits")
    elif isinstance(value, list | tuple):
        for item in value:
            _check(item, depth + 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise MalformedBytes(why="map key is not text")
            _check(item, depth + 1)
    else:
        raise MalformedBytes(why=f"{type(value).__name__} is not allowed")


def encode(value: object) -> bytes:
    """The one encoding of value; raises MalformedBytes if it holds what is not allowed."""
    _check(value, 0)
    return cbor2.dumps(value, canonical=True)


def decode(data: bytes) -> Any:
    """The value that encode would give exactly these bytes for; raises MalformedBytes otherwise."""
    value = _loads(data)
    _check(value, 0)
    if encode(value) != data:
        raise MalformedBytes(why="encoding is not deterministic")
    return value


def encode_ordered(value: object) -> bytes:
    """The one encoding of a value whose types and order of keys a declaration has seen to (formats.schema)."""
    return cbor2.dumps(value)


def decode_ordered(data: bytes, most: int = MOST_BYTES) -> Any:
    """As decode, for a caller that checks every type and the order of keys by a declaration; here all else is.

    ``most`` is how many bytes the message may have.
    """
    value = _loads(data, most)
    try:
        again = encode_ordered(value)
    except UNREADABLE as error:
        raise MalformedBytes(why=type(error).__name__) from None
    if again != data:
        raise MalformedBytes(why="encoding is not deterministic")
    return value


def _loads(data: bytes, most: int = MOST_BYTES) -> Any:
    if len(data) > most:
        raise MalformedBytes(why=f"message over {most >> 20} MiB")
    try:
        return cbor2.loads(data)
    except UNREADABLE as error:
        raise MalformedBytes(why=type(error).__name__) from None
