"""What an index of resources keeps never hides one that answers; the every-parameter tests ask it of all parameters."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import product
from types import MappingProxyType
from typing import Any

import pytest

from careledger.fhir.json_text import Number, read
from careledger.fhir.sample import sample_file, sample_names
from careledger.fhir.searching.elements import elements
from careledger.fhir.searching.indexing import MOST_TEXT, Narrowed, entries_of, narrowed, order_of, referring
from careledger.fhir.searching.parameters import parameters_of
from careledger.fhir.searching.parse import parse
from careledger.formats.indexing import ASCENDING, DESCENDING, ORDERED, Order
from index_sight import lies, may_answer, meets

NOW = datetime(2026, 11, 29, tzinfo=UTC)
BASE = "http://here.example/fhir"
ALIAS = "ab" * 32
RECORD = "7c2b0d0e-9d52-4c5a-9f9e-3f6f9d8e2a11"


def part(kind: str, *given: tuple[str, str]) -> Narrowed:
    parse(kind, given, base=BASE, now=NOW)
    return narrowed(kind, given, BASE, NOW)


def condition(**more: Any) -> dict[str, Any]:
    return {"resourceType": "Condition", "id": RECORD, **more}


@pytest.mark.parametrize(
    "asked",
    [
        ("encounter", f"Encounter/{RECORD}"),
        ("encounter", RECORD),
        ("encounter:Encounter", RECORD),
        ("encounter", f"{BASE}/Encounter/{RECORD}"),
        ("encounter", f"urn:uuid:{RECORD}"),
    ],
)
def test_a_reference_to_a_record_by_its_urn_is_looked_at_under_every_name_it_has(
    asked: tuple[str, str],
) -> None:
    entries = entries_of(condition(encounter={"reference": f"urn:uuid:{RECORD}"}), ALIAS)
    assert may_answer(part("Condition", asked), entries)
    other = entries_of(condition(encounter={"reference": "urn:uuid:" + RECORD.replace("7", "8")}), ALIAS)
    assert not may_answer(part("Condition", asked), other)


@pytest.mark.parametrize(
    "text", [f"urn:uuid:{RECORD}", f"Patient/{ALIAS}", f"{BASE}/Patient/{ALIAS}/_history/3"]
)
def test_a_patient_is_looked_at_by_the_alias_whatever_the_record_calls_them(text: str) -> None:
    entries = entries_of(condition(subject={"reference": text}, asserter={"reference": text}), ALIAS)
    for name in ("patient", "subject", "asserter", "asserter:Patient"):
        assert may_answer(part("Condition", (name, ALIAS)), entries), name
    assert meets(entries, referring("Condition", "subject", f"Patient/{ALIAS}"))
    assert meets(entries, referring("Condition", "*", f"Patient/{ALIAS}"))
    assert not meets(entries, referring("Condition", "encounter", f"Patient/{ALIAS}"))


@pytest.mark.parametrize(
    "asked",
    [
        ("code:missing", "false"), ("code:text", "x"), ("subject:identifier", "x"),
        ("subject:Patient.name", "x"), ("subject.name", "x"), ("_has:Observation:focus:code", "x"),
        ("onset-date", "ne2020"), ("onset-info:contains", "x"),
    ],
)  # fmt: skip
def test_what_an_index_cannot_tell_it_leaves_to_the_evaluator(asked: tuple[str, str]) -> None:
    assert part("Condition", asked) == Narrowed((), False)


def test_what_is_not_wanted_narrows_nothing_and_is_passed_over() -> None:
    assert part("Condition", ("code:not", "x")) == Narrowed((), True)
    assert part("Condition", ("code:not", "x"), ("code:text", "y")) == Narrowed((), False)


def test_what_is_wanted_back_and_what_is_unknown_narrow_nothing() -> None:
    given = [
        ("_count", "5"),
        ("_sort", "-onset-date"),
        ("shoe-size", "44"),
        ("_include", "Condition:subject"),
    ]
    assert part("Condition", *given) == Narrowed((), True)
    assert len(part("Condition", *given, ("code", "a,b"), ("code", "c")).demands) == 2


def test_long_strings_half_characters_and_wide_periods_are_found() -> None:
    long, half = "x" * (MOST_TEXT + 9), "\ud83d broken"
    entries = entries_of(condition(onsetString=long, abatementString=half), ALIAS)
    assert may_answer(part("Condition", ("onset-info", long)), entries)
    assert may_answer(part("Condition", ("abatement-string", half)), entries)
    assert not may_answer(part("Condition", ("onset-info", "y")), entries)
    period = entries_of(condition(onsetPeriod={"start": "1990"}), ALIAS)
    for value in ("ge2020", "gt2020", "sa1989", "ap2020-01-01", "le1990", "lt1991"):
        assert may_answer(part("Condition", ("onset-date", value)), period), value
    for value in ("eq1990", "1990-01-01", "lt1980", "eb2020", "sa2020"):
        assert not may_answer(part("Condition", ("onset-date", value)), period), value


def test_numbers_that_no_float_holds_are_found_at_their_ends() -> None:
    for text in ("1e400", "0.1000000000000000000000000001", "-1e-400", "123456789012345678901234567890"):
        made = {"resourceType": "Observation", "id": "1", "valueQuantity": {"value": Number(text)}}
        entries = entries_of(made, ALIAS)
        for prefix in ("", "ge", "le", "ap"):
            asked = ("value-quantity", prefix + text)
            assert parse("Observation", [asked]).matches(made)
            assert may_answer(part("Observation", asked), entries), asked


def test_the_index_has_the_order_of_the_sort_under_every_parameter() -> None:
    by_kind = defaultdict[str, list[Any]](list)
    for name in sample_names()[:2]:
        for entry in read(sample_file(name))["entry"]:
            by_kind[entry["resource"]["resourceType"]].append(entry["resource"])
    orders, told_apart = 0, 0
    for kind, resources in by_kind.items():
        filed = {id(each): _orders(each) for each in resources}
        for name, sign in product(parameters_of(kind), ("", "-")):
            query = parse(kind, [("_sort", sign + name)], base=BASE, now=NOW)
            if not query.sort or (order := order_of(kind, query.sort, True)) is None:
                continue
            way = (ASCENDING, DESCENDING)[order[0].descending]
            keys = [(filed[id(each)].get((order[0].parameter, way)), each) for each in resources]
            valued: list[tuple[Any, Any]] = [each for each in keys if each[0] is not None]
            valued.sort(key=lambda each: each[0], reverse=order[0].descending)
            expected = [each for _, each in (*valued, *(each for each in keys if each[0] is None))]
            assert query.sorted(resources) == expected, (kind, sign + name)
            orders, told_apart = orders + 1, told_apart + (len({value for value, _ in valued}) > 1)
    assert orders > 300
    assert told_apart > 100


def _orders(resource: Any, patients: Mapping[str, str] = MappingProxyType({})) -> dict[tuple[str, int], Any]:
    found = [each for each in entries_of(resource, ALIAS, patients) if each.parameter.endswith(ORDERED)]
    return {
        (each.parameter.removesuffix(ORDERED), way): each.low
        for each in found
        for way in (ASCENDING, DESCENDING)
        if int(each.high) & way
    }


def test_what_leads_to_different_types_is_not_ordered_by_the_index() -> None:
    def order(text: str) -> object:
        return order_of("Condition", parse("Condition", [("_sort", text)], base=BASE, now=NOW).sort, True)

    assert order("code,-onset-date") == (Order("code", False), Order("onset-date", True))
    assert order("patient,-_profile") == (Order("patient", False), Order("_profile", True))
    keys = parse("Appointment", [("_sort", "date,practitioner")], base=BASE, now=NOW).sort
    assert order_of("Appointment", keys[:1], True) == (Order("date", False),)
    assert order_of("Appointment", keys, True) is None
    resource = condition(
        asserter={"reference": "Patient/1"}, meta={"profile": ["urn:a"]}, recordedDate="2024"
    )
    ordered = {each.parameter for each in entries_of(resource, ALIAS) if each.parameter.endswith(ORDERED)}
    assert ordered == {f"{each}{ORDERED}" for each in ("_id", "recorded-date", "asserter", "_profile")}


@pytest.mark.parametrize("asked", ["patient", "code,-subject", "encounter"])
def test_who_does_not_see_what_leads_to_whom_gets_no_order_of_it(asked: str) -> None:
    keys = parse("Condition", [("_sort", asked)], base=BASE, now=NOW).sort
    assert order_of("Condition", keys, True) is not None
    assert order_of("Condition", keys, False) is None


def test_a_reference_is_in_order_by_the_id_that_it_names_and_a_patients_by_the_patient() -> None:
    urn, other = f"urn:uuid:{RECORD}", RECORD.replace("7", "8")
    for text, wanted in (
        (urn, RECORD), (f"Encounter/{RECORD}", RECORD), (f"{BASE}/Encounter/{other}/_history/3", other),
        ("#inside", "#inside"), ("urn:oid:1.2.3", "urn:oid:1.2.3"),
    ):  # fmt: skip
        assert _orders(condition(encounter={"reference": text}))["encounter", ASCENDING] == wanted
    made = condition(subject={"reference": urn})
    assert "patient" not in {name for name, _ in _orders(made)}
    led = _orders(made, {urn: f"Patient/{ALIAS}"})
    assert (led["patient", ASCENDING], led["subject", DESCENDING]) == (ALIAS, ALIAS)


def test_nothing_of_the_index_is_printed() -> None:
    entries = entries_of(condition(onsetString="marked"), ALIAS)
    wanted = part("Condition", ("onset-info", "marked"))
    assert "marked" not in repr(entries) + repr(wanted) + repr(wanted.demands)
    assert any(lies(each, wanted.demands[0][0]) for each in entries)


def test_an_element_that_is_not_there_is_passed_over_unless_absence_is_an_answer() -> None:
    def named(**more: Any) -> set[str]:
        return {
            each.parameter.removesuffix(ORDERED)
            for each in entries_of({"resourceType": "Patient", "id": "p"} | more, ALIAS)
        }

    roots = {
        name: [each.root for each in elements("Patient", parameters_of("Patient")[name].expression)]
        for name in ("deceased", "birthdate", "phone")
    }
    assert roots == {"deceased": [""], "birthdate": ["birthDate"], "phone": ["telecom"]}
    assert named() == {"_id", "deceased"}
    assert named(birthDate="1990") == named() | {"birthdate"}
    assert "phone" in named(telecom=[{"system": "phone", "value": "1"}])
