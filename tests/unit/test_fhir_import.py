"""From a file to record versions and back."""

from __future__ import annotations

import copy
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from careledger.domain.errors import FhirRefused
from careledger.fhir.canonical import canonical
from careledger.fhir.export import as_received, export_bundle, resource_of
from careledger.fhir.json_text import read
from careledger.fhir.sample import sample_file
from careledger.fhir.split import import_bundle, record_id, without_server_marks
from careledger.fhir.summary import summary
from careledger.fhir.versions import ImportedVersion, ImportReport
from careledger.formats.bodies import RecordBody
from fhir_cases import (
    PATIENT,
    SNOMED,
    about,
    concept,
    file_of,
    folder_reports,
    imported,
    observation,
    sample_reports,
)

SECRET = concept("86406008")


def by_key(report: ImportReport) -> dict[str, ImportedVersion]:
    return {version.source_key: version for version in report.versions}


def statement(version: ImportedVersion) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(version.canonical)
    return made


def assert_round_trip(reports: tuple[ImportReport, ...]) -> int:
    count = 0
    for report in reports:
        for version in report.versions:
            body = RecordBody.decode(version.body.encode())
            assert body.original == version.original
            assert canonical(as_received(body)) == canonical(without_server_marks(read(version.original)))
            count += 1
    return count


def test_every_sample_record_comes_back_equal() -> None:
    assert assert_round_trip(sample_reports()) == 7_427


def test_every_record_of_the_folder_of_real_data_comes_back_equal(test_data: Path) -> None:
    assert assert_round_trip(folder_reports(test_data / "synthea-r4")) == 4_143


def test_a_whole_file_comes_back_with_the_source_s_names(test_data: Path) -> None:
    path = min((test_data / "synthea-r4").glob("*_*.json"), key=lambda path: path.stat().st_size)
    source = read(path.read_bytes())
    report = import_bundle(path.read_bytes(), path.name)
    back = read(export_bundle([version.body for version in report.versions], received=True))
    assert back["type"] == "collection"
    assert [canonical(entry) for entry in back["entry"]] == [
        canonical({"fullUrl": entry["fullUrl"], "resource": entry["resource"]}) for entry in source["entry"]
    ]


def test_references_name_record_ids_and_the_export_is_whole_in_itself() -> None:
    report = imported(observation(encounter={"reference": "Encounter/e1"}), about("Encounter", "e1"))
    versions = by_key(report)
    made = statement(versions["Observation/o1"])
    assert made["encounter"]["reference"] == f"urn:uuid:{versions['Encounter/e1'].record_id}"
    assert made["subject"]["reference"] == f"urn:uuid:{versions['Patient/p1'].record_id}"
    assert made["id"] == str(versions["Observation/o1"].record_id)
    bundle = json.loads(export_bundle([version.body for version in report.versions]))
    urls = {entry["fullUrl"] for entry in bundle["entry"]}
    assert urls == {f"urn:uuid:{version.record_id}" for version in report.versions}
    again = import_bundle(json.dumps(bundle).encode(), "again.json")
    assert again.warnings == ()


def test_a_reference_out_of_the_file_stays_as_it_is_and_is_reported() -> None:
    report = imported(observation(encounter={"reference": "Encounter/elsewhere"}))
    assert statement(by_key(report)["Observation/o1"])["encounter"] == {"reference": "Encounter/elsewhere"}
    assert [(n.index, n.path, n.what) for n in report.warnings] == [
        (1, "encounter.reference", "refers to something that is not in this file")
    ]


def test_a_reference_that_pins_a_version_is_not_rewritten_to_one_that_does_not() -> None:
    pinned = [{"reference": "Condition/c1/_history/3"}]
    report = imported(observation(focus=pinned), about("Condition", "c1"))
    assert statement(by_key(report)["Observation/o1"])["focus"] == pinned
    assert [notice.what for notice in report.warnings] == ["pins a version that this file does not prove"]


