"""The one JSON text of a resource, so that equal statements have equal digests.

RFC 8785 (names sorted, no white space, UTF-8, the shortest escapes) with one difference: a number is written
with the digits of its source, because FHIR's ``1.0`` and ``1.00`` are different statements. Names are ASCII
(``json_text.check``), so that sorting by code point and by UTF-16 unit is the same.
"""

from __future__ import annotations

from typing import Any

import msgspec

from careledger.fhir.json_text import Number, read
from careledger.formats.digests import digest


def _number(value: Any) -> msgspec.Raw:
    """A number as it was written; the encoder copies it as it is."""
    if not isinstance(value, Number):
        raise TypeError("not a JSON value")
    return msgspec.Raw(value.text.encode("ascii"))


_ENCODER = msgspec.json.Encoder(order="sorted", enc_hook=_number)


def canonical(value: Any) -> bytes:
    """The canonical JSON text of a checked JSON value."""
    return _ENCODER.encode(value)


def canonical_of(data: bytes) -> bytes:
    """The canonical form of a JSON text; raises json_text.Flaw if it is not strict JSON."""
    return canonical(read(data))


def content_digest(canonical_bytes: bytes) -> bytes:
    """``H("fhir-content", canonical bytes)``, 32 bytes: what makes two imports of one statement equal."""
    return digest("fhir-content", canonical_bytes)
