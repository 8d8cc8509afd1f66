"""FHIRPath as the invariants of R4 use it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from careledger.fhir.definitions.tables import choices
from careledger.fhir.fhirpath.compiled import Compiler, Scope
from careledger.fhir.fhirpath.syntax import NotUnderstood, tree
from careledger.fhir.fhirpath.values import plain, truth
from careledger.fhir.json_text import read
from careledger.fhir.validation.invariants import not_evaluated

RESOURCE = {
    "resourceType": "Observation",
    "status": "final",
    "_issued": {"id": "i"},
    "code": {"coding": [{"system": "a", "code": "1"}, {"system": "b", "code": "2"}]},
    "valueQuantity": {"value": 1.50, "unit": "mg"},
    "component": [
        {"code": {"text": "x"}, "valueString": "one"},
        {"code": {"text": "y"}, "valueInteger": 2},
    ],
    "note": [{"text": "t", "time": "2021"}, {"text": "t", "time": "2021-05-02"}],
    "contained": [{"resourceType": "Patient", "id": "p", "active": False}],
}


def asked(expression: str, this: Any = None) -> list[Any]:
    resource = read(json.dumps(RESOURCE).encode())
    found = Compiler(choices()).expression(tree(expression))
    return [plain(each) for each in found(this or resource, Scope(resource, resource, resource))]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("status", ["final"]),
        ("Observation.status", ["final"]),
        ("Patient.status", []),
        ("`status`", ["final"]),
        ("code.coding.code", ["1", "2"]),
        ("code.coding.where(system = 'b').code", ["2"]),
        ("code.coding.where(system = 'b' and code = '1').exists()", [False]),
        ("code.coding.exists(code = '2')", [True]),
        ("code.coding.all(system.exists())", [True]),
        ("code.coding.all(system = 'a')", [False]),
        ("code.coding.select(code & system)", ["1a", "2b"]),
        ("code.coding.code.first()", ["1"]),
        ("code.coding.code.tail()", ["2"]),
        ("code.coding.count() = 2", [True]),
        ("code.coding.count() + component.count() > 3", [True]),
        ("value.exists()", [True]),
        ("value.value", [1.5]),
        ("(value as Quantity).unit", ["mg"]),
        ("value is Quantity", [True]),
        ("value is string", [False]),
        ("component.value", ["one", 2]),
        ("component.where(value is string).code.text", ["x"]),
        ("issued.exists()", [True]),
        ("issued.hasValue()", [False]),
        ("status.hasValue()", [True]),
        ("subject.empty()", [True]),
        ("subject = 'x'", []),
        ("{}", []),
        ("subject.exists() or status = 'final'", [True]),
        ("(subject = 'x') or status = 'other'", []),
        ("(subject = 'x') and status = 'other'", [False]),
        ("(subject = 'x') implies false", []),
        ("status = 'other' implies subject.exists()", [True]),
        ("status.exists() xor subject.exists()", [True]),
        ("status != 'final'", [False]),
        ("status in ('final' | 'amended')", [True]),
        ("('final' | 'amended') contains status", [True]),
        ("code.coding.code.isDistinct()", [True]),
        ("component.code.text.combine('x').isDistinct()", [False]),
        ("code.coding.code.intersect('2' | '3')", ["2"]),
        ("contained.active.not()", [True]),
        ("contained.active.allFalse()", [True]),
        ("contained.where(resourceType = 'x').empty()", [True]),
        ("contained.ofType(Patient).id", ["p"]),
        ("contained.first().is(Practitioner)", [False]),
        ("children().count() = 9", [True]),
        ("descendants().where($this = 't').count() = 2", [True]),
        ("status.matches('f[a-z]*')", [True]),
        ("status.matches('f')", [False]),
        ("status.startsWith('fi') and status.contains('na') and status.length() = 5", [True]),
        ("status.substring(1)", ["inal"]),
        ("status.substring(1, 2)", ["in"]),
        ("status.replaceMatches('a.*', 'e')", ["fine"]),
        ("value.value.toString()", ["1.5"]),
        ("'12'.toInteger() > 3", [True]),
        ("'x'.toInteger()", []),
        ("iif(status = 'final', 'yes', 'no')", ["yes"]),
        ("iif(status = 'x', 'yes')", []),
        ("status.trace('s')", ["final"]),
        ("%resource.status = %context.status", [True]),
        ("%ucum", ["http://unitsofmeasure.org"]),
        ("2 > 1 and 1 <= 1 and 1.0 = 1.00", [True]),
        ("status > 1", []),
        ("note[0].text", ["t"]),
        ("note[1].time", ["2021-05-02"]),
        ("note[2]", []),
        ("note.skip(1).time", ["2021-05-02"]),
        ("note[-1]", None),
        ("note['x']", None),
        ("'a\\'b\\u0041'", ["a'bA"]),
        ("note.first().time < note.tail().time", []),
        ("note.first().time <= '2022'", [True]),
        ("'2021-05-02T10:00:00Z' < '2021-05-02T09:00:00-05:00'", [True]),
        ("'2021-05-02T10:00:00.5Z' > '2021-05-02T10:00:00Z'", [True]),
        ("'2020-12-31T23:30:00-01:00' > '2021-01-01T00:00:00Z'", [True]),
    ],
)  # fmt: skip
def test_expressions_give_what_fhirpath_says(expression: str, expected: list[Any] | None) -> None:
    if expected is None:
        with pytest.raises(NotUnderstood):
            asked(expression)
    else:
        assert asked(expression) == expected


def test_operators_bind_as_the_grammar_says() -> None:
    assert asked("false and false or true") == [True]
    assert asked("false implies false and false") == [True]
    assert asked("1 | 2 = 1") == asked("(1 | 2) = 1") == [False]
    assert asked("1 + 1 > 1 and true") == [True]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a.",
        "a b",
        "(a",
        "a..b",
        "a and",
        "where(",
        "'open",
        "#",
        "a.where(b",
        "{ a }",
        "a,b",
        "x" * 5_000,
    ],
)
def test_what_is_no_expression_is_not_understood(text: str) -> None:
    with pytest.raises(NotUnderstood):
        tree(text)


def test_what_is_not_built_is_said_by_name() -> None:
    for text, name in (("a.resolve()", "resolve"), ("%other", "other"), ("a * 2", "*"), ("a is uri", "uri")):
        with pytest.raises(NotUnderstood, match=name.replace("*", r"\*")):
            Compiler(choices()).expression(tree(text))
    assert "ctm-1" in not_evaluated()


def test_a_collection_is_a_condition_as_fhirpath_says() -> None:
    assert [truth(each) for each in ([], [True], [False], ["x"], [False, False])] == [
        None,
        True,
        False,
        True,
        True,
    ]