def test_absolute_and_urn_references_find_their_entries() -> None:
    url, urn = "http://example.org/fhir/Patient/p1", "urn:uuid:9afe28dc-7ad5-4e90-b6a6-16123eae98c3"
    for name in (url, urn):
        entries = [
            {"fullUrl": name, "resource": {"resourceType": "Patient"}},
            {"resource": {"resourceType": "Condition", "id": "c", "subject": {"reference": name}}},
        ]
        report = import_bundle(
            json.dumps({"resourceType": "Bundle", "type": "batch", "entry": entries}).encode(), "f"
        )
        patient, condition = report.versions
        assert condition.subject == patient.record_id
        assert as_received(condition.body)["subject"] == {"reference": name}
        assert "id" not in as_received(patient.body)


def test_the_same_file_again_gives_the_same_versions_and_another_organisation_others() -> None:
    first, again = (imported(observation(), namespace=b"one") for _ in range(2))
    assert first == again
    other = imported(observation(), namespace=b"two")
    assert not {v.record_id for v in first.versions} & {v.record_id for v in other.versions}
    assert [v.source_key for v in first.versions] == [v.source_key for v in other.versions]


def test_an_amended_record_keeps_its_id_and_a_server_s_marks_are_no_amendment() -> None:
    def version(**elements: Any) -> ImportedVersion:
        return by_key(imported(observation(**elements)))["Observation/o1"]

    plain = version(status="final")
    stored = version(status="final", meta={"versionId": "2", "lastUpdated": "2024-01-01T00:00:00Z"})
    amended = version(status="amended")
    assert plain.record_id == stored.record_id == amended.record_id
    assert plain.content_digest == stored.content_digest != amended.content_digest
    assert plain.original != stored.original


def test_a_copy_of_a_practitioner_belongs_to_the_patient_in_whose_file_it_stands() -> None:
    doctor = {"resourceType": "Practitioner", "id": "d"}
    one = import_bundle(file_of({**PATIENT, "id": "a"}, doctor), "f")
    two = import_bundle(file_of({**PATIENT, "id": "b"}, doctor), "f")
    assert one.versions[1].subject == one.versions[0].record_id
    assert one.versions[1].record_id != two.versions[1].record_id


def test_a_file_about_two_patients_keeps_them_apart_and_says_what_belongs_to_neither() -> None:
    second = {**PATIENT, "id": "p2"}
    theirs = {**observation("o2"), "subject": {"reference": "Patient/p2"}}
    report = imported(second, observation(), theirs, {"resourceType": "Practitioner", "id": "d"})
    versions = by_key(report)
    assert versions["Observation/o1"].subject == versions["Patient/p1"].record_id
    assert versions["Observation/o2"].subject == versions["Patient/p2"].record_id
    assert versions["Practitioner/d"].subject is None
    assert [(notice.resource_type, notice.what) for notice in report.warnings] == [
        ("Practitioner", "is about no patient of this file")
    ]


def test_the_same_record_twice_in_one_file_is_rejected_once() -> None:
    report = imported(observation(status="final"), observation(status="amended"))
    assert [(reject.index, reject.why) for reject in report.rejects] == [
        (2, "the same record twice in one file")
    ]
    assert len(report.versions) == 2


def test_two_that_say_the_same_and_have_no_name_are_two_and_found_again() -> None:
    nameless = {**about("Observation", "", status="final", code={"text": "pulse"})}
    del nameless["id"]
    report = imported(nameless, nameless)
    assert not report.rejects
    ids = {each.record_id for each in report.versions}
    assert len(ids) == 3
    assert {each.record_id for each in imported(nameless, nameless).versions} == ids


def test_every_entry_of_a_file_is_a_version_or_a_reject() -> None:
    bad = {"resourceType": "Patient", "id": "x", "birthDate": "2021-02-31"}
    report = imported(bad, {"resourceType": "ValueSet", "id": "v"}, observation())
    places = sorted([v.index for v in report.versions] + [r.index for r in report.rejects])
    assert places == [0, 1, 2, 3]
    assert len(report.rejects) == 2


