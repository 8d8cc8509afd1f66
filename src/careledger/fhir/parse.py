"""A file of FHIR R4 JSON to its resources, each with its original bytes.

What is wrong with the text as a whole refuses the file (FhirRefused); what is wrong with one entry rejects that
entry, and the report names it: nothing is dropped silently, nothing is guessed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from careledger.domain.errors import FhirRefused
from careledger.fhir.dates import unreal_dates
from careledger.fhir.definitions.tables import resource_types
from careledger.fhir.json_text import Cursor, Flaw, Resource, check, decoded
from careledger.fhir.paths import texts_at
from careledger.fhir.references import Form, is_full_url, references_in, taken_apart

BUNDLE_TYPES = frozenset(["transaction", "collection", "batch", "document", "searchset"])
MOST_ENTRIES = 200_000
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


@dataclass(frozen=True, slots=True, repr=False)
class Entry:
    """One resource of a file.

    ``original`` are its bytes as they stand in the file; ``references`` all that it refers to, as (path, text).
    """

    index: int
    full_url: str | None
    resource: Resource
    original: bytes
    references: tuple[tuple[str, str], ...]

    @property
    def type(self) -> str:
        """Its resource type."""
        return str(self.resource["resourceType"])


@dataclass(frozen=True, slots=True)
class Reject:
    """One entry that is not imported, with the place and the reason; never anything that it says."""

    index: int
    path: str
    why: str
    resource_type: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class ParsedFile:
    """What one file holds; ``bundle_type`` is None for a single resource, ``meta`` the bundle's own."""

    name: str
    bundle_type: str | None
    entries: tuple[Entry, ...]
    rejects: tuple[Reject, ...]
    meta: Resource


def parse_file(data: bytes, name: str) -> ParsedFile:
    """The resources of a bundle or a single resource.

    Raises FhirRefused (file, entry, path, problem) if the bytes are not strict JSON of a resource, or the bundle is
    of a type that is not imported.
    """
    reader = _FileReader(name)
    try:
        return reader.read(data)
    except Flaw as flaw:
        raise reader.refusal(flaw.path, flaw.why) from None


@dataclass(frozen=True, slots=True, repr=False)
class _Raw:
    """A resource inside an entry: its value and where it stands in the text."""

    value: Any
    start: int
    end: int


class _FileReader:
    def __init__(self, name: str) -> None:
        self.name = name
        self.entry: int | None = None

    def refusal(self, path: str, problem: str) -> FhirRefused:
        where: dict[str, object] = {"file": self.name}
        if self.entry is not None:
            where["entry"] = self.entry
        if path:
            where["path"] = path
        return FhirRefused(**where, problem=problem)

    def read(self, data: bytes) -> ParsedFile:
        text = decoded(data)
        cursor = Cursor(text)
        if not cursor.looks_at("{"):
            raise cursor.flaw("expected a FHIR resource", cursor.at)
        top = cursor.members(lambda name: self._member(cursor, name))
        cursor.end()
        if top.get("resourceType") == "Bundle":
            return self._bundle(text, top)
        return self._single(text)

    def _member(self, cursor: Cursor, name: str) -> Any:
        if name != "entry" or not cursor.looks_at("["):
            return cursor.value()
        made = cursor.items(lambda index: self._entry(cursor, index))
        self.entry = None
        return made

    def _entry(self, cursor: Cursor, index: int) -> Any:
        self.entry = index
        if index >= MOST_ENTRIES:
            raise Flaw(f"more than {MOST_ENTRIES} entries")
        if not cursor.looks_at("{"):
            return cursor.value()
        return cursor.members(lambda name: self._in_entry(cursor, name))

    def _in_entry(self, cursor: Cursor, name: str) -> Any:
        if name != "resource":
            return cursor.value()
        cursor.looks_at("{")
        start = cursor.at
        return _Raw(cursor.value(), start, cursor.at)

    def _single(self, text: str) -> ParsedFile:
        cursor = Cursor(text)
        value = cursor.value()
        check(value)
        references = references_in(value)
        fault = _fault(value, references)
        if fault:
            raise self.refusal(*fault)
        entry = Entry(0, None, value, text.strip().encode(), references)
        return ParsedFile(self.name, None, (entry,), (), {})

    def _bundle(self, text: str, top: Resource) -> ParsedFile:
        kind = top.get("type")
        if kind not in BUNDLE_TYPES:
            raise self.refusal("type", f"a bundle of this type is not imported; only {sorted(BUNDLE_TYPES)}")
        listed = top.get("entry", [])
        if not isinstance(listed, list):
            raise self.refusal("entry", "not an array")
        check({name: inner for name, inner in top.items() if name != "entry"})
        if not _is_meta(top.get("meta", {})):
            raise self.refusal("meta", "not an object with an array of security labels")
        taken: list[Entry] = []
        rejects: list[Reject] = []
        for index, entry in enumerate(listed):
            made = self._taken(index, entry, text)
            if isinstance(made, Entry):
                taken.append(made)
            else:
                rejects.append(made)
        self.entry = None
        return ParsedFile(self.name, str(kind), *_without_repeats(taken, rejects), top.get("meta", {}))

    def _taken(self, index: int, entry: Any, text: str) -> Entry | Reject:
        self.entry = index
        if not isinstance(entry, dict):
            return Reject(index, "", "not an object")
        raw = entry.pop("resource", None)
        if entry:
            check(entry)
        if not isinstance(raw, _Raw):
            return Reject(index, "resource", "no resource")
        try:
            check(raw.value)
        except Flaw as flaw:
            flaw.place.append("resource")
            raise
        references = references_in(raw.value)
        fault = _entry_fault(entry) or _fault(raw.value, references)
        if fault:
            return Reject(index, *fault, resource_type=_type_of(raw.value))
        original = text[raw.start : raw.end].encode()
        return Entry(index, entry.get("fullUrl"), raw.value, original, references)


