"""Files of FHIR JSON: what is taken, what is rejected entry by entry, and what refuses the whole file."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from careledger.domain.errors import FhirRefused
from careledger.fhir.dates import is_date, month_of
from careledger.fhir.definitions.tables import resource_types
from careledger.fhir.parse import BUNDLE_TYPES, parse_file
from careledger.fhir.references import Form, is_full_url, taken_apart
from careledger.fhir.sample import sample_file
from fhir_cases import PATIENT, about, file_of, observation


def refusal(data: bytes) -> dict[str, Any]:
    with pytest.raises(FhirRefused) as caught:
        parse_file(data, "f.json")
    return caught.value.details


def rejected(resource: Any, **around: Any) -> tuple[str, str]:
    """Why the second entry of a file is rejected; the first and third must be taken."""
    entries = [{"resource": PATIENT}, {**around, "resource": resource}, {"resource": observation()}]
    parsed = parse_file(
        json.dumps({"resourceType": "Bundle", "type": "batch", "entry": entries}).encode(), "f"
    )
    assert [entry.index for entry in parsed.entries] == [0, 2]
    (reject,) = parsed.rejects
    assert reject.index == 1
    return reject.path, reject.why


@pytest.mark.parametrize("kind", sorted(BUNDLE_TYPES))
def test_bundles_of_the_five_types_are_read(kind: str) -> None:
    parsed = parse_file(file_of(PATIENT, observation(), kind=kind), "f.json")
    assert (parsed.bundle_type, [entry.type for entry in parsed.entries]) == (
        kind,
        ["Patient", "Observation"],
    )


@pytest.mark.parametrize("kind", ["history", "message", "batch-response", 5])
def test_a_bundle_of_another_type_is_refused(kind: Any) -> None:
    assert refusal(file_of(PATIENT, kind=kind))["path"] == "type"


def test_a_single_resource_is_read_and_a_list_with_entries_is_not_taken_for_a_bundle() -> None:
    listed = about("List", "l1", status="current", entry=[{"item": {"reference": "Observation/o1"}}])
    parsed = parse_file(json.dumps(listed).encode(), "f.json")
    assert parsed.bundle_type is None
    assert parsed.entries[0].resource["entry"] == listed["entry"]


def test_the_original_bytes_of_each_entry_are_kept_as_they_stand() -> None:
    inner = b'{ "resourceType":"Patient",\n\t"id" : "p1", "multipleBirthInteger": 1 }'
    data = b'{"resourceType":"Bundle","type":"collection","entry":[{"resource": ' + inner + b" }]}"
    assert parse_file(data, "f.json").entries[0].original == inner
    assert parse_file(b"\n " + inner + b"\n", "f.json").entries[0].original == inner


def test_a_flaw_in_the_text_names_file_entry_and_path() -> None:
    twice = b'{"resourceType":"Patient","name":[{"family":"A","family":"B"}]}'
    entries = b'{"resource":{"resourceType":"Patient","id":"a"}},{"resource":' + twice + b"}"
    said = refusal(b'{"resourceType":"Bundle","type":"batch","entry":[' + entries + b"]}")
    problem = "the same name twice in one object"
    assert said == {"file": "f.json", "entry": 1, "path": "resource.name[0]", "problem": problem}


def test_a_name_that_stands_twice_in_an_entry_or_a_bundle_refuses_the_file() -> None:
    start = b'{"resourceType":"Bundle","type":"batch",'
    patient = b'"resource":{"resourceType":"Patient"}'
    assert "'resource' twice" in refusal(start + b'"entry":[{' + patient + b"," + patient + b"}]}")["problem"]
    assert "'type' twice" in refusal(start + b'"type":"batch"}')["problem"]


@pytest.mark.parametrize("data", [b"", b"[]", b'"x"', b"null", b"{", b'{"resourceType":"Bundle"'])
def test_what_is_no_object_is_refused(data: bytes) -> None:
    assert refusal(data)["file"] == "f.json"


@pytest.mark.parametrize(
    ("resource", "path", "problem"),
    [
        ({"resourceType": "Patent"}, "resourceType", "not a resource type of FHIR R4"),
        ({"id": "x"}, "resourceType", "not a resource type of FHIR R4"),
        ("Patient", "resource", "not an object"),
        ({"resourceType": "Patient", "id": "a b"}, "id", "not a FHIR id"),
        ({"resourceType": "Patient", "id": "x" * 65}, "id", "not a FHIR id"),
        (
            {"resourceType": "Patient", "birthDate": "2021-02-31"},
            "birthDate",
            "not a date of a day that exists",
        ),
        (
            observation(effectiveDateTime="2023-02-29T10:00:00Z"),
            "effectiveDateTime",
            "not a date of a day that exists, with seconds and a time zone if it has a time",
        ),
        (
            about("Encounter", "e", period={"start": "yesterday"}),
            "period.start",
            "not a date of a day that exists, with seconds and a time zone if it has a time",
        ),
        (
            about("Condition", "c", encounter={"reference": "visit 5"}),
            "encounter.reference",
            "not a reference",
        ),
        (
            about("Condition", "c", asserter={"reference": "#who"}),
            "asserter.reference",
            "refers to a contained resource that is not there",
        ),
        (
            about(
                "Claim",
                "c",
                contained=[{"resourceType": "Coverage", "contained": [{"resourceType": "Patient"}]}],
            ),
            "contained[0].contained",
            "a contained resource contains none",
        ),
        ({"resourceType": "Patient", "meta": "R"}, "meta", "not an object with an array of security labels"),
        (
            {"resourceType": "Patient", "meta": {"security": [{"display": "secret"}]}},
            "meta",
            "not an object with an array of security labels",
        ),
    ],
)
def test_a_faulty_entry_is_rejected_with_its_place_and_the_others_are_taken(
    resource: Any, path: str, problem: str
) -> None:
    assert rejected(resource) == (path, problem)


def test_a_single_resource_that_is_never_exchanged_is_left_to_the_mapping_whatever_else_is_wrong() -> None:
    data = b'{"resourceType":"AuditEvent","id":"a","agent":[{"who":{"reference":"nobody"}}]}'
    assert [entry.type for entry in parse_file(data, "f").entries] == ["AuditEvent"]


def test_a_faulty_single_resource_refuses_the_file() -> None:
    assert refusal(b'{"resourceType":"Patient","birthDate":"2021-02-31"}')["path"] == "birthDate"


@pytest.mark.parametrize("method", ["DELETE", "GET", "PATCH", 5])
def test_nothing_is_deleted_by_a_file(method: Any) -> None:
    assert rejected(PATIENT, request={"method": method, "url": "Patient/p1"})[0] == "request.method"


def test_entries_are_called_by_absolute_names_and_each_name_once() -> None:
    assert rejected(PATIENT, fullUrl="Patient/p1")[0] == "fullUrl"
    assert rejected(PATIENT, fullUrl="urn:uuid:NOT-ONE") == ("fullUrl", "not an absolute URL or a urn:uuid")
    url = "http://example.org/Patient/p1"
    entries = [{"fullUrl": url, "resource": PATIENT}, {"fullUrl": url, "resource": observation()}]
    data = json.dumps({"resourceType": "Bundle", "type": "batch", "entry": entries}).encode()
    assert parse_file(data, "f").rejects[0].why == "the same fullUrl twice in one bundle"


def test_a_sample_file_cut_anywhere_is_refused_and_never_half_imported() -> None:
    whole = sample_file("Jules135_Schmitt836")
    cuts = [*range(1, len(whole), 997), len(whole) - 1]
    problems = Counter(str(refusal(whole[:at])["problem"]).split(" at ")[0] for at in cuts)
    assert sum(problems.values()) == len(cuts) > 100
    assert parse_file(whole, "f").rejects == ()


def test_a_file_with_one_byte_changed_is_read_or_refused_and_never_ends_in_another_error() -> None:
    entries = parse_file(sample_file("Jules135_Schmitt836"), "f").entries[:4]
    whole = file_of(*(json.loads(entry.original) for entry in entries))
    outcomes: Counter[str] = Counter()
    for at in range(0, len(whole), 23):
        for byte in (b'"', b"{", b"\x00", b"\xff", b"9"):
            try:
                parsed = parse_file(whole[:at] + byte + whole[at + 1 :], "f")
                outcomes["rejects" if parsed.rejects else "read"] += 1
            except FhirRefused:
                outcomes["refused"] += 1
    assert all(outcomes[outcome] > 20 for outcome in ("read", "refused", "rejects")), outcomes


@pytest.mark.parametrize(
    ("text", "real"),
    [
        ("2024", True),
        ("2024-02", True),
        ("2024-02-29", True),
        ("2023-02-29", False),
        ("2024-13", False),
        ("0000", False),
        ("2024-02-29T23:59:60Z", True),
        ("2024-02-29T24:00:00Z", False),
        ("2024-02-29T10:00:00", False),
        ("2024-02-29T10:00:00.123+14:00", True),
        ("2024-02-29T10:00:00+15:00", False),
        ("2024-2-9", False),
        ("٢٠٢٤", False),
    ],
)
def test_dates_are_of_days_that_exist(text: str, real: bool) -> None:
    assert is_date(text) is real


def test_a_clinical_month_needs_a_month() -> None:
    assert [month_of(date) for date in ("2024-02-29T00:10:00+06:00", "2024-02", "2024", None)] == [
        "2024-02",
        "2024-02",
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("urn:uuid:9afe28dc-7ad5-4e90-b6a6-16123eae98c3", Form.UUID),
        ("urn:oid:1.2.840", Form.OID),
        ("#a", Form.CONTAINED),
        ("#", Form.CONTAINED),
        ("Patient/1", Form.RELATIVE),
        ("Patient/1/_history/2", Form.RELATIVE),
        ("http://example.org/fhir/Patient/1", Form.ABSOLUTE),
        ("Patient?identifier=http://x|1", Form.CONDITIONAL),
        ("https://example.org/else?x=1", Form.URL),
        ("Patient/", None),
        ("Patent/1", None),
        ("javascript:alert(1)", None),
    ],
)
def test_references_have_the_forms_of_fhir(text: str, form: Form | None) -> None:
    found = taken_apart(text)
    assert (found.form if found else None) is form


def test_a_pinned_version_is_told_from_the_record() -> None:
    found = taken_apart("http://example.org/Patient/1/_history/2")
    assert found is not None
    assert (found.unversioned, found.version) == ("http://example.org/Patient/1", "2")
    assert not is_full_url("http://example.org/Patient/1/_history/2")
    assert is_full_url("http://example.org/Patient/1")


def test_all_146_types_of_r4_are_known() -> None:
    assert len(resource_types()) == 146