def test_the_clinical_month_is_the_record_s_own_or_else_the_visit_s() -> None:
    dated = about("Encounter", "e1", period={"start": "2020-03-31T23:30:00-05:00"})
    at_visit: dict[str, Any] = {"encounter": {"reference": "Encounter/e1"}}
    report = by_key(
        imported(
            dated,
            observation("o1", **at_visit),
            observation("o2", effectiveDateTime="2021-07", **at_visit),
            observation("o3", effectiveDateTime="1999"),
            observation("o4"),
        )
    )
    months = [report[f"Observation/o{i}"].clinical_month for i in (1, 2, 3, 4)]
    assert months == ["2020-03", "2021-07", None, None]
    assert report["Observation/o3"].clinical_date == "1999"


def sensitivities(*resources: dict[str, Any], **arguments: Any) -> dict[str, int]:
    return {
        key: int(v.compartment.sensitivity) for key, v in by_key(imported(*resources, **arguments)).items()
    }


def test_a_record_that_refers_to_a_restricted_one_is_restricted_however_long_the_chain() -> None:
    found = sensitivities(
        about("Condition", "c1", code=SECRET),
        about("Claim", "m1", diagnosis=[{"diagnosisReference": {"reference": "Condition/c1"}}]),
        about("ExplanationOfBenefit", "b1", claim={"reference": "Claim/m1"}),
        about("Claim", "m2"),
    )
    assert found == {
        "Patient/p1": 0,
        "Condition/c1": 1,
        "Claim/m1": 1,
        "ExplanationOfBenefit/b1": 1,
        "Claim/m2": 0,
    }


def test_a_restricted_visit_does_not_restrict_what_happened_at_it() -> None:
    found = sensitivities(
        about("Encounter", "e1", reasonCode=[SECRET]), observation(encounter={"reference": "Encounter/e1"})
    )
    assert (found["Encounter/e1"], found["Observation/o1"]) == (1, 0)


def test_free_text_is_restricted_where_the_file_holds_something_restricted_that_it_could_repeat() -> None:
    note = about("DiagnosticReport", "n1", category=[concept("34117-2", "http://loinc.org")])
    assert sensitivities(note)["DiagnosticReport/n1"] == 0
    assert sensitivities(note, about("Condition", "c1", code=SECRET))["DiagnosticReport/n1"] == 1


def test_a_privacy_consent_restricts_no_notes_and_one_that_names_what_is_treated_does() -> None:
    note = about("DiagnosticReport", "n1", category=[concept("34117-2", "http://loinc.org")])

    def consent(scope: str, **more: Any) -> dict[str, Any]:
        patient = {"reference": "Patient/p1"}
        return {"resourceType": "Consent", "id": "c", "scope": concept(scope), "patient": patient, **more}

    for given, expected in (
        (consent("patient-privacy"), 0),
        (consent("patient-privacy", provision={"code": [SECRET]}), 1),
        (consent("research"), 1),
        (consent("treatment"), 1),
    ):
        found = sensitivities(note, given)
        assert (found["Consent/c"], found["DiagnosticReport/n1"]) == (1, expected)


def test_an_import_says_of_each_consent_that_it_grants_nothing() -> None:
    consent = {"resourceType": "Consent", "id": "c", "scope": concept("patient-privacy")}
    warnings = [(each.resource_type, each.what) for each in imported(consent).warnings]
    assert ("Consent", "a Consent in a file is a document and grants nothing") in warnings


def test_circular_references_end() -> None:
    one = about("Condition", "c1", code=SECRET, evidence=[{"detail": [{"reference": "Observation/o1"}]}])
    two = observation(focus=[{"reference": "Condition/c1"}], derivedFrom=[{"reference": "Observation/o1"}])
    found = sensitivities(one, two)
    assert (found["Condition/c1"], found["Observation/o1"]) == (1, 1)


