"""When care took place, as far as a resource says it: a moment, a period, several, or nothing."""

from __future__ import annotations

from typing import Any

import pytest

from careledger.fhir.searching.care import between, within
from careledger.fhir.searching.moments import span

PERIOD = {"start": "2020-03-01", "end": "2020-05-01"}


@pytest.mark.parametrize(
    ("says", "start", "end", "found"),
    [
        ({"effectiveDateTime": "2020-04-01"}, "2020-04-01", "2020-04-01", True),
        ({"effectiveDateTime": "2020-04-01"}, "2020-04-02", "", False),
        ({"effectiveDateTime": "2020-04-01T23:30:00-05:00"}, "2020-04-02", "2020-04-02", True),
        ({"effectiveDateTime": "2020"}, "2020-11-01", "", True),
        ({"effectivePeriod": PERIOD}, "2020-04-01", "2020-04-02", True),
        ({"effectivePeriod": PERIOD}, "2020-05-02", "", False),
        ({"effectivePeriod": PERIOD}, "", "2020-02", False),
        ({"period": {"start": "2020-03-01"}}, "2025-01-01", "", True),
        ({"period": {"end": "2020-03-01"}}, "", "1950", True),
        ({"effectiveTiming": {"event": ["2020-01-01", "2020-06-01"]}}, "2020-03", "2020-03", True),
        ({"effectiveTiming": {"event": ["2020-01-01", "2020-06-01"]}}, "2020-07", "", False),
        ({"start": "2020-04-01T10:00:00Z", "end": "2020-04-03T10:00:00Z"}, "2020-04-02", "2020-04-02", True),
        ({"context": {"period": PERIOD}}, "2021", "", False),
        ({"onsetDateTime": "2010-01-01", "recordedDate": "2020-04-01"}, "2020", "2020", False),
        ({"effectiveDateTime": "soon", "issued": "2020-04-01T10:00:00Z"}, "2021", "", False),
        ({"effectiveDateTime": "soon"}, "2021", "", True),
        ({"birthDate": "1900-01-01"}, "2021", "", True),
        ({}, "2021", "2022", True),
    ],
)
def test_what_is_of_a_time_overlaps_it_or_says_no_time(
    says: dict[str, Any], start: str, end: str, found: bool
) -> None:
    assert within({"resourceType": "Basic", **says}, between(span(start), span(end))) is found
