"""A file of FHIR R4 JSON to its resources, each with its original bytes.

What is wrong with the text as a whole refuses the file (FhirRefused); what is wrong with one entry rejects that
entry, and the report names it: nothing is dropped silently, nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from careledger.domain.errors import FhirRefused
from careledger.fhir import mapping
from careledger.fhir.entries import Entry, Fault, Naming, Reject, is_meta, read_resource, taken
from careledger.fhir.json_text import Cursor, Flaw, Resource, check, decoded, is_plain
from careledger.fhir.references import is_full_url
from careledger.fhir.validation.check import strange_in

BUNDLE_TYPES = frozenset(["transaction", "collection", "batch", "document", "searchset"])
MOST_ENTRIES = 200_000
MOST_NAME = 200
NDJSON = ".ndjson"


@dataclass(frozen=True, slots=True, repr=False)
class ParsedFile:
    """What one file holds; ``bundle_type`` is None for a single resource, ``meta`` the bundle's own."""

    name: str
    bundle_type: str | None
    entries: tuple[Entry, ...]
    rejects: tuple[Reject, ...]
    meta: Resource


def parse_file(data: bytes, name: str) -> ParsedFile:
    """The resources of a bundle, of a single resource, or of the lines of a file whose name ends in ``.ndjson``.

    Raises FhirRefused (file, entry, path, problem) if the bytes are not strict JSON of a resource, or the bundle is
    of a type that is not imported; a line that is not is a reject.
    """
    if name.lower().endswith(NDJSON):
        return _parsed_lines(data, name)
    reader = FileReader(name)
    try:
        return reader.read(data)
    except Flaw as flaw:
        raise reader.refusal(flaw.path, flaw.why) from None


def _parsed_lines(data: bytes, name: str) -> ParsedFile:
    lines = (line for line in data.split(b"\n") if line.strip())
    return lines_of((read_resource(line, index) for index, line in enumerate(lines)), name)


def lines_of(read: Iterable[Entry | Reject], name: str) -> ParsedFile:
    """A file of these lines; raises FhirRefused for none and too many."""
    found = list(islice(read, MOST_ENTRIES + 1))
    if not 0 < len(found) <= MOST_ENTRIES:
        raise FhirRefused(file=shown(name), problem=f"not 1 to {MOST_ENTRIES} lines of resources")
    return ParsedFile(shown(name), None, *sorted_out(found), {})


def shown(name: str) -> str:
    """A file's name in one plain line of at most 200 characters, for people and terminals."""
    plain = "".join(each if each.isprintable() else "?" for each in name)
    return plain if len(plain) <= MOST_NAME else f"{plain[: MOST_NAME - 1]}…"


