"""The one JSON text of a resource, so that equal statements have equal digests.

RFC 8785 (names sorted, no white space, UTF-8, the shortest escapes) with one difference: a number is written
with the digits of its source, because FHIR's ``1.0`` and ``1.00`` are different statements. Names are ASCII
(``json_text.check``), so that sorting by code point and by UTF-16 unit is the same.
"""

from __future__ import annotations

import secrets
from json import JSONEncoder
from typing import Any

from careledger.fhir.json_text import Number, read
from careledger.formats.digests import digest

# A number passes the encoder as a text between marks that nobody can guess, so that no text can pass for one.
_MARK = secrets.token_hex(8)
_OPENING, _CLOSING = f'"{_MARK}', f'{_MARK}"'


def _number(value: Any) -> str:
    if not isinstance(value, Number):
        raise TypeError("not a JSON value")
    return f"{_MARK}{value.text}{_MARK}"


_ENCODER = JSONEncoder(
    ensure_ascii=False, check_circular=False, sort_keys=True, separators=(",", ":"), default=_number
)


def canonical(value: Any) -> bytes:
    """The canonical JSON text of a checked JSON value."""
    return _ENCODER.encode(value).replace(_OPENING, "").replace(_CLOSING, "").encode("utf-8")


def canonical_of(data: bytes) -> bytes:
    """The canonical form of a JSON text; raises json_text.Flaw if it is not strict JSON."""
    return canonical(read(data))


def content_digest(canonical_bytes: bytes) -> bytes:
    """``H("fhir-content", canonical bytes)``, 32 bytes: what makes two imports of one statement equal."""
    return digest("fhir-content", canonical_bytes)