def _type_of(value: Any) -> str:
    kind = value.get("resourceType") if isinstance(value, dict) else None
    return kind if isinstance(kind, str) and kind in resource_types() else ""


def _without_repeats(
    taken: list[Entry], rejects: list[Reject]
) -> tuple[tuple[Entry, ...], tuple[Reject, ...]]:
    seen: set[str] = set()
    kept = []
    for entry in taken:
        if entry.full_url and entry.full_url in seen:
            rejects.append(Reject(entry.index, "fullUrl", "the same fullUrl twice in one bundle", entry.type))
            continue
        seen.add(entry.full_url or "")
        kept.append(entry)
    return tuple(kept), tuple(rejects)


Fault = tuple[str, str]
References = tuple[tuple[str, str], ...]


def _entry_fault(entry: Resource) -> Fault | None:
    """What is wrong with an entry around its resource, as (path, why)."""
    full_url = entry.get("fullUrl")
    if full_url is not None and not (isinstance(full_url, str) and is_full_url(full_url)):
        return "fullUrl", "not an absolute URL or a urn:uuid"
    request = entry.get("request")
    method = request.get("method") if isinstance(request, dict) else None
    if request is not None and method not in ("POST", "PUT"):
        return "request.method", "only POST and PUT are imported; a record is never deleted by a file"
    return None


def _fault(resource: Any, references: References) -> Fault | None:
    """What is wrong with a resource by itself, as (path, why); None if it can be imported."""
    if not isinstance(resource, dict):
        return "resource", "not an object"
    if not _type_of(resource):
        return "resourceType", "not a resource type of FHIR R4"
    own_id = resource.get("id")
    if own_id is not None and not (isinstance(own_id, str) and _ID.fullmatch(own_id)):
        return "id", "not a FHIR id"
    if not _is_meta(resource.get("meta", {})):
        return "meta", "not an object with an array of security labels"
    unreal = unreal_dates(resource)
    if unreal:
        return unreal[0], "not a date of a day that exists"
    return _contained_fault(resource) or _reference_fault(resource, references)


def _is_meta(meta: Any) -> bool:
    """Whether security labels can be read from it: what cannot be read cannot be honoured."""
    labels = meta.get("security", []) if isinstance(meta, dict) else None
    return isinstance(labels, list) and all(
        isinstance(label, dict) and isinstance(label.get("code"), str) for label in labels
    )


def _contained_fault(resource: Resource) -> Fault | None:
    if not isinstance(resource.get("contained", []), list):
        return "contained", "not an array"
    for index, inner in enumerate(resource.get("contained", [])):
        if not _type_of(inner):
            return f"contained[{index}].resourceType", "not a resource type of FHIR R4"
        if not _is_meta(inner.get("meta", {})):
            return f"contained[{index}].meta", "not an object with an array of security labels"
        if "contained" in inner:
            return f"contained[{index}].contained", "a contained resource contains none"
    return None


def _reference_fault(resource: Resource, references: References) -> Fault | None:
    inside = {f"#{name}" for name in texts_at(resource, "contained.id")}
    for path, text in references:
        found = taken_apart(text)
        if not found:
            return path, "not a reference"
        if found.form is Form.CONTAINED and text != "#" and text not in inside:
            return path, "refers to a contained resource that is not there"
    return None
