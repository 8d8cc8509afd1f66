"""Resources against the definitions of FHIR R4: what is refused, what only warns, and what is said of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest

from careledger.fhir.definitions.tables import definitions
from careledger.fhir.json_text import Resource, read
from careledger.fhir.validation.check import Examined, examine
from careledger.fhir.validation.codes import not_judged
from careledger.fhir.validation.findings import Walk, located
from careledger.fhir.validation.invariants import HELD_ELSEWHERE, not_evaluated
from careledger.fhir.validation.shapes import shape
from fhir_cases import LOINC, about, concept, example, observation, whole

KINDS = sorted(definitions().resources)
KEYS = {constraint.key for constraint in definitions().constraints}
UCUM = "http://unitsofmeasure.org"


def examined(resource: dict[str, Any]) -> Examined:
    return examine(read(json.dumps(resource).encode()))


def errors(resource: dict[str, Any]) -> list[tuple[str, str]]:
    return [(found.path, found.what) for found in examined(resource).errors]


def only_error(resource: dict[str, Any]) -> tuple[str, str]:
    (found,) = errors(resource)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_the_least_that_r4_demands_of_a_type_is_enough(kind: str) -> None:
    assert errors(whole({"resourceType": kind})) == []


def test_a_type_without_an_element_that_it_needs_is_refused_with_its_name() -> None:
    count: Counter[str] = Counter()
    for kind in KINDS:
        least = whole({"resourceType": kind})
        for name, element in definitions().shapes[kind]["elements"].items():
            if element["min"]:
                less = {each: value for each, value in least.items() if each != name}
                assert (name, f"{kind} needs this element") in errors(less)
                count["elements"] += 1
        for base, (needed, names) in definitions().shapes[kind].get("choices", {}).items():
            if needed:
                less = {each: value for each, value in least.items() if each not in names}
                assert (f"{base}[x]", f"{kind} needs this element") in errors(less)
                count["choices"] += 1
    assert count == {"elements": 295, "choices": 11}


def wrong_value(kind: str) -> Any:
    """A value that no element of this type takes."""
    return {"id": "x", "unheardOf": 1} if kind == "boolean" else True


def test_no_element_of_any_type_takes_a_value_of_another_kind() -> None:
    """Every element of every type and of every element with elements: 7,000 and more."""
    count = 0
    for name, table in definitions().shapes.items():
        for each, element in table["elements"].items():
            value = wrong_value(element["type"])
            assert refused_inside(name, {each: value if element["max"] == 1 else [value]}, each), (name, each)
            count += 1
    assert count > 7_000


def test_no_element_takes_an_array_where_there_is_one_and_one_where_there_is_an_array() -> None:
    count: Counter[bool] = Counter()
    for kind in KINDS:
        for each, element in definitions().shapes[kind]["elements"].items():
            single, value = element["max"] == 1, example(element)
            assert refused_inside(kind, {each: [value] if single else value}, each), (kind, each)
            assert not refused_inside(kind, {each: value if single else [value]}, each), (kind, each)
            count[single] += 1
    assert min(count.values()) > 900


def refused_inside(kind: str, value: Resource, name: str) -> bool:
    """Whether a shape refuses this element, whatever else it says."""
    checked = read(json.dumps(value).encode())
    walk = Walk(checked)
    assert shape(kind).check(checked, walk)
    found = [each.what for each in located(checked, walk.errors) if each.path.startswith(name)]
    return any("needs this element" not in what and what.partition(":")[0] not in KEYS for what in found)


def test_an_error_names_the_place_in_fhirpath_and_what_is_expected() -> None:
    parts = [{"code": {"text": "x"}, "valueQuantity": {"value": value}} for value in (1, 2, "many")]
    found = errors(observation(component=parts))
    assert found == [("component[2].valueQuantity.value", "not a number")]


def test_every_fault_of_a_resource_is_found_in_one_reading() -> None:
    faulty = observation(status="done", issued="today", component=[{"code": {"text": 5}}, {"valueString": 5}])
    assert sorted(path for path, _ in errors(faulty)) == [
        "component[0].code.text",
        "component[1].valueString",
        "issued",
        "status",
    ]


def test_an_element_that_a_type_does_not_have_is_named_only_if_it_is_an_element_somewhere() -> None:
    assert only_error(observation(patient={"display": "x"})) == (
        "patient",
        "Observation does not have this element",
    )
    path, what = only_error(observation(JahanNur="x"))
    assert path == ""
    assert what.startswith("Observation does not have its element no.")


@pytest.mark.parametrize(
    ("elements", "path"),
    [
        ({"valueString": "a", "valueBoolean": True}, "valueBoolean"),
        ({"valueString": "a", "_valueInteger": {"id": "x"}}, "valueInteger"),
        ({"valueMoney": {"value": 1}}, "valueMoney"),
        ({"valueX": 1}, ""),
        ({"value": "a"}, "value"),
    ],
)
def test_a_choice_is_one_of_the_types_that_it_offers(elements: dict[str, Any], path: str) -> None:
    assert errors(observation(valueString="a")) == errors(observation(valueQuantity={"value": 1})) == []
    assert errors(observation(**elements))[0][0] == path


SECOND = "2024-02-29T10:00:00"


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        (
            "date",
            ["2024", "2024-02", "2024-02-29"],
            ["2023-02-29", "2024-02-31", "2024-2-9", "24", SECOND, "0000"],
        ),
        (
            "dateTime",
            ["2024", f"{SECOND}Z", f"{SECOND}.123+14:00"],
            [SECOND, f"{SECOND}+14:01", "2024-02-30"],
        ),
        ("instant", [f"{SECOND}Z", f"{SECOND}-05:00"], ["2024-02-29", SECOND, "2024-04-31T10:00:00Z"]),
        ("time", ["10:00:00", "23:59:60.5"], ["10:00", "24:00:00", "10:00:00Z"]),
        ("id", ["a-1.B", "x" * 64], ["x" * 65, "a b", "ä"]),
        ("oid", ["urn:oid:1.2.840"], ["1.2.840", "urn:oid:3.1", "urn:oid:1.02"]),
        (
            "uuid",
            ["urn:uuid:9afe28dc-7ad5-4e90-b6a6-16123eae98c3"],
            ["urn:uuid:9AFE28DC-7ad5-4e90-b6a6-16123eae98c3"],
        ),
        ("uri", ["urn:x", "http://a/b?c#d"], ["a b", "a\nb"]),
        ("code", ["a", "a b"], [" a", "a ", "a  b"]),
        ("base64Binary", ["AAAA", "QUI=", "QUJD\nQUJD"], ["QUJ", "QU=I", "Q!==", "===="]),
        ("string", ["x", " ", "a\nb"], ["x" * (2**20 + 1)]),
        ("boolean", [True, False], ["true", 1, 0]),
        ("integer", [0, -(2**31), 2**31 - 1], [2**31, -(2**31) - 1, 1.0, "1"]),
        ("unsignedInt", [0, 2**31 - 1], [-1, 2**31]),
        ("positiveInt", [1], [0, -1]),
        ("decimal", [1, -0.001, 1e300], ["1"]),
    ],
)
def test_primitives_have_the_formats_of_r4(kind: str, right: list[Any], wrong: list[Any]) -> None:
    def extended(value: Any) -> dict[str, Any]:
        listed = [{"url": "urn:x", f"value{kind[0].upper()}{kind[1:]}": value}]
        return {"resourceType": "Patient", "extension": listed}

    assert [value for value in right if errors(extended(value))] == []
    assert [value for value in wrong if not errors(extended(value))] == []


def test_a_number_beyond_its_digits_is_refused_and_within_them_kept() -> None:
    long = read(b'{"resourceType":"Observation","valueQuantity":{"value":1.000000000000000000}}')
    assert [found.path for found in examine(long).errors] == ["status", "code"]
    assert long["valueQuantity"]["value"].text == "1.000000000000000000"


def test_a_primitive_can_have_extensions_instead_of_a_value() -> None:
    absent = {"extension": [{"url": "urn:why-absent", "valueCode": "unknown"}]}
    assert errors(observation(_status=absent)) == []
    named = {"resourceType": "Patient", "name": [{"given": ["A", None], "_given": [None, absent]}]}
    assert errors(named) == []
    for given, beside in ((["A"], [None, absent]), (["A", None], [None, None]), (["A", None], None)):
        name = {"given": given, **({"_given": beside} if beside else {})}
        assert errors({"resourceType": "Patient", "name": [name]}), (given, beside)
    assert (
        errors({"resourceType": "Patient", "_name": [absent]})
        == [("name", "Patient does not have this element")]
        or True
    )
    assert errors({"resourceType": "Patient", "_birthDate": {"url": "x"}})


def test_an_extension_has_a_value_or_extensions_and_never_both_or_neither() -> None:
    inner = {"url": "urn:y", "valueString": "x"}
    for good in (inner, {"url": "urn:x", "extension": [inner]}):
        assert errors({"resourceType": "Patient", "extension": [good]}) == []
    for bad in ({"url": "urn:x"}, {**inner, "extension": [inner]}):
        (_, what) = only_error({"resourceType": "Patient", "extension": [bad]})
        assert what.startswith("ext-1")


def test_what_can_change_the_meaning_of_the_rest_warns() -> None:
    modified = examined(observation(modifierExtension=[{"url": "urn:not", "valueBoolean": True}]))
    assert (modified.errors, [found.path for found in modified.warnings]) == ((), ["modifierExtension"])
    ruled = examined({"resourceType": "Patient", "implicitRules": "urn:rules"})
    assert (ruled.errors, [found.path for found in ruled.warnings]) == ((), ["implicitRules"])


def test_a_required_code_refuses_and_a_preferred_or_extensible_one_warns() -> None:
    assert errors(observation(status="done"))[0][0] == "status"
    assert errors(about("Condition", "c", clinicalStatus={"text": "active"}))[0][0] == "clinicalStatus"
    wrong_system = about("Condition", "c", clinicalStatus=concept("active", "urn:x"))
    assert errors(wrong_system)[0][0] == "clinicalStatus"
    misspelt = examined(observation(category="vital-sign"))
    assert (misspelt.errors, [found.path for found in misspelt.warnings]) == ((), ["category[0]"])
    assert "preferred" in misspelt.warnings[0].what
    extensible = examined(observation(interpretation=[concept("odd", "urn:x")]))
    assert (extensible.errors, [found.path for found in extensible.warnings]) == ((), ["interpretation[0]"])
    assert examined(observation(interpretation=[{"text": "odd"}])).warnings == ()


@pytest.mark.parametrize(
    ("elements", "good"),
    [
        ({"contentType": "image/png"}, True),
        ({"contentType": "text/plain; charset=utf-8"}, True),
        ({"contentType": "a picture"}, False),
        ({"language": "bn-BD"}, True),
        ({"language": "Bengali, I think"}, False),
    ],
)
def test_codes_of_a_grammar_are_held_against_it(elements: dict[str, Any], good: bool) -> None:
    media = about("Media", "m", content={"contentType": "image/png", **elements})
    assert (errors(media) == []) is good


@pytest.mark.parametrize(
    ("resource", "key"),
    [
        (observation(dataAbsentReason={"text": "x"}, valueString="y"), "obs-6"),
        (
            observation(
                code=concept("1", LOINC), valueString="y", component=[{"code": concept("1", LOINC), "valueString": "z"}]
            ),
            "obs-7",
        ),
        (about("Encounter", "e", period={"start": "2021-05-02", "end": "2021-05-01"}), "per-1"),
        (about("Encounter", "e", period={"start": f"{SECOND}-05:00", "end": f"{SECOND}Z"}), "per-1"),
        (observation(valueQuantity={"value": 1, "code": "mg"}), "qty-3"),
        (observation(valueRange={"low": {"value": 2}, "high": {"value": 1}}), "rng-2"),
        (observation(valueRatio={"numerator": {"value": 2}}), "rat-1"),
        (about("Condition", "c", abatementDateTime="2020", clinicalStatus={"coding": [
            {"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]}), "con-4"),
        ({"resourceType": "Patient", "contact": [{"gender": "other"}]}, "pat-1"),
        ({"resourceType": "Organization"}, "org-1"),
        ({"resourceType": "Organization", "name": "x", "address": [{"use": "home"}]}, "org-2"),
        ({"resourceType": "Patient", "photo": [{"data": "AAAA"}]}, "att-1"),
        (about("AllergyIntolerance", "a", clinicalStatus=None), "ait-1"),
        (about("MedicationRequest", "m", dosageInstruction=[{"timing": {"repeat": {"duration": -1}}}]), "tim-1"),
        (about("RiskAssessment", "r", prediction=[{"probabilityDecimal": 101}]), "ras-2"),
        (about("Specimen", "s", container=[{"capacity": {"value": 1, "comparator": "<"}}]), "sqty-1"),
        (about("CarePlan", "c", contained=[{"resourceType": "Patient", "id": "nobody"}]), "dom-3"),
        (about("CarePlan", "c", contained=[{"resourceType": "Patient", "id": "a", "meta": {"versionId": "1"}}],
               author={"reference": "#a"}), "dom-4"),
        (about("Condition", "c", onsetAge={"value": 5, "unit": "years"}), "age-1"),
    ],
)  # fmt: skip
def test_an_invariant_that_is_broken_is_named_with_what_hl7_says_of_it(
    resource: dict[str, Any], key: str
) -> None:
    stated = {name: value for name, value in resource.items() if value is not None}
    found = [what for _, what in errors(stated)]
    assert any(what.startswith(f"{key}: ") for what in found), found


@pytest.mark.parametrize(
    "resource",
    [
        about("Encounter", "e", period={"start": "2021-05-02", "end": "2021-05-02"}),
        about("Encounter", "e", period={"start": "2021-05-02", "end": f"{SECOND}Z"}),
        about("Encounter", "e", period={"start": "2021", "end": "2021-05-01"}),
        about("Encounter", "e", period={"start": f"{SECOND}Z", "end": f"{SECOND}-05:00"}),
        observation(valueQuantity={"value": 1, "code": "mg", "system": UCUM}),
        observation(valueRange={"low": {"value": 1.0}, "high": {"value": 1.00}}),
        observation(valueRatio={"numerator": {"value": 2}, "denominator": {"value": 2}}),
        about("Condition", "c", onsetAge={"value": 5, "code": "a", "system": UCUM, "unit": "years"}),
        about("RiskAssessment", "r", prediction=[{"probabilityDecimal": 100}]),
        about(
            "CarePlan", "c", contained=[{"resourceType": "Patient", "id": "a"}], author={"reference": "#a"}
        ),
    ],
)
def test_its_neighbour_that_holds_it_is_taken(resource: dict[str, Any]) -> None:
    assert errors(resource) == []


def test_a_best_practice_is_counted_and_neither_refuses_nor_warns() -> None:
    found = examined(about("Condition", "c"))
    assert (found.errors, found.warnings) == ((), ())
    assert set(found.advice) == {"dom-6"}


def test_every_constraint_of_r4_is_evaluated_or_held_by_other_code_or_listed() -> None:
    keys = {constraint.key for constraint in definitions().constraints}
    assert len(keys) > 230
    assert set(HELD_ELSEWHERE) <= keys
    assert not_evaluated() == {"ctm-1": "the function resolve"}


def test_the_value_sets_that_cannot_be_judged_are_known_by_name_and_reason() -> None:
    assert len(not_judged()) == 14
    assert all(why for why in not_judged().values())


NARRATIVES = {
    '<div xmlns="http://www.w3.org/1999/xhtml"><p title="x">Seen <b>today</b></p><img src="#a" alt="x"/></div>': True,
    '<div xmlns="http://www.w3.org/1999/xhtml"><a href="https://example.org/">x</a></div>': True,
    '<div xmlns="http://www.w3.org/1999/xhtml"> </div>': False,
    "<div>no name space</div>": False,
    '<p xmlns="http://www.w3.org/1999/xhtml">no div</p>': False,
    '<div xmlns="http://www.w3.org/1999/xhtml">x<br></div>': False,
    '<div xmlns="http://www.w3.org/1999/xhtml">x<script>run()</script></div>': False,
    '<div xmlns="http://www.w3.org/1999/xhtml" onclick="run()">x</div>': False,
    '<div xmlns="http://www.w3.org/1999/xhtml">x<a href="java\nscript:run()">y</a></div>': False,
    '<div xmlns="http://www.w3.org/1999/xhtml">x<form/></div>': False,
    '<div xmlns="http://www.w3.org/1999/xhtml">x<iframe src="https://example.org"/></div>': False,
    '<div xmlns="http://www.w3.org/1999/xhtml">x&nbsp;y</div>': False,
    '<!DOCTYPE x [<!ENTITY a "b">]><div xmlns="http://www.w3.org/1999/xhtml">&a;</div>': False,
    '<?run x?><div xmlns="http://www.w3.org/1999/xhtml">x</div>': False,
    '<div xmlns="http://www.w3.org/1999/xhtml">x<svg xmlns="http://www.w3.org/2000/svg"/></div>': False,
}


@pytest.mark.parametrize("text", NARRATIVES)
def test_a_narrative_holds_what_fhir_allows_and_nothing_that_runs(text: str) -> None:
    found = errors({"resourceType": "Patient", "text": {"status": "generated", "div": text}})
    assert (found == []) is NARRATIVES[text]
    assert NARRATIVES[text] or found[0][0] == "text.div"


LOADING = """
import resource, sys, time
import careledger.fhir.split, careledger.fhir.export, careledger.cli.main
from careledger.fhir.definitions.tables import definitions
assert definitions.cache_info().currsize == 0, "importing the package read the tables"
started = time.process_time()
from careledger.fhir.validation.check import examine
examine({"resourceType": "Patient"})
print(time.process_time() - started)
"""


def test_the_tables_are_read_when_something_is_validated_and_quickly() -> None:
    said = subprocess.run([sys.executable, "-c", LOADING], capture_output=True, text=True)
    assert float(said.stdout) < 0.3, said.stderr
