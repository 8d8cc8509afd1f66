"""Times as people type them, and what is told for those that are none."""

from __future__ import annotations

import pytest
import typer

from careledger.cli.moments import day_text, duration, end, month, start

NOW = 1_800_000_000
DAY = 86_400


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("0", 0),
        ("90s", 90),
        ("45m", 2700),
        ("2h", 7200),
        ("30d", 30 * DAY),
        ("6w", 42 * DAY),
        ("1y", 365 * DAY),
    ],
)
def test_a_length_of_time_is_read(said: str, seconds: int) -> None:
    assert duration(said, "--for") == seconds
    if seconds:
        assert (start(said, NOW), end(said, NOW)) == (NOW + seconds, NOW + seconds)


def test_a_day_begins_at_its_first_second_and_ends_after_its_last() -> None:
    assert end("2026-12-31", NOW) - start("2026-12-31", NOW) == DAY
    assert start("2026-12-31", NOW) == 1_798_675_200
    assert start("2026-12-31T18:00", NOW) == end("2026-12-31T18:00", NOW) == 1_798_740_000
    assert start("2026-12-31T18:00+06:00", NOW) == 1_798_740_000 - 6 * 3600
    assert start("now", NOW) == NOW


@pytest.mark.parametrize(
    "said", ["", "soon", "31.12.2026", "2026-02-30", "2 h", "-1d", "1000000000000d", "h", "20261231"]
)
def test_what_is_no_time_is_refused_with_the_forms_that_are(said: str) -> None:
    for read in (start, end):
        with pytest.raises(typer.BadParameter, match="is no time; write a day"):
            read(said, NOW)
    with pytest.raises(typer.BadParameter, match="is no length of time"):
        duration(said, "--for")


def test_dates_keep_their_precision_and_months_are_months() -> None:
    assert [day_text(said, "--birth") for said in ("1979", "1979-02", "1979-02-27")] == [
        "1979",
        "1979-02",
        "1979-02-27",
    ]
    assert month("2024-01", "--from-month") == "2024-01"
    for wrong in ("1979-02-30", "79", "1979-13", "19790227", "tomorrow"):
        with pytest.raises(typer.BadParameter, match="is no date"):
            day_text(wrong, "--birth")
    for wrong in ("2024", "2024-13", "2024-1"):
        with pytest.raises(typer.BadParameter, match="is no month"):
            month(wrong, "--to-month")