class FileReader:
    """Reads one file and knows, for its refusals, where it is."""

    def __init__(self, name: str) -> None:
        self.name = shown(name)
        self.entry: int | None = None

    def refusal(self, path: str, problem: str) -> FhirRefused:
        """A refusal of the whole file that says where."""
        where: dict[str, object] = {"file": self.name}
        if self.entry is not None:
            where["entry"] = self.entry
        if path:
            where["path"] = path
        return FhirRefused(**where, problem=problem)

    def read(self, data: bytes) -> ParsedFile:
        """The file; raises Flaw or FhirRefused."""
        text, depth = decoded(data)
        plain = is_plain(text, depth)
        cursor = Cursor(text)
        if not cursor.looks_at("{"):
            raise cursor.flaw("expected a FHIR resource", cursor.at)
        top = cursor.members(lambda name: self._member(cursor, name, plain))
        cursor.end()
        if top.get("resourceType") != "Bundle":
            return self._single(text, plain)
        listed = top.get("entry", [])
        if not isinstance(listed, list):
            raise self.refusal("entry", "not an array")
        return ParsedFile(self.name, self.kind_of(top), *sorted_out(listed), top.get("meta", {}))

    def _member(self, cursor: Cursor, name: str, plain: bool) -> Any:
        if name != "entry" or not cursor.looks_at("["):
            return cursor.value()
        made = cursor.items(lambda index: self.entry_at(cursor, index, plain=plain))
        self.entry = None
        return made

    def _single(self, text: str, plain: bool) -> ParsedFile:
        value = Cursor(text).value()
        made = taken(0, value, text.strip().encode(), plain=plain)
        if isinstance(made, Reject):
            raise self.refusal(made.path, made.why)
        wrong = Naming([made]).fault(made)
        if wrong and not mapping.is_refused(made.resource):
            raise self.refusal(*wrong)
        return ParsedFile(self.name, None, (made,), (), {})

    def kind_of(self, top: Resource) -> str:
        """The type of a bundle that is imported; raises FhirRefused or Flaw for what is wrong around its entries."""
        kind = top.get("type")
        if kind not in BUNDLE_TYPES:
            raise self.refusal("type", f"a bundle of this type is not imported; only {sorted(BUNDLE_TYPES)}")
        check({name: inner for name, inner in top.items() if name != "entry"})
        if not is_meta(top.get("meta", {})):
            raise self.refusal("meta", "not an object with an array of security labels")
        strange = strange_in("Bundle", top, frozenset(["entry", "resourceType"]))
        if strange:
            raise self.refusal(*strange)
        return str(kind)

    def entry_at(self, cursor: Cursor, index: int, *, plain: bool) -> Entry | Reject:
        """The entry here, judged by itself; raises Flaw."""
        self.entry = index
        if index >= MOST_ENTRIES:
            raise Flaw(f"more than {MOST_ENTRIES} entries")
        if not cursor.looks_at("{"):
            cursor.value()
            return Reject(index, "", "not an object")
        entry = cursor.members(lambda name: self._in_entry(cursor, name, plain))
        made = entry.pop("resource", None)
        if entry and not (plain and _is_url_only(entry)):
            check(entry)
        if made is None:
            return Reject(index, "resource", "no resource")
        fault = _entry_fault(entry)
        if fault:
            kind = made.type if isinstance(made, Entry) else made.resource_type
            return Reject(index, *fault, resource_type=kind)
        return replace(made, full_url=entry.get("fullUrl")) if isinstance(made, Entry) else made

    def _in_entry(self, cursor: Cursor, name: str, plain: bool) -> Any:
        """A value of an entry; its resource is judged at once, while it is at hand."""
        if name != "resource":
            return cursor.value()
        value, original = cursor.original()
        try:
            return taken(self.entry or 0, value, original, plain=plain)
        except Flaw as flaw:
            flaw.place.append("resource")
            raise


def _is_url_only(entry: Resource) -> bool:
    url = entry.get("fullUrl")
    return len(entry) == 1 and isinstance(url, str) and url != ""


def sorted_out(found: list[Entry | Reject]) -> tuple[tuple[Entry, ...], tuple[Reject, ...]]:
    """The entries that stand beside each other, and the rejects."""
    entries = [each for each in found if isinstance(each, Entry)]
    rejects = [each for each in found if isinstance(each, Reject)]
    naming = Naming(entries)
    seen: set[str] = set()
    kept = []
    for entry in entries:
        if entry.full_url and entry.full_url in seen:
            rejects.append(Reject(entry.index, "fullUrl", "the same fullUrl twice in one bundle", entry.type))
            continue
        seen.add(entry.full_url or "")
        fault = naming.fault(entry)
        if fault and not mapping.is_refused(entry.resource):
            rejects.append(Reject(entry.index, *fault, resource_type=entry.type))
        else:
            kept.append(entry)
    return tuple(kept), tuple(rejects)


def _entry_fault(entry: Resource) -> Fault | None:
    """What is wrong with an entry around its resource, as (path, why)."""
    full_url = entry.get("fullUrl")
    if full_url is not None and not (isinstance(full_url, str) and is_full_url(full_url)):
        return "fullUrl", "not an absolute URL or a urn:uuid"
    request = entry.get("request")
    method = request.get("method") if isinstance(request, dict) else None
    if request is not None and method not in ("POST", "PUT"):
        return "request.method", "only POST and PUT are imported; a record is never deleted by a file"
    return strange_in("Bundle.entry", entry, frozenset(["fullUrl"]))
