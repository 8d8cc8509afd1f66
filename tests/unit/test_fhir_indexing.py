"""What an index of resources keeps never hides one that answers; the every-parameter tests ask it of all parameters."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from careledger.fhir.json_text import Number
from careledger.fhir.searching.indexing import MOST_TEXT, Narrowed, entries_of, narrowed, referring
from careledger.fhir.searching.parse import parse
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
        ("code:not", "x"), ("code:missing", "false"), ("code:text", "x"), ("subject:identifier", "x"),
        ("subject:Patient.name", "x"), ("subject.name", "x"), ("_has:Observation:focus:code", "x"),
        ("onset-date", "ne2020"), ("onset-info:contains", "x"),
    ],
)  # fmt: skip
def test_what_an_index_cannot_tell_it_leaves_to_the_evaluator(asked: tuple[str, str]) -> None:
    assert part("Condition", asked) == Narrowed((), False)


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


def test_nothing_of_the_index_is_printed() -> None:
    entries = entries_of(condition(onsetString="marked"), ALIAS)
    wanted = part("Condition", ("onset-info", "marked"))
    assert "marked" not in repr(entries) + repr(wanted) + repr(wanted.demands)
    assert any(lies(each, wanted.demands[0][0]) for each in entries)
