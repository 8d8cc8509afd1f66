"""A file to record versions: one per resource, each placed, attributed, and named so that a second import is seen."""

from __future__ import annotations

import gc
import hashlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from uuid import UUID

from careledger.domain.errors import FhirRefused, NotExchanged
from careledger.fhir import mapping
from careledger.fhir.authorship import Authorship, Identifier, Lookup
from careledger.fhir.canonical import canonical, content_digest
from careledger.fhir.dates import clinical_date
from careledger.fhir.entries import LARGE, Entry, Reject, read_resource, shortened
from careledger.fhir.json_text import Resource
from careledger.fhir.links import Links, stated_patient, stated_subject
from careledger.fhir.parse import ParsedFile, parse_file
from careledger.fhir.paths import identifiers_of
from careledger.fhir.placing import Placings, patient_for, settle
from careledger.fhir.references import renamed
from careledger.fhir.stream import Source, read_file
from careledger.fhir.validation.findings import Spot, located
from careledger.fhir.versions import ImportedVersion, ImportReport, Notice
from careledger.formats.digests import digest

MOST_KEY = 512
NAMING = frozenset({"id", "meta", "identifier", "text"})

OUTSIDE = "refers to something that is not in this file"
NOBODYS = "is about no patient of this file"
A_DOCUMENT = "a Consent in a file is a document and grants nothing"


