"""A patient summary says what records say; what is hidden never looks like health."""

from __future__ import annotations

import json
import re
from typing import Any
from uuid import UUID

from careledger.domain.categories import Category
from careledger.fhir.canonical import canonical
from careledger.fhir.json_text import Resource, read
from careledger.fhir.patient_summary import Summarised, patient_summary
from careledger.fhir.summary_text import INCOMPLETE
from careledger.fhir.validation.check import examine
from careledger.fhir.validation.narrative import is_narrative
from fhir_cases import about, concept, observation, whole

BASE = "http://127.0.0.1:8080/fhir"
HOSTILE = "<script>alert(1)</script>\u202eevil " + "x" * 5_000
REQUIRED = {"10160-0", "48765-2", "11450-4"}


def made(
    *resources: dict[str, Any], closed: frozenset[Category] = frozenset(), complete: bool = True
) -> Resource:
    patient = whole({"resourceType": "Patient", "id": "p", "name": [{"text": "রহিমা Begum"}]})
    records = [read(json.dumps(each).encode()) for each in (patient, *map(whole, resources))]
    named = {f"{BASE}/{each['resourceType']}/{each['id']}": each for each in records}
    given = Summarised(f"{BASE}/Patient/p", named, closed, complete, "2026-11-29T05:00:00Z", UUID(int=7))
    bundle: Resource = read(canonical(patient_summary(given)))
    return bundle


def sections(bundle: Resource) -> dict[str, Resource]:
    found = bundle["entry"][0]["resource"]["section"]
    return {each["code"]["coding"][0]["code"]: each for each in found}


def reasons(bundle: Resource) -> dict[str, str]:
    return {
        code: each["emptyReason"]["coding"][0]["code"]
        for code, each in sections(bundle).items()
        if "emptyReason" in each
    }


def condition(name: str, status: str = "active", **elements: Any) -> dict[str, Any]:
    said = concept(status, "http://terminology.hl7.org/CodeSystem/condition-clinical")
    return about("Condition", name, code={"text": name}, clinicalStatus=said, **elements)


def test_a_summary_is_a_document_that_r4_allows() -> None:
    vital = observation("v", "vital-signs", code={"text": "weight"})
    bundle = made(condition("flu", onsetDateTime="2026-03-01"), condition("mumps", "resolved"), vital)
    assert examine(bundle).errors == ()
    assert (bundle["type"], bundle["entry"][0]["resource"]["resourceType"]) == ("document", "Composition")
    assert bundle["entry"][0]["resource"]["type"]["coding"][0]["code"] == "60591-5"
    urls = [each["fullUrl"] for each in bundle["entry"]]
    assert len(set(urls)) == len(urls)
    composition = bundle["entry"][0]["resource"]
    pointed = [each["reference"] for section in composition["section"] for each in section.get("entry", ())]
    pointed += [composition["subject"]["reference"], composition["author"][0]["reference"]]
    assert set(pointed) <= set(urls)
    assert set(sections(bundle)) == REQUIRED | {"11348-0", "8716-3"}
    assert "2026-03-01" in sections(bundle)["11450-4"]["text"]["div"]
    assert "flu" not in sections(bundle)["11348-0"]["text"]["div"]


def test_what_is_not_shared_is_withheld_and_what_is_empty_is_unavailable_never_nil() -> None:
    assert reasons(made()) == dict.fromkeys(REQUIRED, "unavailable")
    hidden = reasons(made(closed=frozenset({Category.GENERAL, Category.HISTORY})))
    assert hidden["48765-2"] == "withheld"
    assert hidden["11369-6"] == hidden["47519-4"] == hidden["42348-3"] == hidden["29762-2"] == "withheld"
    assert hidden["11450-4"] == "unavailable"
    partly = made(observation("l", "laboratory"), closed=frozenset({Category.GENERAL}))
    assert "emptyReason" not in sections(partly)["30954-2"]
    assert (
        "Not shared, whether or not it holds anything: general." in sections(partly)["30954-2"]["text"]["div"]
    )
    for bundle in (made(), made(condition("flu")), made(closed=frozenset(Category))):
        assert "nilknown" not in json.dumps(reasons(bundle))
        composition = bundle["entry"][0]["resource"]
        assert INCOMPLETE in composition["text"]["div"]
        assert all(INCOMPLETE in each["text"]["div"] for each in composition["section"])


