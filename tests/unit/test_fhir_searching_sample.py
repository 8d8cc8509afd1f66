"""FHIR R4 search on the sample patients, beside a second evaluator that was written independently."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest

import plain_search as second
from careledger.fhir.json_text import Number, Resource, read
from careledger.fhir.sample import sample_file, sample_names
from careledger.fhir.searching.indexing import entries_of, narrowed
from careledger.fhir.searching.parameters import MODIFIERS, PREFIXES, parameters_of
from careledger.fhir.searching.parse import parse
from careledger.formats.indexing import Entry
from index_sight import may_answer

PEOPLE = sample_names()[::5]
MOST_RESOURCES = 60  # of one type
MOST_VALUES = 6  # of one parameter


@cache
def sample() -> dict[str, list[Resource]]:
    """Resources by type, references by type and id as a server would have them."""
    made: dict[str, list[Resource]] = {}
    for name in PEOPLE:
        entries = read(sample_file(name))["entry"]
        kinds = {each["fullUrl"]: each["resource"]["resourceType"] for each in entries}
        for each in entries:
            found = each["resource"]
            for holder in references(found):
                text = holder["reference"]
                if text in kinds:
                    holder["reference"] = f"{kinds[text]}/{text.removeprefix('urn:uuid:')}"
            made.setdefault(found["resourceType"], []).append(found)
    return {kind: found[:: len(found) // MOST_RESOURCES + 1] for kind, found in made.items()}


@cache
def indexed(kind: str) -> list[tuple[Resource, list[Entry]]]:
    """Resources with what stands of them in an index."""
    return [(each, entries_of(each, "")) for each in sample()[kind]]


def references(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            yield value
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def asked_of(kind: str, place: str, found: Any) -> Iterator[tuple[str, str]]:
    """Modifiers and values to ask for, made from a value that is there."""
    if kind == "token":
        yield from tokens(place, found)
    elif kind == "string":
        for text in [found] if isinstance(found, str) else list(second.walk(found, "city")):
            yield from (("", text), ("", text[:3].upper()), ("", text[1:]), ("contains", text[1:4]))
            yield from (("exact", text), ("exact", text[:-1] or "x"))
    elif kind == "date":
        text = found if isinstance(found, str) else found.get("end") or found["start"]
        shapes = [text, text[:10], text[:7], text[:4]]
        yield from (("", prefix + each) for prefix in ("", *PREFIXES) for each in dict.fromkeys(shapes))
    elif kind == "quantity" and isinstance(found.get("value"), Number):
        number = found["value"].text
        units = [
            "",
            f"|{found.get('system', '')}|{found.get('code', '')}",
            f"||{found.get('unit', '')}",
            "||other",
        ]
        yield from (("", f"{prefix}{number}{unit}") for prefix in ("", *PREFIXES) for unit in units)
        yield from (("", number.partition(".")[0]), ("", f"gt{number}0001"))
    elif kind == "reference" and "reference" in found:
        target, _, own = found["reference"].partition("/")
        yield from (("", found["reference"]), ("", own), (target, own), ("", f"Group/{own}"), ("", "unknown"))


def tokens(place: str, found: Any) -> Iterator[tuple[str, str]]:
    for system, code in second.codings(place, found):
        yield from (("", code), ("", code.upper()), ("", f"{system}|{code}"), ("", f"|{code}"), ("not", code))
        yield from (("", f"{system or 'urn:none'}|"), ("", f"http://other|{code}"), ("", f"{code}x"))
    if place == "code":
        yield "", f"{second.SYSTEM_OF_GENDER}|{found}"
    if place == "CodeableConcept" and found.get("text"):
        yield from (("text", found["text"][:5]), ("text", found["text"][2:6]))


def questions(kind: str, name: str) -> dict[tuple[str, str], None]:
    how = second.PARAMETERS[kind, name][0]
    there = [found for each in sample()[kind] for found in second.values(each, name)]
    chosen = there[:: len(there) // MOST_VALUES + 1]
    made = {("missing", "true"): None, ("missing", "false"): None}
    return made | dict.fromkeys(pair for place, found in chosen for pair in asked_of(how, place, found))


COUNTED: Counter[str] = Counter()


@pytest.mark.parametrize("parameter", second.PARAMETERS, ids=" ".join)
def test_the_second_evaluator_finds_the_same(parameter: tuple[str, str]) -> None:
    kind, name = parameter
    how = second.PARAMETERS[kind, name][0]
    assert parameters_of(kind)[name].type == how
    for modifier, value in questions(kind, name):
        asked = f"{name}:{modifier}" if modifier else name
        escaped = value.replace(",", r"\,")
        answers = parse(kind, [(asked, escaped)]).within(lambda reference: None)
        expected = [each["id"] for each in sample()[kind] if second.matches(each, name, modifier, value)]
        assert [each["id"] for each in sample()[kind] if answers(each)] == expected, (asked, value)
        part = narrowed(kind, [(asked, escaped)], "", datetime.now(UTC))
        maybe = {each["id"] for each, entries in indexed(kind) if may_answer(part, entries)}
        assert maybe >= set(expected), (asked, value)
        COUNTED["spared"] += len(maybe) < len(sample()[kind])
        COUNTED["asked"] += 1
        COUNTED["some"] += 0 < len(expected) < len(sample()[kind])
        COUNTED["none"] += not expected
        COUNTED[f"{how}:{modifier if modifier not in parameters_of(kind)[name].targets else 'Type'}"] += 1
        COUNTED[f"{how} {value[:2] if how in ('date', 'quantity') else ''}"] += 1


def test_the_questions_were_of_every_kind_and_their_answers_differed() -> None:
    if COUNTED["asked"] < 1_000:
        pytest.skip("the comparisons ran elsewhere")
    assert COUNTED["some"] > COUNTED["asked"] / 4
    assert COUNTED["none"] > COUNTED["asked"] / 10
    assert COUNTED["spared"] > COUNTED["asked"] / 2
    for how in ("date", "quantity"):
        assert all(COUNTED[f"{how} {prefix}"] > 20 for prefix in PREFIXES)
    asked = {f"{how}:{each}" for how in ("token", "string") for each in MODIFIERS[how]} - {"token:of-type"}
    assert [each for each in sorted(asked) if COUNTED[each] < 10] == []
