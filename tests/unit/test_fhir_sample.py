"""The sample that is installed with the package, the story's three bundles, and one line per record."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from careledger.domain.errors import FhirRefused
from careledger.fhir.json_text import Number
from careledger.fhir.parse import parse_file
from careledger.fhir.sample import sample_file, sample_files, sample_names
from careledger.fhir.split import import_bundle
from careledger.fhir.spread import Place, spread
from careledger.fhir.summary import summary
from fhir_cases import PATIENT, about, concept, file_of, observation, sample_reports

PLACES = (
    Place("River Hospital", "urn:example:org", "1"),
    Place("Hill Laboratory", "urn:example:org", "2"),
    Place("Port Hospital", "urn:example:org", "3"),
)


def test_the_sample_is_twenty_people_of_all_ages_within_its_limits() -> None:
    people = [
        json.loads(v.original) for r in sample_reports() for v in r.versions if v.resource_type == "Patient"
    ]
    assert len(sample_names()) == len(people) == 20
    assert sum("deceasedDateTime" in person for person in people) == 3
    assert sum(person["birthDate"] >= "2010" for person in people) == 7
    assert sum(person["birthDate"] < "1960" for person in people) == 1
    assert sum(len(report.versions) for report in sample_reports()) == 7_427 <= 8_000
    folder = Path(__file__).parents[2] / "src" / "careledger" / "sample"
    assert sum(path.stat().st_size for path in folder.iterdir()) < 4_000_000


def test_the_sample_has_only_the_types_of_the_mapping_s_folder(test_data: Path) -> None:
    known = {
        entry["resource"]["resourceType"]
        for path in (test_data / "synthea-r4").glob("*.json")
        for entry in json.loads(path.read_bytes())["entry"]
    }
    types = Counter(version.resource_type for report in sample_reports() for version in report.versions)
    assert len(known) == 16
    assert set(types) == known - {"Goal"}


def test_all_references_of_the_sample_are_urns_that_stand_in_their_file() -> None:
    for name, data in sample_files():
        parsed = parse_file(data, name)
        urls = {entry.full_url for entry in parsed.entries}
        for entry in parsed.entries:
            assert {text for _, text in entry.references if not text.startswith("#")} <= urls


def test_a_name_outside_the_sample_is_refused() -> None:
    assert sample_file(sample_names()[0]).startswith(b"{")
    with pytest.raises(FhirRefused):
        sample_file("../fhir/codes")


def test_a_story_gives_each_encounter_to_one_place_with_all_that_belongs_to_it() -> None:
    data = sample_file("Alda400_Paucek755")
    whole = Counter(entry.type for entry in parse_file(data, "f").entries)
    parts = [import_bundle(part, "f") for part in spread(data, "f", PLACES)]
    seen: Counter[str] = Counter()
    for place, part in zip(PLACES, parts, strict=True):
        kinds = Counter(version.resource_type for version in part.versions)
        assert (kinds["Patient"], kinds["Organization"], part.rejects) == (1, 1, ())
        assert {notice.path for notice in part.warnings} <= {"identifier[2].type"}
        assert part.forwarded() == ()
        (own,) = (v for v in part.versions if v.resource_type == "Organization")
        assert json.loads(own.original)["name"] == place.name
        assert len(part.versions) > 100
        seen += kinds
    for shared in ("Patient", "Practitioner", "Organization"):
        del seen[shared], whole[shared]
    assert seen == whole


def test_a_story_is_the_same_every_time_and_of_three_places_or_none() -> None:
    data = sample_file("Jules135_Schmitt836")
    assert spread(data, "f", PLACES) == spread(data, "f", PLACES)
    with pytest.raises(FhirRefused):
        spread(data, "f", (*PLACES, Place("Fourth", "urn:example:org", "4")))
    with pytest.raises(FhirRefused):
        spread(file_of(PATIENT, {"resourceType": "Patent"}), "f", PLACES)


def test_every_sample_record_has_a_line_that_says_more_than_its_type() -> None:
    for report in sample_reports():
        for version in report.versions:
            line = summary(json.loads(version.original, parse_float=Number, parse_int=Number))
            assert line.what not in ("", version.resource_type), version.resource_type
            assert "\n" not in str(line)


def quantity(value: str, unit: str, **elements: Any) -> dict[str, Any]:
    return {"value": Number(value), "unit": unit, **elements}


@pytest.mark.parametrize(
    ("resource", "line"),
    [
        (
            observation(
                code={"text": "Body weight"},
                effectiveDateTime="2020-05-06T10:00:00Z",
                valueQuantity=quantity("71.304", "kg"),
            ),
            "2020-05-06  Body weight: 71.30 kg",
        ),
        (
            observation(code={"text": "Troponin"}, valueQuantity=quantity("5.0", "ng/L", comparator="<")),
            "Troponin: <5.0 ng/L",
        ),
        (
            observation(
                code={"text": "Blood pressure"},
                component=[
                    {"code": {"text": "Systolic"}, "valueQuantity": quantity("120", "mmHg")},
                    {"code": {"text": "Diastolic"}, "valueQuantity": quantity("80", "mmHg")},
                ],
            ),
            "Blood pressure: Systolic 120 mmHg, Diastolic 80 mmHg",
        ),
        (observation(code={"text": "Smoking"}, valueCodeableConcept={"text": "Never"}), "Smoking: Never"),
        (observation(code={"text": "Pregnant"}, valueBoolean=False), "Pregnant: no"),
        (observation(code={"text": "HIV"}, dataAbsentReason={"text": "refused"}), "HIV: refused"),
        (
            about(
                "Condition", "c", code=concept("1"), clinicalStatus=concept("active"), onsetDateTime="2019"
            ),
            "2019  1: active",
        ),
        (
            about(
                "MedicationRequest", "m", medicationCodeableConcept={"text": "Loratadine"}, status="active"
            ),
            "Loratadine: active",
        ),
        ({**PATIENT, "birthDate": "2001-02-03", "gender": "female"}, "Nur Jahan: born 2001-02-03, female"),
        ({"resourceType": "Claim", "total": quantity("85.55", ""), "use": "claim"}, "claim: 85.55"),
        ({"resourceType": "Slot"}, "Slot"),
    ],
)
def test_a_record_is_said_in_one_line(resource: dict[str, Any], line: str) -> None:
    assert str(summary(resource)) == line
