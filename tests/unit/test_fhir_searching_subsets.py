"""Parts of resources: what a summary, some elements, the text alone and everything but the text leave of one."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest

from careledger.domain.errors import SearchRefused
from careledger.fhir.definitions.tables import definitions
from careledger.fhir.json_text import Number, Resource, read
from careledger.fhir.sample import sample_file, sample_names
from careledger.fhir.searching.results import subset_of
from careledger.fhir.searching.subsets import SUBSETTED, Subset, is_part
from careledger.fhir.validation.check import examine

OBSERVATION: Resource = {
    "resourceType": "Observation",
    "id": "1",
    "meta": {"versionId": "2", "tag": [{"code": "kept"}]},
    "language": "bn",
    "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">read</div>'},
    "extension": [{"url": "urn:x", "valueString": "left out"}],
    "modifierExtension": [{"url": "urn:m", "valueString": "not so"}],
    "_status": {"extension": [{"url": "urn:why", "valueCode": "unknown"}]},
    "code": {"text": "Weight", "extension": [{"url": "urn:x", "valueString": "left out"}]},
    "subject": {"extension": [{"url": "urn:absent", "valueCode": "masked"}]},
    "valueQuantity": {"value": Number("72.50"), "unit": "kg"},
    "interpretation": [{"text": "normal"}],
    "note": [{"text": "long"}],
    "component": [
        {"id": "c", "code": {"text": "part"}, "valueString": "x", "interpretation": [{"text": "normal"}]},
    ],
}


def names(part: Resource) -> set[str]:
    return set(part)


def test_a_summary_has_what_is_marked_so_at_every_depth() -> None:
    before = copy.deepcopy(OBSERVATION)
    part = Subset("true").of(OBSERVATION)
    assert before == OBSERVATION
    assert part["meta"] == {"versionId": "2", "tag": [{"code": "kept"}, SUBSETTED]}
    del part["meta"]
    assert part == {
        "resourceType": "Observation",
        "id": "1",
        "modifierExtension": OBSERVATION["modifierExtension"],
        "_status": OBSERVATION["_status"],
        "code": {"text": "Weight"},
        "subject": OBSERVATION["subject"],
        "valueQuantity": {"value": Number("72.50"), "unit": "kg"},
        "component": [{"code": {"text": "part"}, "valueString": "x"}],
    }


def test_an_attachment_in_a_summary_leaves_its_data_behind() -> None:
    held = {"contentType": "text/plain", "data": "eA==", "title": "x", "size": Number("1")}
    part = Subset("true").of({"resourceType": "DocumentReference", "content": [{"attachment": held}]})
    assert part["content"] == [{"attachment": {key: held[key] for key in ("contentType", "title", "size")}}]


def test_the_text_comes_with_what_is_mandatory_and_what_changes_a_meaning() -> None:
    kept = {"resourceType", "id", "meta", "text", "modifierExtension", "_status", "code"}
    assert names(Subset("text").of(OBSERVATION)) == kept


def test_the_data_are_all_but_the_text() -> None:
    part = Subset("data").of(OBSERVATION)
    assert names(part) == names(OBSERVATION) - {"text"}
    assert is_part(part)


def test_elements_are_found_by_the_name_of_their_choice_and_what_has_to_stay_stays() -> None:
    always = {"resourceType", "id", "meta", "modifierExtension", "_status", "code"}
    for elements, found in (
        (("value",), {"valueQuantity"}),
        (("valueQuantity", "note"), {"valueQuantity", "note"}),
        (("valueString", "nothing"), set()),
    ):
        part = Subset("", elements).of(OBSERVATION)
        assert names(part) == always | found
        assert is_part(part)
    patient = {"resourceType": "Patient", "active": False, "deceasedBoolean": True, "gender": "male"}
    assert names(Subset("", ("gender",)).of(patient)) == {*patient, "meta"}
    assert names(Subset("", ("birthDate",)).of(patient)) == {
        "resourceType",
        "active",
        "deceasedBoolean",
        "meta",
    }


def test_all_of_it_is_the_resource_itself_and_no_part() -> None:
    for whole in (Subset(), Subset("false"), Subset("count")):
        assert whole.of(OBSERVATION) is OBSERVATION
    assert not is_part(OBSERVATION)
    odds: list[Any] = [{}, {"meta": []}, {"meta": {"tag": {}}}, {"meta": {"tag": [1]}}, [], None]
    assert not any(is_part(each) for each in odds)


def test_a_read_wants_a_part_or_is_told_what_it_cannot_want() -> None:
    assert subset_of([("_summary", "true"), ("code", "x")]) == Subset("true")
    assert subset_of([("_elements", "code,status")]) == Subset("", ("code", "status"))
    for given in ([("_summary", "count")], [("_summary", "all")], [("_elements", "a b")],
                  [("_summary", "true"), ("_elements", "code")]):  # fmt: skip
        with pytest.raises(SearchRefused):
            subset_of(given)


@pytest.mark.parametrize("form", ["true", "text", "data", "elements"])
def test_a_part_of_every_sample_record_has_all_that_is_mandatory(form: str) -> None:
    seen = set()
    for name in sample_names()[:2]:
        for each in json.loads(sample_file(name))["entry"]:
            resource = read(json.dumps(each["resource"]).encode())
            wanted = Subset("", ("id",)) if form == "elements" else Subset(form)
            part = wanted.of(resource)
            assert is_part(part)
            invariants = re.compile(
                r"[a-z]+-[0-9]+: "
            )  # R4's are of whole resources: "a name or an identifier"
            found = [each for each in examine(part).errors if not invariants.match(each.what)]
            assert found == [], resource["resourceType"]
            seen.add(resource["resourceType"])
    assert len(seen) > 12


def test_every_type_has_a_summary() -> None:
    marked: dict[str, Any] = {
        kind: [name for name, each in definitions().shapes[kind]["elements"].items() if each.get("summary")]
        for kind in definitions().resources
    }
    assert all({"id", "meta", "implicitRules"} <= set(found) for found in marked.values())
    assert {kind for kind, found in marked.items() if len(found) == 3} == {"DomainResource", "Resource"}


def test_a_summary_keeps_what_is_mandatory_though_it_is_not_marked() -> None:
    shapes, found = definitions().shapes, 0
    for kind in definitions().resources:
        elements = shapes[kind]["elements"].items()
        for name in (name for name, each in elements if each["min"] and not each.get("summary")):
            assert name in Subset("true").of({"resourceType": kind, name: "there"}), (kind, name)
            found += 1
    assert found == 4  # participants of an Appointment, agents of an AuditEvent and a Provenance, its source
