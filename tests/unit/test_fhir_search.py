"""What a search finds in a resource, and what it does not."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from careledger.cli.trends import sparkline
from careledger.fhir.json_text import read
from careledger.fhir.search import Query, matches, measured

PRESSURE = read(
    json.dumps(
        {
            "resourceType": "Observation",
            "effectiveDateTime": "2024-05-31T10:00:00Z",
            "code": {"coding": [{"system": "http://loinc.org", "code": "85354-9"}], "text": "Blood Pressure"},
            "component": [
                {
                    "code": {"text": "Systolic"},
                    "valueQuantity": {"value": 120.50, "unit": "mm[Hg]"},
                },
                {"code": {"text": "Diastolic"}, "valueQuantity": {"value": 80, "unit": "mm[Hg]"}},
                {"code": {"text": "Pulse"}, "dataAbsentReason": {"text": "unknown"}},
            ],
        }
    ).encode()
)


@pytest.mark.parametrize(
    "query",
    [
        Query(),
        Query(("blood", "PRESSURE")),
        Query(("120.5",)),
        Query(code="85354-9"),
        Query(code="http://loinc.org|85354-9"),
        Query(first="2024", last="2024"),
        Query(first="2024-05-31", last="2024-05-31"),
        Query(("systolic",), "85354-9", "2023", "2024-05"),
    ],
)
def test_it_is_found_where_everything_that_was_asked_holds(query: Query) -> None:
    assert matches(PRESSURE, query)


@pytest.mark.parametrize(
    "query",
    [
        Query(("blood", "sugar")),
        Query(code="85354"),
        Query(code="http://snomed.info/sct|85354-9"),
        Query(first="2024-06"),
        Query(last="2024-04"),
        Query(("blood",), last="2023"),
    ],
)
def test_it_is_not_found_where_one_thing_does_not_hold(query: Query) -> None:
    assert not matches(PRESSURE, query)


def test_a_resource_without_a_date_is_in_no_period() -> None:
    undated = read(b'{"resourceType": "Observation", "code": {"text": "Height"}}')
    assert matches(undated, Query(("height",)))
    assert not matches(undated, Query(first="1900"))


def test_numbers_of_an_observation_and_its_components_are_measured() -> None:
    found = [(each.what, each.unit, each.date, each.value) for each in measured(PRESSURE)]
    assert found == [
        ("Systolic", "mm[Hg]", "2024-05-31", Decimal("120.5")),
        ("Diastolic", "mm[Hg]", "2024-05-31", Decimal(80)),
    ]
    assert list(measured(read(b'{"resourceType": "Condition", "code": {"text": "Asthma"}}'))) == []


def test_a_sparkline_runs_from_its_lowest_to_its_highest() -> None:
    assert sparkline([Decimal(each) for each in (1, 8, 4)]) == "▁█▄"
    assert sparkline([Decimal(3), Decimal(3)]) == "▄▄"
    assert sparkline([Decimal(each) for each in range(100)], 8) == "▁▂▃▄▅▆▇█"
