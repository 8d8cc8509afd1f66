"""FHIR references: their forms, where they stand, and how they are rewritten (R4 references.html)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Any

from careledger.fhir.definitions.tables import resource_types
from careledger.fhir.json_text import Resource

_ID = r"[A-Za-z0-9\-.]{1,64}"
_UUID = re.compile(r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_OID = re.compile(r"urn:oid:[0-2](\.(0|[1-9][0-9]*))+")
_CONTAINED = re.compile(rf"#({_ID})?")
_CONDITIONAL = re.compile(r"(?P<type>[A-Za-z]+)\?[^ ]+")
_LITERAL = re.compile(
    rf"(?P<base>https?://[^\s?#]+/)?(?P<type>[A-Za-z]+)/(?P<id>{_ID})(/_history/(?P<version>{_ID}))?"
)
_URL = re.compile(r"(https?://|urn:(?!uuid:|oid:))\S+")


class Form(Enum):
    """How a reference is written."""

    UUID = "urn:uuid"
    OID = "urn:oid"
    CONTAINED = "contained"
    RELATIVE = "relative"
    ABSOLUTE = "absolute"
    CONDITIONAL = "conditional"
    URL = "url"


@dataclass(frozen=True, slots=True, repr=False)
class Reference:
    """A reference taken apart; ``type``, ``id`` and ``version`` are empty where the form has none."""

    text: str
    form: Form
    type: str = ""
    id: str = ""
    version: str = ""

    @property
    def unversioned(self) -> str:
        """The text without the version that it pins."""
        return self.text.removesuffix(f"/_history/{self.version}") if self.version else self.text


def taken_apart(text: str) -> Reference | None:
    """The reference in a text, or None if it has no form that FHIR allows."""
    if _UUID.fullmatch(text):
        return Reference(text, Form.UUID)
    if _CONTAINED.fullmatch(text):
        return Reference(text, Form.CONTAINED, id=text[1:])
    literal = _LITERAL.fullmatch(text)
    if literal and literal["type"] in resource_types():
        form = Form.ABSOLUTE if literal["base"] else Form.RELATIVE
        return Reference(text, form, literal["type"], literal["id"], literal["version"] or "")
    if _OID.fullmatch(text):
        return Reference(text, Form.OID)
    conditional = _CONDITIONAL.fullmatch(text)
    if conditional and conditional["type"] in resource_types():
        return Reference(text, Form.CONDITIONAL, conditional["type"])
    return Reference(text, Form.URL) if _URL.fullmatch(text) else None


def is_full_url(text: str) -> bool:
    """Whether a bundle entry may be called so: a UUID or OID URN, or an absolute URL without version."""
    found = taken_apart(text)
    return bool(found and not found.version and found.form in (Form.UUID, Form.OID, Form.ABSOLUTE, Form.URL))


@contextmanager
def renamed(holders: Iterable[Resource], name: str, names: Mapping[str, str]) -> Iterator[None]:
    """These objects with ``name`` replaced where ``names`` has another text for it, until the block ends.

    A statement is written down under our ids and looked at under its own; copying it for that costs more than all
    the writing.
    """
    changed = [(each, each[name]) for each in holders if each.get(name) in names]
    for holder, text in changed:
        holder[name] = names[text]
    try:
        yield
    finally:
        for holder, text in changed:
            holder[name] = text


def rewritten(resource: Resource, new_text: Callable[[str], str | None]) -> Resource:
    """A copy in which each reference and ``url`` for which ``new_text`` has an answer is replaced by it."""
    made: Resource = _rewritten(resource, new_text)
    return made


def refers_by_uuid(resource: Resource) -> bool:
    """Whether a reference or ``url`` in it is a UUID URN: what it names may be shown under another name."""
    found = list[str]()
    rewritten(resource, lambda text: found.append(text) if text.startswith("urn:uuid:") else None)
    return bool(found)


def _rewritten(value: Any, new_text: Callable[[str], str | None]) -> Any:
    if isinstance(value, list):
        return [_rewritten(item, new_text) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: (new_text(inner) or inner)
        if name in ("reference", "url") and isinstance(inner, str)
        else _rewritten(inner, new_text)
        for name, inner in value.items()
    }
