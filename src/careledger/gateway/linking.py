"""References between the entries of a transaction, as they are written: found, and replaced where they stand; every
other byte of an entry stays what it is, so that numbers keep their digits."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from careledger.fhir.references import Form, taken_apart

_STRING = rb'"(?:[^"\\]|\\.)*"'
_REFERENCES = re.compile(rb'("reference"\s*:\s*)(' + _STRING + rb")")
_LINKS = re.compile(rb'("(?:reference|url)"\s*:\s*)(' + _STRING + rb")")
_VALUES = re.compile(rb'("(?:reference|url|value[A-Za-z]*)"\s*:\s*)(' + _STRING + rb")")
_ESCAPE = re.compile(rb"\\(?:u00([46][1-9A-Fa-f]|[57][0-9Aa])|.)", re.DOTALL)
"""What is escaped; the group is there where that is a letter."""


def plain(body: bytes) -> bytes:
    """The resource with its letters written as they are, that JSON lets a client escape, in names too."""
    if b"\\u00" not in body:
        return body
    return _ESCAPE.sub(lambda each: each[0] if each[1] is None else bytes.fromhex(each[1].decode()), body)


def conditional(body: bytes) -> list[str]:
    """The conditional references of a resource (R4 http.html#trules), each once."""
    if b"?" not in body and b"\\u" not in body:
        return []
    texts = dict.fromkeys(_text(each[2]) for each in _REFERENCES.finditer(body))
    return [each for each in texts if "?" in each and _form(each) is Form.CONDITIONAL]


def parted(reference: str) -> tuple[str, str]:
    """The type and the search of a conditional reference."""
    kind, _, query = reference.partition("?")
    return kind, query


def replaced(body: bytes, names: Mapping[str, str], patch: bool = False) -> bytes:
    """The resource, whatever it refers to by one of these names called by the other; a ``patch`` has such names as
    values too."""
    if not names:
        return body

    def renamed(found: re.Match[bytes]) -> bytes:
        name = names.get(_text(found[2]))
        return found[0] if name is None else found[1] + msgspec.json.encode(name)

    made = (_VALUES if patch else _LINKS).sub(renamed, body)
    return made if made != body else body


def _text(literal: bytes) -> str:
    try:
        return msgspec.json.decode(literal, type=str)
    except msgspec.DecodeError:  # what is wrong is told by who reads the resource
        return ""


def _form(text: str) -> Form | None:
    found = taken_apart(text)
    return None if found is None else found.form