def test_a_provenance_follows_its_targets_and_a_binary_its_referrer() -> None:
    def compartments(*resources: dict[str, Any]) -> dict[str, str]:
        return {key: str(version.compartment) for key, version in by_key(imported(*resources)).items()}

    provenance = {"resourceType": "Provenance", "id": "v", "target": [{"reference": "Observation/o1"}]}
    scan = {"resourceType": "Binary", "id": "b", "contentType": "image/png"}
    media = {"resourceType": "Media", "id": "m", "content": {"url": "Binary/b"}}
    found = compartments(observation(category="laboratory"), provenance, scan, media)
    assert (found["Provenance/v"], found["Binary/b"]) == ("report", "image")
    alone = imported({**provenance, "target": [{"reference": "Observation/else"}]}, scan)
    assert {str(v.compartment) for v in alone.versions[1:]} == {"diagnosis (restricted)"}
    assert [notice.resource_type for notice in alone.unmapped] == ["Provenance", "Binary"]


def test_a_labelled_bundle_restricts_its_records_and_an_unlabelled_one_does_not() -> None:
    label = {
        "security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}]
    }
    for meta, expected in ((label, 1), ({"security": [{**label["security"][0], "code": "N"}]}, 0)):
        report = import_bundle(file_of(PATIENT, observation(), meta=meta), "f")
        assert by_key(report)["Observation/o1"].compartment.sensitivity == expected


def test_record_ids_are_version_8_uuids_that_depend_on_all_three_parts() -> None:
    made = [record_id(b"n", "Patient/1", "Observation/1"), record_id(b"m", "Patient/1", "Observation/1")]
    made += [record_id(b"n", "Patient/2", "Observation/1"), record_id(b"n", "Patient/1", "Observation/2")]
    assert len(set(made)) == 4
    assert {(number.version, number.variant) for number in made} == {(8, UUID(int=0x8 << 60).variant)}


def test_a_body_that_holds_no_resource_is_refused() -> None:
    for text in (b"[]", b'{"a":1}', b'{"a":1,"a":2}'):
        with pytest.raises(FhirRefused):
            resource_of(RecordBody(text, b"", None, None, ()))


def test_nothing_that_a_record_says_stands_in_its_repr() -> None:
    report = imported(about("Condition", "c1", code={"text": "something private", **concept("1", SNOMED)}))
    assert "private" not in repr(report)
    guarded = imported(about("Condition", "c1", code=SECRET))
    assert guarded.versions[1].why_restricted == ("hiv",)
    assert "hiv" not in repr(guarded)


def test_the_sample_s_records_of_every_type_have_a_month_where_they_have_a_date() -> None:
    missing = Counter(
        version.resource_type
        for report in sample_reports()
        for version in report.versions
        if version.clinical_month is None
    )
    assert missing == {"Patient": 20, "Practitioner": 59, "Organization": 59}


def spots(value: Any) -> list[tuple[Any, Any]]:
    """Every place inside a JSON value, as (container, key)."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [spot for key in keys for spot in [(value, key), *spots(value[key])]]


def test_elements_of_the_wrong_shape_are_imported_or_rejected_and_never_end_in_another_error() -> None:
    chance = random.Random(7)
    wrong = (5, "x", True, [1], ["x"], {"a": 1}, [[{"b": "c"}]], {"reference": 7}, [None, "q"], "urn:uuid:zz")
    entries = json.loads(sample_file("Jules135_Schmitt836"))["entry"]
    outcomes: Counter[str] = Counter()
    for _ in range(300):
        chosen = copy.deepcopy(chance.sample(entries, 10))
        for container, key in chance.sample(spots(chosen), 4):
            container[key] = copy.deepcopy(chance.choice(wrong))
        bundle = {"resourceType": "Bundle", "type": "batch", "entry": chosen}
        report = import_bundle(json.dumps(bundle).encode(), "f")
        outcomes["rejects" if report.rejects else "whole"] += 1
        outcomes["taken"] += len(report.versions)
        for version in report.versions:
            assert summary(resource_of(version.body)).what
            assert canonical(as_received(version.body)) == canonical(
                without_server_marks(read(version.original))
            )
    assert outcomes["rejects"] > 200
    assert outcomes["taken"] > 1_000
