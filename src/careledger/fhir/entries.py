"""One resource of a file: taken, with all that is known of it, or rejected, with the place and the reason."""

from __future__ import annotations

import copy
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from careledger.fhir import mapping
from careledger.fhir.definitions.tables import resource_types
from careledger.fhir.json_text import Cursor, Flaw, Resource, check, decoded, is_plain
from careledger.fhir.paths import objects_at
from careledger.fhir.references import Form, Reference, taken_apart
from careledger.fhir.validation.check import Examined, examine
from careledger.fhir.validation.findings import located

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
LARGE = 2**20
LONG_TEXT = 64 * 2**10
Fault = tuple[str, str]  # the path, and what is wrong there


@dataclass(frozen=True, slots=True)
class Place:
    """Where in its file the bytes of a large resource lie, and their SHA-256."""

    offset: int
    length: int
    sha256: bytes


@dataclass(frozen=True, slots=True, repr=False)
class Entry:
    """One resource of a file, valid by itself; ``original`` are its bytes as they stand in the file.

    One that was left in the file has a ``place`` there instead, and digests where its long texts were.
    """

    index: int
    full_url: str | None
    type: str
    resource: Resource
    original: bytes
    examined: Examined
    place: Place | None = None

    @property
    def names(self) -> list[str]:
        """All that it refers to, as written."""
        return [each["reference"] for each, _ in self.examined.references if "reference" in each]

    @property
    def references(self) -> tuple[tuple[str, str], ...]:
        """All that it refers to, as (path, text)."""
        spots = [
            (each, "reference", each["reference"])
            for each, _ in self.examined.references
            if "reference" in each
        ]
        return tuple((found.path, found.what) for found in located(self.resource, spots))


@dataclass(frozen=True, slots=True)
class Reject:
    """One entry that is not imported, with the place and the reason; never anything that it says.

    ``others`` are further faults of the same entry, as (path, reason).
    """

    index: int
    path: str
    why: str
    resource_type: str = ""
    others: tuple[Fault, ...] = ()

    @property
    def where(self) -> str:
        """The place with the resource type in front, for example ``Observation.component[2].valueQuantity``."""
        return ".".join(part for part in (self.resource_type, self.path) if part)


def taken(index: int, resource: Any, original: bytes, *, plain: bool) -> Entry | Reject:
    """A resource as an entry, or why it is none: what is wrong with it by itself.

    ``plain`` is json_text.is_plain of the text that it stands in. A resource of a type that is never exchanged is
    taken, so that the reason given for it is that. Raises json_text.Flaw for what is no strict JSON.
    """
    fault = _own_fault(resource)
    examined = None if fault else examine(resource)
    if not plain or examined is None or examined.errors:
        check(resource)
    if examined is None:
        return Reject(index, *(fault or ("", "")), resource_type=type_of(resource))
    if examined.errors and not mapping.is_refused(resource):
        first, *others = [(found.path, found.what) for found in examined.errors]
        return Reject(index, *first, resource_type=type_of(resource), others=tuple(others))
    return Entry(index, None, type_of(resource), resource, original, examined)


def read_resource(data: bytes, index: int) -> Entry | Reject:
    """The one resource in a JSON text, for example a line of NDJSON; what is no strict JSON is rejected too."""
    try:
        text, depth = decoded(data)
        cursor = Cursor(text)
        value = cursor.value()
        cursor.end()
        return taken(index, value, data.strip(), plain=is_plain(text, depth))
    except Flaw as flaw:
        return Reject(index, flaw.path, flaw.why)


def left_in_file(entry: Entry, offset: int) -> Entry:
    """The entry, whose bytes begin at ``offset``, without its long texts if it is a large one."""
    if len(entry.original) <= LARGE:
        return entry
    place = Place(offset, len(entry.original), hashlib.sha256(entry.original).digest())
    _shorten(entry.resource)
    return replace(entry, original=b"", place=place)


