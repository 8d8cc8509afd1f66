"""Who answers for a record, and how that was found."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from careledger.fhir.paths import NPI
from careledger.fhir.versions import AuthorStatement
from fhir_cases import about, folder_reports, imported, observation

DOCTOR = {
    "resourceType": "Practitioner",
    "id": "d1",
    "identifier": [{"system": "urn:other", "value": "7"}, {"system": NPI, "value": "9999"}],
    "name": [{"prefix": ["Dr."], "given": ["Rina"], "family": "Das"}],
}
CLINIC = {
    "resourceType": "Organization",
    "id": "h1",
    "name": "Hill Clinic",
    "identifier": [{"system": "urn:org", "value": "1"}],
}
OTHER = {
    "resourceType": "Organization",
    "id": "h2",
    "name": "Port Hospital",
    "identifier": [{"system": "urn:org", "value": "2"}],
}
AT_VISIT: dict[str, Any] = {"encounter": {"reference": "Encounter/e1"}}


def visit(name: str = "e1", provider: str = "h1", **elements: Any) -> dict[str, Any]:
    provided = {"serviceProvider": {"reference": f"Organization/{provider}"}}
    return about("Encounter", name, **provided, **elements)


def seen_by_doctor(name: str = "e1") -> dict[str, Any]:
    return visit(name, participant=[{"individual": {"reference": "Practitioner/d1"}}])


def author_of(resource: dict[str, Any], *others: dict[str, Any], **arguments: Any) -> AuthorStatement:
    report = imported(resource, *others, DOCTOR, CLINIC, OTHER, **arguments)
    return next(version.author for version in report.versions if version.index == 1)


def test_a_record_s_own_element_names_its_author_before_anything_else() -> None:
    own = observation(performer=[{"reference": "Organization/h2"}], **AT_VISIT)
    provenance = {
        "resourceType": "Provenance",
        "target": [{"reference": "Observation/o1"}],
        "agent": [{"who": {"display": "Dr. Else"}}],
    }
    author = author_of(own, provenance, seen_by_doctor())
    assert (author.text, author.resolved, author.inferred) == ("Port Hospital", "own-element", False)


def test_a_provenance_names_the_author_before_the_visit_does() -> None:
    provenance = {
        "resourceType": "Provenance",
        "target": [{"reference": "Observation/o1"}],
        "agent": [{"who": {"display": "Dr. Else"}}],
    }
    author = author_of(observation(**AT_VISIT), provenance, seen_by_doctor())
    assert (author.text, author.resolved, author.inferred) == ("Dr. Else", "provenance", False)


def test_else_the_visit_s_practitioner_is_inferred() -> None:
    author = author_of(observation(**AT_VISIT), seen_by_doctor())
    assert (author.text, author.resolved, author.inferred) == ("Dr. Rina Das (NPI 9999)", "encounter", True)
    assert author.identifiers == ((NPI, "9999"), ("urn:other", "7"))


def test_else_whoever_points_to_it_is_inferred() -> None:
    plan = about("CarePlan", "c1", goal=[{"reference": "Goal/g1"}], **AT_VISIT)
    author = author_of(about("Goal", "g1"), plan, seen_by_doctor())
    assert (author.text, author.resolved, author.inferred) == ("Dr. Rina Das (NPI 9999)", "referrer", True)


def test_else_the_service_provider_is_inferred() -> None:
    author = author_of(observation(**AT_VISIT), visit())
    assert (author.text, author.resolved, author.inferred) == ("Hill Clinic", "service-provider", True)


def test_else_the_author_is_unknown_and_stays_so() -> None:
    author = author_of(observation(), seen_by_doctor())
    assert (author.text, author.resolved, author.party, author.inferred) == ("", "unknown", 0, True)


def test_a_patient_answers_for_what_the_patient_reports_and_a_device_for_what_it_measures() -> None:
    device = {"resourceType": "Device", "id": "v1"}
    assert author_of(observation(performer=[{"reference": "Patient/p1"}])).source == "patient-reported"
    ordered = about("ServiceRequest", "s1", requester={"reference": "Device/v1"})
    assert author_of(ordered, device).source == "device"
    assert author_of(observation(performer=[{"reference": "Practitioner/d1"}])).source == "imported"


def test_a_registered_author_is_matched_by_identifier_and_nobody_is_made() -> None:
    asked: list[tuple[str, str]] = []

    def registry(system: str, value: str) -> int | None:
        asked.append((system, value))
        return 42 if (system, value) == (NPI, "9999") else None

    assert author_of(observation(**AT_VISIT), seen_by_doctor(), lookup=registry).party == 42
    assert author_of(observation(**AT_VISIT), visit(), lookup=registry).party == 0
    assert ("urn:org", "1") in asked


def test_a_contained_author_is_named() -> None:
    inside = {"resourceType": "Practitioner", "id": "w", "name": [{"text": "Dr. Inside"}]}
    author = author_of(observation(contained=[inside], performer=[{"reference": "#w"}]))
    assert (author.text, author.resolved) == ("Dr. Inside", "own-element")


def test_the_insurer_answers_for_a_statement_of_benefits() -> None:
    benefits = about(
        "ExplanationOfBenefit",
        "b1",
        insurer={"display": "Fair Cover"},
        provider={"reference": "Practitioner/d1"},
    )
    assert author_of(benefits).text == "Fair Cover"


def test_records_of_another_organisation_s_visit_are_forwarded() -> None:
    visits = (visit("e1"), visit("e2"), visit("e3", "h2"))
    elsewhere = observation("o2", encounter={"reference": "Encounter/e3"})
    report = imported(observation(**AT_VISIT), elsewhere, *visits, CLINIC, OTHER)
    assert {(v.source_key, v.forwarded_by) for v in report.forwarded()} == {
        ("Observation/o2", "Port Hospital"),
        ("Encounter/e3", "Port Hospital"),
    }


def test_the_importing_organisation_can_say_who_it_is() -> None:
    visits = (visit("e1"), visit("e2"), visit("e3", "h2"))
    at_port = imported(*visits, CLINIC, OTHER, home=("urn:org", "2")).forwarded()
    at_neither = imported(*visits, CLINIC, OTHER, home=("urn:org", "3")).forwarded()
    assert [version.source_key for version in at_port] == ["Encounter/e1", "Encounter/e2"]
    assert len(at_neither) == 3


def test_the_folder_of_real_data_forwards_48_records_and_names_no_performer(test_data: Path) -> None:
    reports = folder_reports(test_data / "synthea-r4")
    forwarded = Counter(version.resource_type for report in reports for version in report.forwarded())
    assert forwarded == {
        "Observation": 24,
        "Encounter": 6,
        "Condition": 4,
        "Procedure": 4,
        "ImagingStudy": 3,
        "DiagnosticReport": 2,
        "Immunization": 2,
        "MedicationRequest": 2,
        "CarePlan": 1,
    }
    assert sum(forwarded.values()) == 48
    versions = [version for report in reports for version in report.versions]
    how = Counter((v.resource_type, v.author.resolved) for v in versions)
    for kind in ("Observation", "Procedure", "Immunization", "DiagnosticReport"):
        assert how[kind, "own-element"] == 0
    assert how["Goal", "referrer"] == 38
    assert how["AllergyIntolerance", "unknown"] == 9
    assert {version.author.source for version in versions} == {"imported"}


@pytest.mark.parametrize("kind", ["Patient", "Practitioner", "Organization"])
def test_an_identity_has_no_inferred_author(kind: str) -> None:
    report = imported(seen_by_doctor(), DOCTOR, CLINIC)
    assert {v.author.resolved for v in report.versions if v.resource_type == kind} == {"unknown"}
