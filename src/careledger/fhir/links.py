"""The resources of one file and how they point at each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from careledger.fhir.entries import Entry
from careledger.fhir.json_text import Resource
from careledger.fhir.paths import texts_at, there
from careledger.fhir.references import taken_apart

ENCOUNTER_PATHS = ("encounter", "context", "context.encounter")
SUBJECT_PATHS = ("subject", "patient", "beneficiary", "for", "individual")


class Links:
    """An index over the entries of a file; references are resolved only inside the file."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.entries = tuple(entries)
        self._by_name: dict[str, Entry] = {}
        for entry in self.entries:
            if entry.full_url:
                self._by_name.setdefault(entry.full_url, entry)
            if "id" in entry.resource:
                self._by_name.setdefault(f"{entry.type}/{entry.resource['id']}", entry)
        self.patients = tuple(entry for entry in self.entries if entry.type == "Patient")
        self._has_binaries = any(entry.type == "Binary" for entry in self.entries)
        self._encounters: dict[int, Entry | None] = {}
        self._patients: dict[int, Entry | None] = {}
        self._referrers: dict[int, list[Entry]] = defaultdict(list)
        for entry in self.entries:
            for target in self.targets(entry):
                self._referrers[target.index].append(entry)

    def find(self, text: str) -> Entry | None:
        """The entry that a reference or URL names, or None."""
        found = self._by_name.get(text)
        if found or text.startswith("#"):
            return found
        taken = taken_apart(text)
        if not taken or not taken.id:
            return None
        return self._by_name.get(taken.unversioned) or self._by_name.get(f"{taken.type}/{taken.id}")

    def targets(self, entry: Entry) -> list[Entry]:
        """The other entries that this one refers to, each once, in order."""
        found = {target.index: target for text in self.named(entry) if (target := self.find(text))}
        found.pop(entry.index, None)
        return list(found.values())

    def named(self, entry: Entry) -> list[str]:
        """All that this entry refers to as written; attachments' URLs too, where the file has a Binary."""
        named = entry.names
        if self._has_binaries:
            named += [each["url"] for each in entry.examined.linked if isinstance(each["url"], str)]
        return named

    def referrers(self, entry: Entry) -> list[Entry]:
        """The entries that refer to this one, in the file's order."""
        return self._referrers[entry.index]

    def encounter_of(self, entry: Entry) -> Entry | None:
        """The encounter at which a record was made: itself, or the one that it names."""
        if entry.index not in self._encounters:
            self._encounters[entry.index] = self._first(entry, ENCOUNTER_PATHS, "Encounter")
        return self._encounters[entry.index]

    def patient_of(self, entry: Entry) -> Entry | None:
        """The patient in the file whom a record is about."""
        if entry.index not in self._patients:
            self._patients[entry.index] = self._first(entry, SUBJECT_PATHS, "Patient")
        return self._patients[entry.index]

    def _first(self, entry: Entry, paths: Iterable[str], kind: str) -> Entry | None:
        if entry.type == kind:
            return entry
        for path in there(entry.resource, paths):
            for reference in texts_at(entry.resource, f"{path}.reference"):
                found = self.find(reference)
                if found and found.type == kind:
                    return found
        return None


def stated_patient(resource: Resource) -> str:
    """What a resource calls the patient whom it is about, as ``Patient/`` and an id; empty if it does not say so."""
    for path in there(resource, SUBJECT_PATHS):
        for text in texts_at(resource, f"{path}.reference"):
            found = taken_apart(text)
            if found and found.type == "Patient" and found.id:
                return f"Patient/{found.id}"
    return ""


def stated_subject(resource: Resource) -> str:
    """The reference or display of whom a resource says that it is about; empty if it does not say."""
    for path in there(resource, SUBJECT_PATHS):
        for name in ("reference", "display"):
            found = texts_at(resource, f"{path}.{name}")
            if found:
                return found[0]
    return ""
