"""The one JSON text of a resource, so that equal statements have equal digests.

RFC 8785 (names sorted, no white space, UTF-8, the shortest escapes) with one difference: a number is written
with the digits of its source, because FHIR's ``1.0`` and ``1.00`` are different statements. Names are ASCII
(``json_text.check``), so that sorting by code point and by UTF-16 unit is the same.
"""

from __future__ import annotations

from json.encoder import encode_basestring
from typing import Any

from careledger.fhir.json_text import Number, read
from careledger.formats.digests import digest


def canonical(value: Any) -> bytes:
    """The canonical JSON text of a checked JSON value."""
    return _text(value).encode("utf-8")


def canonical_of(data: bytes) -> bytes:
    """The canonical form of a JSON text; raises json_text.Flaw if it is not strict JSON."""
    return canonical(read(data))


def content_digest(canonical_bytes: bytes) -> bytes:
    """``H("fhir-content", canonical bytes)``, 32 bytes: what makes two imports of one statement equal."""
    return digest("fhir-content", canonical_bytes)


def _text(value: Any) -> str:
    kind = type(value)
    if kind is str:
        return encode_basestring(value)
    if kind is dict:
        return "{" + ",".join([f'"{name}":{_text(value[name])}' for name in sorted(value)]) + "}"
    if kind is list:
        return "[" + ",".join([_text(item) for item in value]) + "]"
    if kind is Number:
        return str(value.text)
    if value is None:
        return "null"
    return "true" if value else "false"
