"""Records are found by words, codes and dates, by whoever may read them; what could not be looked into is said."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from careledger.cli.audit import _when
from careledger.domain import reading
from careledger.workflows.audit import Access
from careledger.workflows.custodian import agreement
from stories.cli_world import PATIENT, careledger, explored, lived, told

__all__ = ["explored", "lived"]


def test_the_patient_finds_records_by_words_code_date_and_category(lived: Path) -> None:
    at = ("--data", lived)
    everything = told("search", PATIENT, *at)
    assert (everything["rule"], everything["searched"]) == ("own", len(everything["records"]))
    found = told("search", PATIENT, "AMOXICILLIN 250", *at)["records"]
    assert [(each["type"], each["category"]) for each in found] == [("MedicationRequest", "prescription")]
    heights = told("search", PATIENT, "--code", "8302-2", *at)["records"]
    assert heights == told("search", PATIENT, "--code", "http://loinc.org|8302-2", *at)["records"] != []
    assert {each["type"] for each in heights} == {"Observation"}
    assert told("search", PATIENT, "--code", "http://snomed.info/sct|8302-2", *at)["records"] == []
    dates = sorted(each["date"] for each in everything["records"] if each["date"])
    year = dates[len(dates) // 2][:4]
    of_year = told("search", PATIENT, "--from", year, "--to", year, *at)["records"]
    assert {each["date"][:4] for each in of_year} == {year}
    assert len(of_year) == sum(date.startswith(year) for date in dates)
    assert {each["category"] for each in told("search", PATIENT, "--category", "visit", *at)["records"]} == {
        "visit"
    }


def test_a_reader_finds_what_was_granted_and_is_told_what_not(lived: Path) -> None:
    at = ("--data", lived)
    read = told("search", PATIENT, "--as", "Dr Sen, Lakeside", *at)
    assert read["rule"] == "consent"
    assert {each["category"] for each in read["records"]} <= {"diagnosis", "report", "measurement"}
    closed = {each["category"]: each["why"] for each in read["not_looked_into"]}
    assert closed["prescription"] == "the consent does not name it"
    screen = " ".join(
        careledger("search", PATIENT, "amoxicillin", "--as", "Dr Sen, Lakeside", *at).out.split()
    )
    assert "0 of" in screen
    assert "Not looked into (the consent does not name it): history, prescription" in screen


def test_who_has_no_ground_is_refused_with_the_reason_and_the_next_step(lived: Path) -> None:
    at = ("--data", lived)
    for rule in ((), ("--rule", "consent"), ("--rule", "registrar"), ("--rule", "break-glass")):
        done = careledger("search", PATIENT, "--as", "Dr Chowdhury", *rule, *at)
        assert (done.code, done.out, "Next: " in done.err) == (1, "", True)
    general = told("search", PATIENT, "--as", "Dr Chowdhury", "--rule", "general", *at)
    assert {each["category"] for each in general["records"]} <= {"general"}
    assert "diagnosis" in {each["category"] for each in general["not_looked_into"]}
    told("consent", "revoke", PATIENT, "Dr Sen, Lakeside", *at)
    over = careledger("search", PATIENT, "--as", "Dr Sen, Lakeside", *at)
    assert (over.code, "consent-revoked" in over.err) == (1, True)


def test_general_information_of_one_patient_more_needs_an_officer(
    lived: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = ("--data", lived)
    for label, role in (("officer, Lakeside", "operator"), ("Nurse Roy, Lakeside", "nurse")):
        told("party", "post", label, "--as", "Lakeside Hospital", "--role", role, *at)
    monkeypatch.setattr(reading, "PATIENTS_A_DAY", 0)
    monkeypatch.setattr(agreement, "PATIENTS_A_DAY", 0)
    act = ("search", PATIENT, "--as", "Dr Chowdhury", "--rule", "general", *at)
    alone, nurse = careledger(*act), careledger(*act, "--agreed-by", "Nurse Roy")
    assert (alone.code, "too-many-patients" in alone.err) == (1, True)
    assert (nurse.code, "not-an-officer" in nurse.err) == (1, True)
    assert told(*act, "--agreed-by", "officer, Lakeside")["rule"] == "general"


def test_what_was_measured_is_drawn_over_time(lived: Path) -> None:
    said = told("search", PATIENT, "--code", "8302-2", "--data", lived)
    [trend] = said["trends"]
    assert (trend["what"], trend["unit"], len(trend["points"])) == ("Body Height", "cm", len(said["records"]))
    assert [point["date"] for point in trend["points"]] == sorted(point["date"] for point in trend["points"])
    screen = careledger("search", PATIENT, "--code", "8302-2", "--plot", "--data", lived, width=140).out
    assert "▁" in screen
    assert "█" in screen


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--from", "yesterday"), "is no date"),
        (("--rule", "consent"), "with --as"),
        (("--rule", "whim", "--as", "Dr Sen"), "one of consent, registrar, general, break-glass"),
        (("--category", "teeth"), "is none of"),
        (("--as", "Lakeside Hospital"), "is not a post of this machine"),
    ],
    ids=str,
)
def test_wrong_words_are_told_the_right_ones(words: tuple[str, ...], says: str, explored: Path) -> None:
    done = careledger("search", PATIENT, *words, "--data", explored, width=400)
    assert (done.code, done.out) == (2, "")
    assert says in done.err


def access(at: int) -> Access:
    values = {"at_time": at, "reader": 1, "rule": "consent", "purpose": "TREAT", "outcome": "released"}
    return Access(**{each.name: values.get(each.name) for each in fields(Access)})  # type: ignore[arg-type]


def test_accesses_are_drawn_by_day_or_over_a_longer_time_by_week() -> None:
    day, monday = 86_400, 1_798_416_000  # 2026-12-28
    few = [access(monday + place * day) for place in (0, 0, 3)]
    assert _when(few) == ("Requests by others, per day", [("2026-12-28", 2), ("2026-12-31", 1)])
    title, bars = _when([*few, access(monday + 27 * day)])
    assert title == "Requests by others, per week"
    assert bars == [("2026-12-28", 3), ("2027-01-04", 0), ("2027-01-11", 0), ("2027-01-18", 1)]


def test_custodians_are_listed_anchored_added_and_replaced(lived: Path) -> None:
    at = ("--data", lived)
    listed = {each["name"]: each for each in told("custodian", "list", *at)["custodians"]}
    assert len(listed) == 5
    assert "Lines of the release logs" in careledger("custodian", "list", *at).out
    told("party", "register", "Hilltop Hospital", "--role", "hospital", *at)
    stranger = careledger("custodian", "add", "Hilltop", "--as", "Officer Begum", *at)
    assert stranger.code == 1  # not verified yet
    told("party", "verify", "Hilltop", "--as", "Officer Begum", "--no-custodian", *at)
    assert told("custodian", "add", "Hilltop", "--as", "Officer Begum", *at)["log_lines"] == 0
    done = told("custodian", "replace", PATIENT, "Green Pharmacy", "--by", "Hilltop", *at)
    assert (done["retired"], done["versions"] > 3) == (True, True)
    [patient] = told("show", *at)["patients"]
    assert told("doctor", *at)["well"]  # who was replaced lacks nothing
    assert ("Hilltop Hospital" in patient["custodians"], "Green Pharmacy" in patient["custodians"]) == (
        True,
        False,
    )
    again = careledger("custodian", "replace", PATIENT, "Lakeside Hospital", "--by", "City Hospital", *at)
    assert (again.code, "on the list" in again.err) == (1, True)
    not_listed = careledger("custodian", "repair", PATIENT, "Green Pharmacy", *at)
    assert (not_listed.code, "custodian replace" in not_listed.err) == (2, True)
    anchored = told("custodian", "checkpoint", *at)
    assert (anchored["custodians"], anchored["failed"]) == (6, [])
    assert told("custodian", "leave", "Green Pharmacy", *at)["leaving"] is True
    assert careledger("custodian", "retire", "Green Pharmacy", "--as", "Dr Sen", *at).code == 2
    told("custodian", "retire", "Green Pharmacy", "--as", "Officer Das", *at)
    assert told("custodian", "checkpoint", *at)["custodians"] == 5
    status = told("custodian", "status", "Hilltop", *at)
    assert (status["here"], status["attestations_owed"], len(status["cosigners"])) == (True, 0, 5)


def test_the_bench_lists_and_runs_scripts_of_a_source_tree(tmp_path: Path) -> None:
    (tmp_path / "speed.py").write_text("import sys\nprint('measured', *sys.argv[1:])\n")
    assert told("bench", "--bench", tmp_path)["parts"] == {"speed": str(tmp_path / "speed.py")}
    ran = careledger("bench", "speed", "--bench", tmp_path, "--json", "--", "--quick")
    assert (ran.code, ran.out) == (0, "measured --json --quick\n")
    none = careledger("bench", "speed", "--bench", tmp_path / "nowhere")
    assert (none.code, "--bench" in none.err) == (2, True)
    assert (
        "they come with the source tree"
        in careledger("bench", "--bench", tmp_path / "nowhere", width=200).out
    )