@contextmanager
def uncollected() -> Iterator[None]:
    """No search for cycles until the block ends: a file's objects have none, and each search would look at all."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def nobody_registered(system: str, value: str) -> int | None:
    """A lookup that finds nobody."""
    return None


def import_bundle(
    data: bytes,
    file_name: str,
    *,
    namespace: bytes = b"",
    home: Identifier | None = None,
    lookup: Lookup = nobody_registered,
) -> ImportReport:
    """What a file of FHIR R4 JSON holds, as record versions.

    ``namespace`` is the importing organisation's: the same source gives the same record ids there and others
    elsewhere. ``home`` is an identifier (system, value) of that organisation; without it the organisation of most
    encounters is taken for it. ``lookup`` finds registered parties by identifier and makes none.

    Raises FhirRefused if the file as a whole cannot be imported.
    """
    with uncollected():
        return _report(parse_file(data, file_name), namespace, home, lookup)


def import_open(
    file: Source,
    file_name: str,
    *,
    namespace: bytes = b"",
    home: Identifier | None = None,
    lookup: Lookup = nobody_registered,
) -> ImportReport:
    """As ``import_bundle``, of a seekable file in bounded memory: a version of a large resource has its ``place``
    there and neither canonical nor original bytes; ``loaded`` gives them."""
    with uncollected():
        return _report(read_file(file, file_name), namespace, home, lookup)


def loaded(version: ImportedVersion, data: bytes) -> ImportedVersion:
    """A version that was left in its file, from its bytes there, with its canonical form.

    The bytes as they stood are not sealed beside it: they would double what an attachment takes. Raises FhirRefused
    if these are other bytes than were read before.
    """
    place = version.place
    if place is None:
        return version
    made = read_resource(data, version.index) if hashlib.sha256(data).digest() == place.sha256 else None
    if not isinstance(made, Entry):
        raise FhirRefused(entry=version.index, problem="the file changed while it was read")
    canonical_bytes = _canonical(made, version.record_id, dict(version.references))
    return replace(version, canonical=canonical_bytes)


def _report(parsed: ParsedFile, namespace: bytes, home: Identifier | None, lookup: Lookup) -> ImportReport:
    rejects = list(parsed.rejects)
    entries, placings = _placed(parsed, rejects)
    keys = _source_keys(entries, rejects)
    links = Links(entry for entry in entries if entry.index in keys)
    splitter = _Splitter(links, settle(links, placings), keys, namespace, Authorship(links, lookup, home))
    made = tuple(splitter.version(entry) for entry in links.entries)
    return ImportReport(
        file_name=parsed.name,
        versions=made,
        warnings=tuple(warning for entry in links.entries for warning in splitter.warnings(entry)),
        unmapped=tuple(splitter.unmapped()),
        rejects=tuple(sorted(rejects, key=lambda reject: reject.index)),
        mapping_version=mapping.version(),
    )


def _placed(parsed: ParsedFile, rejects: list[Reject]) -> tuple[list[Entry], Placings]:
    kept: list[Entry] = []
    placings: Placings = {}
    guarded = mapping.is_guarded({"meta": parsed.meta})
    for entry in parsed.entries:
        try:
            placing = mapping.place(entry.resource, entry.examined.codings)
            placings[entry.index] = placing.restricted_because("bundle-label") if guarded else placing
            kept.append(entry)
        except NotExchanged as refusal:
            rejects.append(Reject(entry.index, "resourceType", str(refusal.details["why"]), entry.type))
    return kept, placings


def _source_keys(entries: list[Entry], rejects: list[Reject]) -> dict[int, str]:
    """What each record is called at its source, by index; a second record of one name is rejected, and another one
    without a name that says the same is numbered."""
    keys: dict[int, str] = {}
    seen: Counter[str] = Counter()
    for entry in entries:
        key = source_key(entry)
        if seen[key] and key.startswith(f"{entry.type}#"):
            seen[key] += 1
            key = f"{key}#{seen[key]}"
        if seen[key]:
            rejects.append(Reject(entry.index, "id", "the same record twice in one file", entry.type))
            continue
        seen[key] += 1
        keys[entry.index] = key
    return keys


def source_key(entry: Entry) -> str:
    """What a record is called at its source: its id, else a business identifier, else its URL, else its content.

    Of large ones that is the content with digests where long texts are, wherever they were read.
    """
    own_id = entry.resource.get("id")
    if own_id:
        return f"{entry.type}/{own_id}"
    for system, value in identifiers_of(entry.resource):
        if system:
            return _short(f"{entry.type}?identifier={system}|{value}")
    if entry.full_url:
        return _short(entry.full_url)
    resource = entry.resource if len(entry.original) <= LARGE else shortened(entry.resource)
    return f"{entry.type}#{content_digest(canonical(resource)).hex()}"


def _short(key: str) -> str:
    return key if len(key) <= MOST_KEY else f"digest:{digest('fhir-source-key', key.encode()).hex()}"


def record_id(namespace: bytes, subject_key: str, key: str) -> UUID:
    """The record id of what an organisation calls ``key`` in the file of the patient whom it calls ``subject_key``.

    A version-8 UUID (RFC 9562) of the digest of the three, so that a second import finds the first.
    """
    found = digest("fhir-record-id", namespace, subject_key.encode(), key.encode())[:16]
    number = int.from_bytes(found, "big")
    number = number & ~(0xF << 76) | 8 << 76
    number = number & ~(0x3 << 62) | 2 << 62
    return UUID(int=number)


class _Splitter:
    def __init__(
        self, links: Links, placings: Placings, keys: dict[int, str], namespace: bytes, authorship: Authorship
    ) -> None:
        self._links = links
        self._placings = placings
        self._keys = keys
        self._authorship = authorship
        self._patients = {entry.index: patient_for(links, entry) for entry in links.entries}
        self._ids = {
            entry.index: record_id(namespace, self._subject_key(entry), keys[entry.index])
            for entry in links.entries
        }

    def version(self, entry: Entry) -> ImportedVersion:
        """The version that an entry becomes."""
        placing = self._placings[entry.index]
        patient = self._patients[entry.index]
        references = self._references(entry)
        return ImportedVersion(
            index=entry.index,
            record_id=self._ids[entry.index],
            resource_type=entry.type,
            canonical=b"" if entry.place else _canonical(entry, self._ids[entry.index], references),
            original=entry.original if len(entry.original) <= LARGE else b"",
            compartment=placing.compartment,
            row=placing.row,
            why_restricted=placing.why_restricted,
            clinical_date=self._date(entry),
            subject=self._ids[patient.index] if patient else None,
            subject_stated=stated_subject(entry.resource)[:256],
            patient_key=self._patient_key(entry),
            author=self._authorship.author(entry),
            forwarded_by=self._authorship.forwarded_by(entry),
            source_key=self._keys[entry.index],
            full_url=entry.full_url,
            source_id=entry.resource.get("id"),
            references=tuple(references.items()),
            place=entry.place,
            content=_content(entry),
        )

    def warnings(self, entry: Entry) -> Iterator[Notice]:
        """What people should know about an entry."""
        for found in entry.examined.warnings:
            yield Notice(entry.index, entry.type, found.what, found.path)
        for path, what in self._loose(entry):
            yield Notice(entry.index, entry.type, what, path)
        if self._patients[entry.index] is None and self._links.patient_of(entry) is None:
            yield Notice(entry.index, entry.type, NOBODYS)
        if entry.type == "Consent":
            yield Notice(entry.index, entry.type, A_DOCUMENT)

    def _loose(self, entry: Entry) -> Iterator[tuple[str, str]]:
        """The references that this file does not settle, as (path, what)."""
        spots: list[Spot] = []
        for reference, _ in entry.examined.references:
            text = reference.get("reference", "#")
            if not text.startswith("#") and not self._links.find(text):
                spots.append((reference, "reference", OUTSIDE))
            elif "/_history/" in text:
                spots.append((reference, "reference", "pins a version that this file does not prove"))
        for found in located(entry.resource, spots) if spots else ():
            yield found.path, found.what

    def unmapped(self) -> Iterator[Notice]:
        """The entries that no rule knew."""
        for entry in self._links.entries:
            if self._placings[entry.index].listed:
                yield Notice(
                    entry.index, entry.type, "no rule of the mapping knows it: diagnosis, restricted"
                )

    def _patient_key(self, entry: Entry) -> str:
        patient = self._patients[entry.index]
        return self._keys[patient.index] if patient else stated_patient(entry.resource)

    def _subject_key(self, entry: Entry) -> str:
        return self._patient_key(entry) or stated_subject(entry.resource)

    def _references(self, entry: Entry) -> dict[str, UUID]:
        """The references that are rewritten, one spelling per record: so the way back is certain."""
        made: dict[str, UUID] = {}
        named: set[int] = set()
        for text in self._links.named(entry):
            found = self._links.find(text)
            if found and found.index not in named and "/_history/" not in text:
                named.add(found.index)
                made[text] = self._ids[found.index]
        return made

    def _date(self, entry: Entry) -> str | None:
        stated = clinical_date(entry.resource)
        encounter = self._links.encounter_of(entry)
        return stated or (clinical_date(encounter.resource) if encounter else None)


def _content(entry: Entry) -> bytes:
    """What a resource says whatever it and others are called: 16 bytes of a digest."""
    names = dict.fromkeys(entry.names, "")
    with renamed([each for each, _ in entry.examined.references], "reference", names):
        said = {name: inner for name, inner in entry.resource.items() if name not in NAMING}
        said = shortened(said) if len(entry.original) > LARGE else said
        return content_digest(canonical(said))[:16]


def _canonical(entry: Entry, record: UUID, references: dict[str, UUID]) -> bytes:
    """The statement under our own ids, as canonical JSON."""
    names = {text: f"urn:uuid:{other}" for text, other in references.items()}
    linked = entry.examined.linked if names else ()
    with (
        renamed([each for each, _ in entry.examined.references], "reference", names),
        renamed(linked, "url", names),
    ):
        return canonical(without_server_marks({**entry.resource, "id": str(record)}))


def without_server_marks(resource: Resource) -> Resource:
    """The resource without ``meta.versionId`` and ``meta.lastUpdated``, which say when a server stored it."""
    meta = resource.get("meta")
    if not isinstance(meta, dict):
        return resource
    kept = {name: inner for name, inner in meta.items() if name not in ("versionId", "lastUpdated")}
    rest = {name: inner for name, inner in resource.items() if name != "meta"}
    return {**rest, "meta": kept} if kept else rest
