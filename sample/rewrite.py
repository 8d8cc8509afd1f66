"""Turns Synthea's output into the sample: sixteen resource types, every reference a urn:uuid.

Usage: rewrite.py PATIENTS DESTINATION FOLDER…

For each patient of the list the patient's bundle is read from the folders, resources of other types than KEPT are
dropped, and references are rewritten: conditional ones (``Practitioner?identifier=…``) to the urn:uuid of the
resource in Synthea's hospital and practitioner bundles, which is put into the patient's bundle; references to what
was dropped lose their ``reference`` and keep their ``display``, or vanish if they had none. A reference to a dropped
Medication becomes that medication's code. Numbers keep their digits. One file per patient, compressed with zstandard.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import zstandard

# fmt: off
KEPT = frozenset([
    "AllergyIntolerance", "CarePlan", "Claim", "Condition", "DiagnosticReport", "Encounter", "ExplanationOfBenefit",
    "Goal", "ImagingStudy", "Immunization", "MedicationRequest", "Observation", "Organization", "Patient",
    "Practitioner", "Procedure",
])
# fmt: on
Resource = dict[str, Any]


class Digits(float):
    """A number that is written with the digits it was read with."""

    def __new__(cls, text: str) -> Digits:
        made = super().__new__(cls, text)
        made.text = text
        return made

    text: str

    def __repr__(self) -> str:
        return self.text


def read(path: Path) -> Resource:
    """The bundle in a file."""
    bundle: Resource = json.loads(path.read_text("utf-8"), parse_float=Digits)
    return bundle


def write(value: Any) -> str:
    """JSON without white space; floats keep their digits."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(k)}:{write(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(write, value)) + "]"
    return repr(value) if isinstance(value, Digits) else json.dumps(value, ensure_ascii=False)


def providers(folders: list[Path]) -> dict[str, Resource]:
    """Entries of the hospital and practitioner bundles, by the conditional reference that finds them."""
    found: dict[str, Resource] = {}
    for folder in folders:
        for path in sorted([*folder.glob("hospitalInformation*"), *folder.glob("practitionerInformation*")]):
            for entry in read(path)["entry"]:
                for identifier in entry["resource"].get("identifier", []):
                    kind = entry["resource"]["resourceType"]
                    condition = f"{kind}?identifier={identifier['system']}|{identifier['value']}"
                    found.setdefault(condition, entry)
    return found


class Rewriter:
    """Rewrites one patient's bundle."""

    def __init__(self, bundle: Resource, known: dict[str, Resource]) -> None:
        self.entries = {entry["fullUrl"]: entry for entry in bundle["entry"]}
        self.known = known
        self.needed: dict[str, Resource] = {}

    def bundle(self) -> Resource:
        """The transaction bundle with the sixteen types, patient first, providers before who names them."""
        made: list[Resource] = []
        for url, entry in self.entries.items():
            if entry["resource"]["resourceType"] in KEPT:
                before = set(self.needed)
                resource = self.rewritten(entry["resource"])
                made += [self.plain(self.needed[u], u) for u in self.needed if u not in before]
                made.append(self.plain({**entry, "resource": resource}, url))
        return {"resourceType": "Bundle", "type": "transaction", "entry": made}

    def plain(self, entry: Resource, url: str) -> Resource:
        resource = entry["resource"]
        request = {"method": "POST", "url": resource["resourceType"]}
        return {"fullUrl": url, "resource": resource, "request": request}

    def rewritten(self, value: Any) -> Any:
        """The value with its references rewritten."""
        if isinstance(value, list):
            return [item for item in map(self.rewritten, value) if item not in ({}, None)]
        if not isinstance(value, dict):
            return value
        if isinstance(value.get("reference"), str):
            return self.reference(value)
        made = {}
        for key, inner in value.items():
            changed = self.rewritten(inner)
            if key == "medicationReference" and "reference" not in changed:
                made["medicationCodeableConcept"] = self.entries[inner["reference"]]["resource"]["code"]
            elif changed not in ({}, []):
                made[key] = changed
        return made

    def reference(self, value: Resource) -> Resource:
        """The reference as a urn:uuid; only its display if the target is not in the sample."""
        target = value["reference"]
        if target.startswith("#"):
            return value
        if "?" in target:
            entry = self.known[target]
            if entry["resource"]["resourceType"] in KEPT:
                self.needed.setdefault(entry["fullUrl"], entry)
                return {**value, "reference": entry["fullUrl"]}
        elif self.entries[target]["resource"]["resourceType"] in KEPT:
            return value
        return {key: inner for key, inner in value.items() if key != "reference"}


def chosen(path: Path) -> Iterator[str]:
    """The identifiers of the list; # begins a comment."""
    for line in path.read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            yield line


def main(patients: str, destination: str, *folders: str) -> None:
    """Writes one compressed bundle per chosen patient."""
    places = [Path(folder) for folder in folders]
    known = providers(places)
    compressor = zstandard.ZstdCompressor(level=19)
    for identifier in chosen(Path(patients)):
        (path,) = (match for place in places for match in place.glob(f"*_{identifier}.json"))
        bundle = Rewriter(read(path), known).bundle()
        name = re.sub(r"[^0-9A-Za-z_]", "", path.name.removesuffix(f"_{identifier}.json"))
        target = Path(destination, f"{name}.json.zst")
        target.write_bytes(compressor.compress(write(bundle).encode()))
        print(len(bundle["entry"]), target.stat().st_size, target.name)


if __name__ == "__main__":
    main(*sys.argv[1:])
