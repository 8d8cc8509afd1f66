"""Officers vote for how long records are kept from erasure, by commands; nobody else does."""

from __future__ import annotations

from pathlib import Path

import pytest

from stories.cli_world import careledger, small, told

__all__ = ["small"]
DIAGNOSIS = ("--days", "diagnosis=3650")


def test_a_table_is_carried_when_enough_officers_voted_for_it(small: Path) -> None:
    at = ("--data", small)
    assert told("retention", "show", *at) == {
        "in_force": {"version": 1, "since": told("retention", "show", *at)["in_force"]["since"], "days": {}},
        "coming": None,
    }
    one = told("retention", "vote", "--officer", "Officer Begum", *DIAGNOSIS, *at)
    assert (one["carried"], one["version"], one["days"]) == (False, 1, {})
    again = careledger("retention", "vote", "--officer", "Officer Begum", *DIAGNOSIS, *at)
    assert (again.code, "more officers have to vote" in again.out) == (0, True)
    two = told("retention", "vote", "--officer", "Officer Das", *DIAGNOSIS, *at)
    assert (two["carried"], two["version"], two["days"]) == (True, 2, {"diagnosis": 3650})
    assert told("retention", "vote", "--officer", "Officer Khan", *DIAGNOSIS, *at) == two
    assert told("retention", "show", *at)["in_force"] == {
        key: two[key] for key in ("version", "since", "days")
    }
    shown = careledger("retention", "show", *at).out
    assert all(word in shown for word in ("version 2", "diagnosis", "3650"))


def test_a_table_waits_for_its_day_and_is_shown_as_coming(tmp_path: Path) -> None:
    members = [word for name in ("A", "B", "C") for word in ("--member", f"{name}=hospital")]
    assert careledger("init", "--data", tmp_path / "net", *members, "--delay", "30d").code == 0
    at = ("--data", tmp_path / "net")
    officers = ("--officer", "Officer One", "--officer", "Officer Two")
    assert told("retention", "vote", *officers, "--days", "image=90", *at)["carried"]
    found = told("retention", "show", *at)
    assert (found["in_force"]["days"], found["coming"]["days"]) == ({}, {"image": 90})
    assert "version 2" in careledger("retention", "show", *at).out
    other = careledger("retention", "vote", *officers, "--days", "image=1", *at)
    assert (other.code, "pending" in other.err) == (1, True)


@pytest.mark.parametrize("stranger", ["Dr Sen, Lakeside", "City Hospital", "Somebody"])
def test_whoever_is_no_officer_votes_for_nothing(stranger: str, small: Path) -> None:
    before = told("retention", "show", "--data", small)
    done = careledger("retention", "vote", "--officer", stranger, "--days", "report=1", "--data", small)
    assert (done.code, "is not a ministry officer of this machine" in " ".join(done.err.split())) == (2, True)
    assert told("retention", "show", "--data", small) == before


@pytest.mark.parametrize(
    ("days", "says"),
    [
        (("dentistry=3",), "is none of history, prescription"),
        (("diagnosis",), "is not CATEGORY=NUMBER"),
        (("diagnosis=-1",), "is not CATEGORY=NUMBER"),
        (("diagnosis=36526",), "at most 36525"),
        (("diagnosis=1", "diagnosis=2"), "named twice"),
    ],
    ids=str,
)
def test_a_table_that_cannot_be_is_refused_before_anybody_votes(
    days: tuple[str, ...], says: str, small: Path
) -> None:
    named = [word for each in days for word in ("--days", each)]
    done = careledger("retention", "vote", "--officer", "Officer Begum", *named, "--data", small, width=200)
    assert (done.code, done.out) == (2, "")
    assert says in " ".join(done.err.split())


def test_a_vote_names_who_votes(small: Path) -> None:
    done = careledger("retention", "vote", "--days", "report=1", "--data", small)
    assert (done.code, "--officer" in done.err) == (2, True)