def shortened(resource: Resource) -> Resource:
    """A copy with a digest in place of each long text."""
    made = copy.deepcopy(resource)
    _shorten(made)
    return made


def _shorten(value: Any) -> None:
    """A digest in place of each long text; objects stay the same, because what was examined points to them."""
    for key, inner in list(value.items() if isinstance(value, dict) else enumerate(value)):
        if isinstance(inner, str) and len(inner) > LONG_TEXT:
            value[key] = f"sha256:{hashlib.sha256(inner.encode()).hexdigest()}"
        elif isinstance(inner, dict | list):
            _shorten(inner)


def type_of(value: Any) -> str:
    """The type of a resource; empty if it has none of R4's."""
    kind = value.get("resourceType") if isinstance(value, dict) else None
    return kind if isinstance(kind, str) and kind in resource_types() else ""


def _own_fault(resource: Any) -> Fault | None:
    """What is wrong with a resource before the definitions are asked."""
    if not isinstance(resource, dict):
        return "resource", "not an object"
    if not type_of(resource):
        return "resourceType", "not a resource type of FHIR R4"
    own_id = resource.get("id")
    if own_id is not None and not (isinstance(own_id, str) and _ID.fullmatch(own_id)):
        return "id", "not a FHIR id"
    if not is_meta(resource.get("meta", {})):
        return "meta", "not an object with an array of security labels"
    return _contained_fault(resource) if "contained" in resource else None


def is_meta(meta: Any) -> bool:
    """Whether security labels can be read from it: what cannot be read cannot be honoured."""
    labels = meta.get("security", []) if isinstance(meta, dict) else None
    return isinstance(labels, list) and all(
        isinstance(label, dict) and isinstance(label.get("code"), str) for label in labels
    )


def _contained_fault(resource: Resource) -> Fault | None:
    if not isinstance(resource.get("contained", []), list):
        return "contained", "not an array"
    for index, inner in enumerate(resource.get("contained", [])):
        if not type_of(inner):
            return f"contained[{index}].resourceType", "not a resource type of FHIR R4"
        if not is_meta(inner.get("meta", {})):
            return f"contained[{index}].meta", "not an object with an array of security labels"
        if "contained" in inner:
            return f"contained[{index}].contained", "a contained resource contains none"
    return None


class Naming:
    """What the references of one file name, as far as the file says it."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._types: dict[str, str] = {}
        self._forms: dict[str, Reference | None] = {}
        for entry in entries:
            self.add(entry.full_url, entry.type)

    def add(self, full_url: str | None, kind: str) -> None:
        """There is a resource of this type under this name."""
        if full_url:
            self._types[full_url] = kind

    def fault(self, entry: Entry) -> Fault | None:
        """What is wrong with the references of an entry: their form, or the type of what they name."""
        inside = {f"#{inner.get('id')}": type_of(inner) for inner in objects_at(entry.resource, "contained")}
        for reference, targets in entry.examined.references:
            text = reference.get("reference")
            what = self._wrong(text, inside) if text is not None else None
            if what:
                return located(entry.resource, [(reference, "reference", what)])[0].path, what
            kind = (self._type(text, inside) if text else "") or reference.get("type", "")
            if targets and kind and kind not in targets:
                what = f"not a reference to {' or '.join(sorted(targets))}"
                return located(entry.resource, [(reference, None, what)])[0].path, what
        return None

    def _form(self, text: str) -> Reference | None:
        if text not in self._forms:
            self._forms[text] = taken_apart(text)
        return self._forms[text]

    def _wrong(self, text: str, inside: dict[str, str]) -> str | None:
        if text in self._types:
            return None
        found = self._form(text)
        if not found:
            return "not a reference"
        if found.form is Form.CONTAINED and text != "#" and text not in inside:
            return "refers to a contained resource that is not there"
        return None

    def _type(self, text: str, inside: dict[str, str]) -> str:
        known = self._types.get(text) or inside.get(text)
        if known:
            return known
        found = self._form(text)
        return found.type if found else ""
