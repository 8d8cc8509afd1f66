"""Small FHIR files for tests, and what the sample and the folder of real data give when imported."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from careledger.fhir.sample import sample_files
from careledger.fhir.split import import_bundle
from careledger.fhir.versions import ImportReport

PATIENT = {"resourceType": "Patient", "id": "p1", "name": [{"given": ["Nur"], "family": "Jahan"}]}
LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"


def concept(code: str, system: str = SNOMED) -> dict[str, Any]:
    """A CodeableConcept of one coding."""
    return {"coding": [{"system": system, "code": code}]}


def about(kind: str, name: str, **elements: Any) -> dict[str, Any]:
    """A resource about the patient."""
    return {"resourceType": kind, "id": name, "subject": {"reference": "Patient/p1"}, **elements}


def observation(name: str = "o1", category: str | None = None, **elements: Any) -> dict[str, Any]:
    """An observation about the patient, in one observation category or none."""
    listed = (
        []
        if category is None
        else [concept(category, "http://terminology.hl7.org/CodeSystem/observation-category")]
    )
    return about("Observation", name, **({"category": listed} if listed else {}), **elements)


def file_of(*resources: dict[str, Any], kind: str = "collection", **elements: Any) -> bytes:
    """A bundle of these resources."""
    entries = [{"resource": resource} for resource in resources]
    return json.dumps({"resourceType": "Bundle", "type": kind, **elements, "entry": entries}).encode()


def imported(*resources: dict[str, Any], **arguments: Any) -> ImportReport:
    """The report of a file of the patient and these resources."""
    return import_bundle(file_of(PATIENT, *resources), "small.json", **arguments)


@cache
def sample_reports() -> tuple[ImportReport, ...]:
    """The sample, imported once for all tests."""
    return tuple(import_bundle(data, name, namespace=b"tests") for name, data in sample_files())


@cache
def folder_reports(folder: Path) -> tuple[ImportReport, ...]:
    """All files of a folder, imported once for all tests."""
    paths = sorted(folder.glob("*.json"))
    return tuple(import_bundle(path.read_bytes(), path.name, namespace=b"tests") for path in paths)
