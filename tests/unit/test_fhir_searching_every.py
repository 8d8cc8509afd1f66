"""FHIR R4 search: every parameter of every type finds what stands at each of its elements, with all that it takes.

For each path of each expression a resource is made that holds one value there and nothing else; what is asked of it,
and the answer, stand in a table by the type of the parameter and of the element.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from careledger.fhir.definitions.tables import definitions, resource_types
from careledger.fhir.json_text import Number, Resource
from careledger.fhir.searching.indexing import entries_of, narrowed
from careledger.fhir.searching.parameters import MODIFIERS, PREFIXES, Parameter, parameters_of
from careledger.fhir.searching.parse import parse
from index_sight import may_answer

TYPES = sorted(resource_types())
CODING = {"system": "urn:s", "code": "Abc", "display": "Shown"}
QUANTITY = {"value": Number("5.4"), "unit": "milligram", "system": "urn:u", "code": "mg"}
CONCEPT = {"coding": [CODING], "text": "Readable"}
VALUES: dict[str, Any] = {
    "id": "Abc",
    "code": "Abc",
    "string": "Élan vital",
    "markdown": "Élan vital",
    "uri": "http://u.example/a/b",
    "url": "http://u.example/a/b",
    "canonical": "http://u.example/a/b|1",
    "boolean": True,
    "integer": Number("5"),
    "decimal": Number("5.4"),
    "date": "2020-05-06",
    "dateTime": "2020-05-06T10:00:00Z",
    "instant": "2020-05-06T10:00:00.000Z",
    "Coding": CODING,
    "CodeableConcept": CONCEPT,
    "Identifier": {"system": "urn:s", "value": "Abc", "type": CONCEPT},
    "ContactPoint": {"system": "phone", "value": "Abc"},
    "HumanName": {"family": "Élan vital"},
    "Address": {"city": "Élan vital"},
    "Period": {"start": "2020-05-06", "end": "2020-05-06"},
    "Timing": {"event": ["2020-05-06"]},
    "Quantity": QUANTITY,
    "SimpleQuantity": QUANTITY,
    "Age": QUANTITY,
    "Duration": QUANTITY,
    "Money": {"value": Number("5.4"), "currency": "EUR"},
    "Range": {"low": QUANTITY, "high": QUANTITY},
    "SampledData": {"origin": QUANTITY | {"value": Number("0")}, "factor": Number("1"), "data": "5.4 E"},
    "Attachment": {"title": "x"},
}
YES, NO = True, False
NOW = datetime(2026, 1, 1, tzinfo=UTC)
PRESENT = [("missing", "true", NO), ("missing", "false", YES)]
DATES = [
    *(("", f"{prefix}2020-05-06", prefix in ("", "eq", "ge", "le", "ap")) for prefix in ("", *PREFIXES)),
    *(("", f"{prefix}2020-05-05", prefix in ("ne", "gt", "ge", "sa", "ap")) for prefix in PREFIXES),
    *(("", f"{prefix}2020-05-07", prefix in ("ne", "lt", "le", "eb", "ap")) for prefix in PREFIXES),
    ("", "2020", YES),
    *PRESENT,
]
NUMBERS = [
    *(("", f"{prefix}5.4", prefix in ("", "eq", "ge", "le", "ap")) for prefix in ("", *PREFIXES)),
    *(("", f"{prefix}2.0", prefix in ("ne", "gt", "ge", "sa")) for prefix in PREFIXES),
    *(("", f"{prefix}9.0", prefix in ("ne", "lt", "le", "eb")) for prefix in PREFIXES),
    *PRESENT,
]
UNITS = [("", "5.4|urn:u|mg", YES), ("", "5.4||milligram", YES), ("", "5.4||g", NO), ("", "gt5|urn:u|g", NO)]
CODES = [("", "abc", YES), ("", "Abd", NO), ("not", "Abc", NO), ("not", "x", YES), *PRESENT]
PAIRS = [("", "urn:s|Abc", YES), ("", "urn:t|Abc", NO), ("", "|Abc", NO), ("", "urn:s|", YES)]
STRINGS = [("", "elan v", YES), ("", "vital", NO), ("contains", "VITAL", YES), ("exact", "Élan vital", YES),
           ("exact", "Elan vital", NO), ("", "x,ELAN", YES), *PRESENT]  # fmt: skip
URIS = [("", "http://u.example/a/b", YES), ("", "http://u.example/a", NO), ("below", "http://u.example/a", YES),
        ("below", "http://u.example/a/b/c", NO), *PRESENT]  # fmt: skip
ASKED: dict[tuple[str, str], list[tuple[str, str, bool]]] = {
    **{("date", each): DATES for each in ("date", "dateTime", "instant", "Period", "Timing")},
    **{("number", each): NUMBERS for each in ("decimal", "Range")},
    ("number", "integer"): [("", "5", YES), ("", "gt4", YES), ("", "gt5", NO), ("", "ge5", YES), *PRESENT],
    **{("quantity", each): NUMBERS + UNITS for each in ("Quantity", "SimpleQuantity", "Age", "Duration", "Range")},
    ("quantity", "SampledData"): NUMBERS + UNITS,
    ("quantity", "Money"): [*NUMBERS, ("", "5.4|urn:iso:std:iso:4217|EUR", YES), ("", "5.4||USD", NO)],
    ("token", "id"): [("", "Abc", YES), ("", "abc", NO), *PRESENT],
    ("token", "code"): CODES,
    ("token", "Coding"): CODES + PAIRS + [("text", "shown", YES), ("text", "own", NO)],
    ("token", "CodeableConcept"): CODES + PAIRS + [("text", "read", YES), ("text", "shown", YES)],
    ("token", "Identifier"): [*CODES, *PAIRS, ("text", "read", YES), ("of-type", "urn:s|Abc|abc", YES),
                              ("of-type", "urn:s|Abd|abc", NO)],
    ("token", "ContactPoint"): [*CODES, ("", "fax|Abc", NO)],
    ("token", "boolean"): [("", "true", YES), ("", "false", NO), *PRESENT],
    ("token", "string"): [("", "élan vital", YES), ("", "élan", NO), ("text", "elan", YES), *PRESENT],
    ("token", "uri"): [("", "http://u.example/a/b", YES), ("", "http://u.example/a", NO), *PRESENT],
    **{("string", each): STRINGS for each in ("string", "markdown", "HumanName", "Address")},
    **{("uri", each): [*URIS, ("above", "http://u.example/a/b/c", YES)] for each in ("uri", "url")},
    ("uri", "canonical"): [*URIS, ("", "http://u.example/a/b|1", YES), ("", "http://u.example/a/b|2", NO)],
    ("reference", "Reference"): [("identifier", "urn:s|Abc", YES), ("identifier", "Abd", NO), *PRESENT],
    ("reference", "Resource"): PRESENT,
    **{("reference", each): [("", "http://u.example/a/b", YES), ("", "http://u.example/a", NO), *PRESENT]
       for each in ("canonical", "uri")},
}  # fmt: skip
# What R4's expressions reach and its type of parameter cannot compare.
NOT_COMPARED = {("date", "Age"), ("date", "Range"), ("date", "string"), ("reference", "Attachment")}


def alternatives(kind: str, parameter: Parameter) -> Iterator[list[str]]:
    """The steps of each path of an expression that begins with the type: names, and what stands in brackets."""
    for each in re.split(r"\s*\|\s*", parameter.expression):
        text = re.sub(r"\(?(\S+) as (\w+)\)?", r"\1.as(\2)", each).removeprefix("(")
        text = re.sub(r"\.exists\(\) and .*|\[0\]", "", text)
        steps = re.findall(r"where\(resolve\(\) is \w+\)|where\([^)]*\)|as\(\w+\)|\w+", text)
        if steps[0][0].islower():  # InsurancePlan's name says no type
            yield steps
        elif steps[0] in (kind, "Resource", "DomainResource"):
            yield steps[1:]


def made(shape: str, steps: list[str], parameter: Parameter) -> Iterator[tuple[str, Any]]:
    """Values of a type that hold one value at these steps, with the type of that value."""
    if not steps:
        yield shape, leaf(shape, parameter, "")
        return
    name, *rest = steps
    elements, choices = (
        definitions().shapes[shape]["elements"],
        definitions().shapes[shape].get("choices", {}),
    )
    names = [name] if name in elements else choices[name][1]
    if rest and rest[0].startswith("as("):
        kind = rest.pop(0)[3:-1]
        names = [name + kind[0].upper() + kind[1:]]
    condition = rest.pop(0) if rest and rest[0].startswith("where(") else ""
    for each in names:
        for found, value in below(elements[each]["type"], rest, parameter, condition):
            yield found, {each: [value] if elements[each]["max"] == 0 else value}


def below(shape: str, steps: list[str], parameter: Parameter, condition: str) -> Iterator[tuple[str, Any]]:
    target = re.search(r"resolve\(\) is (\w+)", condition)
    sibling = re.search(r"(\w+)\s*=\s*'([^']+)'", condition)
    if target or not steps:
        value = leaf(shape, parameter, target[1] if target else "")
        yield shape, value | with_sibling(sibling) if isinstance(value, dict) else value
        return
    for found, value in made(shape, steps, parameter):
        yield found, value | with_sibling(sibling)


def with_sibling(found: re.Match[str] | None) -> dict[str, str]:
    return {found[1]: found[2]} if found else {}


def leaf(shape: str, parameter: Parameter, target: str) -> Any:
    kind = target or next(iter(parameter.targets), "Patient")
    if shape == "Reference":
        return {"reference": f"{kind}/1", "identifier": VALUES["Identifier"]}
    if shape == "Resource":
        return {"resourceType": kind, "id": "1"}
    return VALUES[shape]


def references(parameter: Parameter, found: str, resource: Any) -> list[tuple[str, str, bool]]:
    """What is asked of a reference besides: by its target, in all forms."""
    if found not in ("Reference", "Resource"):
        return []
    target = re.search(r"'(?:reference': '(\w+)/1|resourceType': '(\w+)', 'id': '1')", repr(resource))
    assert target
    kind = target[1] or target[2]
    more = [(kind, "1", YES), (kind, "2", NO)] if kind in parameter.targets else []
    return [
        ("", f"{kind}/1", YES),
        ("", "1", YES),
        ("", f"{kind}/2", NO),
        ("", "http://x.example/Group/1", NO),
        *more,
    ]


DONE: Counter[tuple[str, str]] = Counter()
SPARED: Counter[bool] = Counter()
"""How many resources that do not answer an index spared, by whether it could narrow the whole search."""


@pytest.mark.parametrize("kind", TYPES)
def test_every_parameter_finds_what_stands_at_its_elements(kind: str) -> None:
    for parameter in parameters_of(kind).values():
        if parameter.type == "composite":
            continue
        places = [each for steps in alternatives(kind, parameter) for each in made(kind, steps, parameter)]
        assert places, parameter.name
        for found, value in places:
            asks(kind, parameter, found, {"resourceType": kind, **value})


def asks(kind: str, parameter: Parameter, found: str, resource: Resource) -> None:
    if (parameter.type, found) in NOT_COMPARED:
        return
    if parameter.name == "deceased":
        found = "boolean"
    entries = entries_of(resource, "")
    for modifier, value, expected in ASKED[parameter.type, found] + references(parameter, found, resource):
        name = f"{parameter.name}:{modifier}" if modifier else parameter.name
        query = parse(kind, [(name, value)], now=NOW)
        assert query.ignored == ()
        assert query.matches(resource) is expected, (parameter, found, name, value, resource)
        part = narrowed(kind, [(name, value)], "", NOW)
        assert may_answer(part, entries) >= expected, (parameter, found, name, value, resource)
        SPARED[part.whole] += not expected and not may_answer(part, entries)
        DONE[parameter.type, modifier if modifier in MODIFIERS[parameter.type] else ""] += 1


def test_nothing_that_is_advertised_was_left_out() -> None:
    if sum(DONE.values()) < 20_000:
        pytest.skip("the comparisons ran elsewhere")
    every = {
        (kind, each) for kind, found in MODIFIERS.items() for each in ("", *found) if kind != "composite"
    }
    assert {one for one in every if not DONE[one]} == set()
    assert SPARED[True] > sum(DONE.values()) / 5
    assert SPARED[False] == 0
