"""The records of the dead, by commands: to whom the person named, and to whom two officers let read them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from careledger.app.clocks import SystemClock
from careledger.domain.questions import OFFICERS_WAIT
from stories.cli_world import PATIENT, careledger, explored, lived, told

__all__ = ["explored", "lived"]
TWO = ("--officer", "Officer Begum", "--officer", "Officer Das")


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """By how many seconds the machine's clock is ahead."""
    ahead = [0]
    monkeypatch.setattr(SystemClock, "now", lambda clock: int(time.time()) + ahead[0])
    return ahead


def test_who_was_named_and_who_was_decided_for_read_the_dead_and_nobody_else(
    lived: Path, later: list[int], tmp_path: Path
) -> None:
    at, file = ("--data", lived), tmp_path / "decision"
    wanted = ("--category", "diagnosis", *at)
    told(
        "consent", "grant", PATIENT, "--to", "Dr Sen, Lakeside", "--for", "AFTERDEATH", "--until", "10y", *wanted,
    )  # fmt: skip
    named = ("search", PATIENT, "--as", "Dr Sen, Lakeside", "--for", "AFTERDEATH", *wanted)
    decide = (
        "patient",
        "after-death",
        PATIENT,
        "--reader",
        "Dr Rahman",
        "--reason",
        "heirs-ask",
        "--file",
        file,
    )
    assert [(done.code, done.out) for done in (careledger(*named), careledger(*decide, *TWO, *wanted))] == [
        (1, "")
    ] * 2
    assert not file.exists()
    later[0] = 60
    told("patient", "death", PATIENT, *TWO, *at)
    assert (said := told(*named))["rule"] == "consent"
    assert len(said["records"]) > 0
    one = careledger(*decide, "--officer", "Officer Das", *wanted)
    stranger = careledger(*decide, "--officer", "Officer Das", "--officer", "Dr Sen, Lakeside", *wanted)
    assert (one.code, "two officers decide this" in one.err) == (1, True)
    assert (stranger.code, "is not a ministry officer" in " ".join(stranger.err.split())) == (2, True)
    assert told(*decide, *TWO, *wanted)["file"] == str(file)
    read = ("search", PATIENT, "--as", "Dr Rahman, City", "--decision", file, *at)
    early = careledger(*read, "--category", "diagnosis")
    assert (early.code, "too-soon-after-death" in early.err) == (1, True)
    later[0] = OFFICERS_WAIT + 120
    by_officers = told(*read)
    assert (by_officers["rule"], len(by_officers["records"])) == ("officers", len(said["records"]))
    assert {each["why"] for each in by_officers["not_looked_into"]} == {
        "the officers' decision does not name it"
    }
    other = careledger("search", PATIENT, "--as", "Dr Chowdhury", "--decision", file, *wanted)
    assert (other.code, "decided-for-another" in other.err) == (1, True)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--decision", "no-such-file", "--as", "Dr Sen"), "No such file"),
        (("--decision", "x"), "goes with --as and without --rule"),
        (("--decision", "x", "--as", "Dr Sen", "--rule", "general"), "goes with --as and without --rule"),
    ],
    ids=str,
)
def test_a_decision_that_is_not_there_is_named(words: tuple[str, ...], says: str, explored: Path) -> None:
    done = careledger("search", PATIENT, *words, "--data", explored, width=400)
    assert (done.code, says in done.err) == (2, True)


def test_a_file_that_holds_no_decision_is_refused(explored: Path, tmp_path: Path) -> None:
    (tmp_path / "letter").write_bytes(b"not a decision")
    done = careledger(
        "search", PATIENT, "--as", "Dr Sen", "--decision", tmp_path / "letter", "--data", explored
    )
    assert (done.code, done.err.count("\n")) == (1, 1)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--reader", "Lakeside Hospital"), "is not a post"),
        (("--reader", "Nobody"), "is not a party"),
        (("--for", "0"), "a reason, a time and a new file"),
        (("--category", "teeth"), "is none of"),
    ],
    ids=str,
)
def test_a_decision_that_cannot_be_is_not_written(
    words: tuple[str, str], says: str, explored: Path, tmp_path: Path
) -> None:
    named = {"--reader": "Dr Rahman", "--reason": "x", "--category": "report", "--file": str(tmp_path / "d")}
    named |= dict([words])
    said = [word for pair in named.items() for word in pair]
    done = careledger("patient", "after-death", PATIENT, *said, *TWO, "--data", explored, width=400)
    assert (done.code, done.out) == (2, "")
    assert says in done.err
    assert not (tmp_path / "d").exists()