def test_a_row_says_when_what_how_much_and_how_it_stands_each_once() -> None:
    flu = condition("flu", "active", onsetDateTime="2026-03-01")
    measured = {"value": 61, "unit": "kg"}
    weight = observation("v", "vital-signs", code={"text": "weight"}, status="final", valueQuantity=measured)
    said = sections(made(flu, weight))
    assert "<td>2026-03-01</td><td>flu</td><td></td><td>active</td>" in said["11450-4"]["text"]["div"]
    assert "<td>weight</td><td>61 kg</td><td>final</td>" in said["8716-3"]["text"]["div"]


def test_no_known_allergies_is_said_by_a_record_alone() -> None:
    none = about(
        "AllergyIntolerance", "a", code={"coding": [{"code": "716186003", "display": "No known allergy"}]}
    )
    assert "No known allergy" in sections(made(none))["48765-2"]["text"]["div"]
    assert "No known" not in json.dumps([each["text"]["div"] for each in sections(made()).values()])


def test_what_was_entered_in_error_is_left_out_and_what_was_refuted_is_called_so() -> None:
    system = "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification"
    refuted = about(
        "AllergyIntolerance", "r", code={"text": "penicillin"}, verificationStatus=concept("refuted", system)
    )
    wrong = about(
        "AllergyIntolerance",
        "w",
        code={"text": "nuts"},
        verificationStatus=concept("entered-in-error", system),
    )
    bundle = made(refuted, wrong)
    assert re.search("penicillin.*refuted", sections(bundle)["48765-2"]["text"]["div"])
    assert "nuts" not in json.dumps([each["text"]["div"] for each in sections(bundle).values()])
    assert not any(each["fullUrl"].endswith("/w") for each in bundle["entry"])


def test_a_reference_is_followed_into_what_is_shown_and_stays_literal_to_what_is_not() -> None:
    flu = condition(
        "flu", recorder={"reference": "Practitioner/d"}, encounter={"reference": "Encounter/hidden"}
    )
    doctor = {"resourceType": "Practitioner", "id": "d"}
    aside = {"resourceType": "Practitioner", "id": "nobody-names-me"}
    bundle = made(flu, doctor, aside)
    urls = {each["fullUrl"].removeprefix(BASE) for each in bundle["entry"]}
    assert "/Practitioner/d" in urls
    assert not {"/Practitioner/nobody-names-me", "/Encounter/hidden"} & urls
    shown = next(each["resource"] for each in bundle["entry"] if each["fullUrl"].endswith("/flu"))
    assert shown == read(json.dumps(whole(flu)).encode())


def test_hostile_text_is_escaped_cut_and_shown_without_marks_and_bengali_stays_whole() -> None:
    bundle = made(
        condition("c1") | {"code": {"text": HOSTILE}}, condition("c2") | {"code": {"text": "জ্ব\u200cর"}}
    )
    div = sections(bundle)["11450-4"]["text"]["div"]
    assert is_narrative(div)
    assert "&lt;script&gt;" in div
    assert "<script" not in div
    assert "\u202e" not in div
    assert "x" * 300 not in div
    assert "জ্ব\u200cর" in div
    assert "রহিমা Begum" in bundle["entry"][0]["resource"]["text"]["div"]


def test_a_table_that_is_too_long_says_how_many_are_left_out_and_every_record_is_an_entry() -> None:
    many = [condition(f"c{number}") | {"code": {"text": "y" * 190}} for number in range(2_600)]
    section = sections(made(*many))["11450-4"]
    assert is_narrative(section["text"]["div"])
    assert len(section["entry"]) == 2_600
    assert int(re.findall(r"(\d+) more are in this section", section["text"]["div"])[0]) > 0


def test_that_few_custodians_answered_is_said_where_it_is_so() -> None:
    told = made(complete=False)["entry"][0]["resource"]["text"]["div"]
    assert "Too few custodians answered" in told
    assert "Too few" not in made()["entry"][0]["resource"]["text"]["div"]
