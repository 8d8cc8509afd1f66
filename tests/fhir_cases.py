"""Small FHIR files for tests, and what the sample and the folder of real data give when imported."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from careledger.fhir.definitions.tables import definitions
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
    """A resource about the patient, with what R4 demands of its type."""
    there = definitions().shapes[kind]["elements"]
    subject = next(
        each for each in ("subject", "patient", "beneficiary", "for", "individual") if each in there
    )
    stated = {"resourceType": kind, "id": name, subject: {"reference": "Patient/p1"}, **elements}
    return whole(stated)


def observation(name: str = "o1", category: str | None = None, **elements: Any) -> dict[str, Any]:
    """An observation about the patient, in one observation category or none."""
    listed = (
        []
        if category is None
        else [concept(category, "http://terminology.hl7.org/CodeSystem/observation-category")]
    )
    return about("Observation", name, **({"category": listed} if listed else {}), **elements)


# What invariants ask for beside the elements that are required.
_ALSO: dict[str, dict[str, Any]] = {
    "Appointment": {"start": "2020-02-29T10:00:00Z", "end": "2020-02-29T10:30:00Z"},
    "Appointment.participant": {"actor": {"display": "somebody"}},
    "AppointmentResponse": {"actor": {"display": "somebody"}},
    "CapabilityStatement": {"rest": [{"mode": "server"}], "kind": "requirements", "description": "x"},
    "Consent": {"policyRule": {"text": "x"}},
    "ImmunizationRecommendation.recommendation": {"vaccineCode": [{"text": "x"}]},
    "InsurancePlan": {"name": "x"},
    "Linkage": {"item": [{"type": "source", "resource": {"display": "x"}}] * 2},
    "StructureDefinition": {"differential": {"element": [{"id": "x", "path": "x"}]}},
    "TerminologyCapabilities": {"description": "x", "kind": "requirements"},
    "TriggerDefinition": {"type": "named-event", "name": "x"},
    "AllergyIntolerance": {
        "clinicalStatus": concept(
            "active", "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"
        )
    },
    "Attachment": {"contentType": "text/plain"},
    "Organization": {"name": "Hill Clinic"},
}
_VALUES: dict[str, Any] = {
    "base64Binary": "AAAA",
    "boolean": True,
    "date": "2020-02-29",
    "dateTime": "2020-02-29",
    "decimal": 1,
    "id": "a",
    "instant": "2020-02-29T10:00:00Z",
    "integer": 1,
    "oid": "urn:oid:1.2",
    "positiveInt": 1,
    "time": "10:00:00",
    "unsignedInt": 0,
    "uuid": "urn:uuid:9afe28dc-7ad5-4e90-b6a6-16123eae98c3",
    "xhtml": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>',
    "Reference": {"display": "somebody"},
    "Resource": {"resourceType": "Patient"},
    "Extension": {"url": "urn:x", "valueString": "x"},
}


def whole(value: dict[str, Any], kind: str | None = None) -> dict[str, Any]:
    """The value with what the definitions demand of its type and the test does not state."""
    name = kind or str(value.get("resourceType"))
    table = definitions().shapes.get(name)
    if table is None:
        return value
    stated = {**_ALSO.get(name, {}), **value}
    made = {each: _completed(inner, table["elements"].get(each)) for each, inner in stated.items()}
    for each, element in table["elements"].items():
        if element["min"] and each not in made and f"_{each}" not in made:
            made[each] = _listed(element, example(element))
    for least, names in table.get("choices", {}).values():
        if least and not set(names) & set(made):
            made[names[0]] = example(table["elements"][names[0]])
    return made


def _completed(inner: Any, element: dict[str, Any] | None) -> Any:
    if element is None or element["type"] in _VALUES:
        return inner
    if isinstance(inner, list):
        return [_completed(each, element) for each in inner]
    return whole(inner, element["type"]) if isinstance(inner, dict) else inner


def _listed(element: dict[str, Any], value: Any) -> Any:
    return value if element["max"] == 1 else [value]


def example(element: dict[str, Any]) -> Any:
    """A value that an element of the definitions takes."""
    strength, url, *_ = element.get("bound") or ("example", "")
    codes = {} if strength == "example" else definitions().sets[url].get("codes", {})
    coding = next(({"system": system, "code": listed[0]} for system, listed in codes.items()), None)
    kind = element["type"]
    if kind == "code" and url.endswith("mimetypes"):
        return "text/plain"
    if kind in ("code", "Coding", "CodeableConcept"):
        plain = coding or {"system": "urn:x", "code": "USD"}
        return {"code": plain["code"], "Coding": plain, "CodeableConcept": {"coding": [plain]}}[kind]
    if kind in definitions().primitives:
        return _VALUES.get(kind, "x")
    return (
        _VALUES[kind]
        if kind in _VALUES
        else whole({}, kind) or {"id": "x", "extension": [_VALUES["Extension"]]}
    )


def file_of(*resources: dict[str, Any], kind: str = "collection", **elements: Any) -> bytes:
    """A bundle of these resources, each made whole."""
    entries = [{"resource": whole(resource)} for resource in resources]
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
