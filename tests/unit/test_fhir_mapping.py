"""Which category each resource belongs to, and what restricts it."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from careledger.domain.categories import Category
from careledger.domain.errors import NotExchanged
from careledger.fhir import mapping
from careledger.fhir.definitions.tables import ABSTRACT, definitions, resource_types
from careledger.fhir.tables import codes, shipped
from fhir_cases import LOINC, SNOMED, about, concept, folder_reports, imported, observation, sample_reports

CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
ICD10 = "http://hl7.org/fhir/sid/icd-10"


def placed(resource: dict[str, Any]) -> str:
    return str(mapping.place(resource).compartment)


def test_every_one_of_the_146_types_has_a_rule_that_always_matches() -> None:
    for kind in resource_types():
        matching = mapping.rules_by_type()[kind]
        assert any(not rule.when for rule in matching), kind
    assert set(mapping.rules_by_type()) == resource_types() | ABSTRACT


def test_the_types_are_those_of_the_published_definitions() -> None:
    assert definitions().resources == resource_types() | ABSTRACT
    assert definitions().fhir == "4.0.1"
    elements = [each for shape in definitions().shapes.values() for each in shape["elements"].values()]
    assert {each["max"] for each in elements} == {each["min"] for each in elements} == {0, 1}


def outcome(kind: str) -> str:
    try:
        placing = mapping.place({"resourceType": kind})
    except NotExchanged as refusal:
        return "refused with a reason" if refusal.details["why"] else "refused"
    return "listed" if placing.listed else "placed"


def test_every_type_is_placed_or_listed_or_refused_with_a_reason() -> None:
    outcomes = Counter(outcome(kind) for kind in resource_types())
    assert outcomes == {"placed": 68, "refused with a reason": 62, "listed": 16}


# The rows of the mapping table and their counts in the folder of 4,143 resources, typed from the requirements.
ROWS = {
    "patient": (20, "identity-patient"),
    "practitioner": (127, "identity-doctor"),
    "organisation": (127, "identity-hospital"),
    "visit": (328, "visit"),
    "diagnosis": (191, "diagnosis"),
    "general": (173, "general"),
    "death": (4, "diagnosis"),
    "report": (1_132, "report"),
    "measurement": (813, "measurement"),
    "image": (7, "image"),
    "history": (383, "history"),
    "prescription": (91, "prescription"),
    "insurance": (747, "insurance"),
}


def test_the_folder_of_real_data_falls_into_the_rows_as_counted(test_data: Path) -> None:
    reports = folder_reports(test_data / "synthea-r4")
    rows = sum((report.rows() for report in reports), Counter())
    assert rows == {row: count for row, (count, _) in ROWS.items()}
    assert sum(rows.values()) == 4_143
    for report in reports:
        assert {(v.row, v.compartment.category.code) for v in report.versions} <= {
            (row, category) for row, (_, category) in ROWS.items()
        }
        assert (report.rejects, report.unmapped) == ((), ())


def test_the_sample_has_no_reject_and_nothing_unmapped_and_both_sensitivities() -> None:
    compartments: Counter[str] = Counter()
    for report in sample_reports():
        assert (report.rejects, report.unmapped) == ((), ())
        compartments.update(str(version.compartment) for version in report.versions)
    assert sum(compartments.values()) == 7_427
    said = Counter(
        (w.resource_type, re.sub(r"\[\d+\]", "", w.path)) for r in sample_reports() for w in r.warnings
    )
    assert said == {("Patient", "identifier.type"): 20, ("Observation", "category"): 7}
    for category in ("diagnosis", "report", "prescription", "history", "insurance", "general", "visit"):
        assert compartments[category] > 50, category
        assert compartments[f"{category} (restricted)"] > 20, category


@pytest.mark.parametrize(
    ("resource", "place"),
    [
        ({"resourceType": "Patient"}, "identity-patient"),
        ({"resourceType": "RelatedPerson"}, "identity-patient (restricted)"),
        ({"resourceType": "Practitioner"}, "identity-doctor"),
        ({"resourceType": "Organization"}, "identity-hospital"),
        ({"resourceType": "Organization", "type": [concept("ins")]}, "identity-insurer"),
        ({"resourceType": "Organization", "type": [concept("pharmacy")]}, "identity-pharmacy"),
        ({"resourceType": "Location", "type": [concept("RADDX")]}, "identity-centre"),
        (about("Encounter", "e"), "visit"),
        (about("Condition", "c"), "diagnosis"),
        (about("AllergyIntolerance", "a"), "general"),
        (observation(category="social-history"), "general"),
        (observation(category="survey", code=concept("72109-2", LOINC)), "general (restricted)"),
        (observation(category="laboratory", code=concept("882-1", LOINC)), "general"),
        (observation(category="laboratory"), "report"),
        (observation(category="imaging"), "report"),
        (observation(category="vital-signs"), "measurement"),
        (observation(category="vital-sign"), "measurement"),
        (observation(category="exam"), "diagnosis"),
        (observation(category="therapy"), "diagnosis"),
        (observation(), "diagnosis"),
        (observation(category="exam", code=concept("69453-9", LOINC)), "diagnosis (restricted)"),
        (observation(category="survey", code=concept("69453-9", LOINC)), "diagnosis (restricted)"),
        (about("DiagnosticReport", "d"), "report"),
        (about("DiagnosticReport", "d", code=concept("69409-1", LOINC)), "diagnosis (restricted)"),
        (about("DiagnosticReport", "d", category=[concept("34117-2", LOINC)]), "diagnosis"),
        ({"resourceType": "MolecularSequence"}, "report (restricted)"),
        ({"resourceType": "Device", "type": concept("337414009")}, "measurement"),
        ({"resourceType": "Device", "udiCarrier": [{"carrierHRF": "x"}]}, "history"),
        ({"resourceType": "Device"}, "diagnosis (restricted)"),
        ({"resourceType": "ImagingStudy"}, "image"),
        (
            about("DocumentReference", "d", content=[{"attachment": {"contentType": "application/dicom"}}]),
            "image",
        ),
        (about("DocumentReference", "d", type=concept("11502-2", LOINC)), "report"),
        (about("DocumentReference", "d", type=concept("57833-6", LOINC)), "prescription"),
        (about("DocumentReference", "d", type=concept("60591-5", LOINC)), "diagnosis (restricted)"),
        ({"resourceType": "Immunization"}, "history"),
        ({"resourceType": "FamilyMemberHistory"}, "history (restricted)"),
        ({"resourceType": "MedicationDispense"}, "prescription"),
        ({"resourceType": "Coverage"}, "insurance"),
        ({"resourceType": "Consent", "scope": concept("adr")}, "history"),
        ({"resourceType": "Consent", "scope": concept("patient-privacy")}, "diagnosis (restricted)"),
        ({"resourceType": "Consent", "scope": concept("research")}, "diagnosis (restricted)"),
        ({"resourceType": "Consent", "scope": concept("treatment")}, "diagnosis (restricted)"),
        ({"resourceType": "Consent"}, "diagnosis (restricted)"),
        ({"resourceType": "QuestionnaireResponse"}, "diagnosis (restricted)"),
    ],
)
def test_the_first_matching_row_gives_the_category(resource: dict[str, Any], place: str) -> None:
    assert placed(resource) == place


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        ({"resourceType": "AuditEvent"}, "release log"),
        ({"resourceType": "Group"}, "never exchanged"),
        ({"resourceType": "ValueSet"}, "about no patient"),
        ({"resourceType": "Basic"}, "no clinical statement"),
        ({"resourceType": "TestScript"}, "a test"),
    ],
)
def test_what_is_never_exchanged_is_rejected_with_the_reason(resource: dict[str, Any], reason: str) -> None:
    report = imported({**resource, "id": "x"})
    assert [version.resource_type for version in report.versions] == ["Patient"]
    assert [(reject.index, reject.resource_type) for reject in report.rejects] == [
        (1, resource["resourceType"])
    ]
    assert reason in report.rejects[0].why


@pytest.mark.parametrize(
    ("system", "code", "group"),
    [
        (SNOMED, "86406008", "hiv"),
        ("http://misspelt.example/sct", "86406008", "hiv"),
        (SNOMED, "370143000", "mental-health"),
        (SNOMED, "65200003", "contraception"),
        (SNOMED, "706893006", "abuse"),
        (SNOMED, "7200002", "substance-use"),
        (SNOMED, "444260001", "genetics"),
        (SNOMED, "57177007", "third-persons"),
        (LOINC, "69453-9", "cause-of-death"),
        (ICD10, "B20", "hiv"),
        (ICD10, "F32.1", "mental-health"),
        (ICD10, "F10.2", "substance-use"),
        (ICD10, "T74.1", "abuse"),
    ],
)
def test_a_code_of_the_table_restricts_whatever_carries_it(system: str, code: str, group: str) -> None:
    for carrier in (
        about("Condition", "c", code=concept(code, system)),
        about("Encounter", "e", reasonCode=[concept(code, system)]),
        about("Claim", "m", item=[{"productOrService": concept(code, system)}]),
        about("CarePlan", "p", contained=[about("Condition", "i", code=concept(code, system))]),
    ):
        placing = mapping.place(carrier)
        assert placing.compartment.sensitivity == 1
        assert placing.why_restricted == (group,)


@pytest.mark.parametrize(
    ("system", "code"), [(SNOMED, "38341003"), (ICD10, "I10"), (ICD10, "F17.2"), (LOINC, "72166-2")]
)
def test_other_codes_restrict_nothing(system: str, code: str) -> None:
    assert placed(about("Condition", "c", code=concept(code, system))) == "diagnosis"


@pytest.mark.parametrize(
    ("label", "restricted"),
    [("N", False), ("M", False), ("R", True), ("V", True), ("unheard-of", True)],
)
def test_a_security_label_restricts_unless_it_is_known_to_be_harmless(label: str, restricted: bool) -> None:
    marked = {"security": [{"system": CONFIDENTIALITY, "code": label}]}
    assert mapping.place(about("Condition", "c", meta=marked)).compartment.sensitivity == int(restricted)
    inside = about("CarePlan", "p", contained=[about("Condition", "i", meta=marked)])
    assert mapping.place(inside).compartment.sensitivity == int(restricted)


def test_the_tables_of_codes_name_each_code_in_one_group_and_say_what_it_is() -> None:
    table = shipped("codes.json")
    seen = Counter(
        code for group in table["restricted"].values() for listed in group.values() for code in listed
    )
    assert seen.most_common(1)[0][1] == 1
    assert all(
        said
        for group in table["restricted"].values()
        for listed in group.values()
        for said in listed.values()
    )
    assert sum(seen.values()) > 250
    assert codes().version == table["version"]


def test_an_identity_is_never_filed_as_anything_else() -> None:
    for kind in ("Patient", "Practitioner", "Organization"):
        guarded = {"resourceType": kind, "meta": {"security": [{"system": CONFIDENTIALITY, "code": "V"}]}}
        assert mapping.place(guarded).compartment.category.code.startswith("identity-")
    assert Category.IDENTITY_PATIENT.code == "identity-patient"
