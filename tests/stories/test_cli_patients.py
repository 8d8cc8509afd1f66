"""Patients are registered, claim, are found, linked, grow up, leave and die, by commands alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from careledger.app.world import open_world
from careledger.sealing.phrase import Phrase
from careledger.workflows import claim as claiming
from stories.cli_world import careledger, registered, small, told

__all__ = ["small"]
TWO = ("--officer", "Officer Begum", "--officer", "Officer Das")


def test_a_registered_patient_stands_in_the_table_and_not_on_the_ledger(small: Path) -> None:
    said = told("patient", "register", "--as", "records desk", "--name", "রহিমা খাতুন", "--romanised", "Rahima Khatun",
                "--birth", "1988-04", "--national-id", "1988 77", "--data", small)  # fmt: skip
    table = {
        each["alias"]: each for each in told("patient", "list", "--as", "City", "--data", small)["patients"]
    }
    found = table[said["alias"]]
    assert (found["name"], found["birth"], found["controller"]) == ("রহিমা খাতুন", "1988-04", "the registrar")
    stored = b"".join(path.read_bytes() for path in small.rglob("*") if path.is_file())
    assert "রহিমা".encode() not in stored
    assert b"Rahima" not in stored
    assert careledger("patient", "list", "--as", "City", "--data", small).out.count("Rahima Khatun") == 1


def test_a_patient_claims_and_the_words_are_given_once(small: Path, tmp_path: Path) -> None:
    alias, words = registered(small, "Claiming Patient"), tmp_path / "words"
    act = ("patient", "claim", "Claiming", "--at", "City Hospital", "--label", "Claimant", "--data", small)
    piped = careledger(*act)
    assert (piped.code, "on a terminal only" in " ".join(piped.err.split())) == (2, True)
    said = told(*act, "--phrase-file", words)
    assert said == {"patient": "Claimant", "alias": alias, "controller": "own keys"}
    phrase = Phrase.from_words(words.read_text())
    assert words.stat().st_mode & 0o777 == 0o600
    world = open_world(small)
    try:
        assert world.keyring.patient("Claimant")[1].words() == phrase.words()
    finally:
        world.close()
    again = careledger(*act, "--phrase-file", tmp_path / "other")
    assert (again.code, "claimed already" in again.err, (tmp_path / "other").exists()) == (2, True, False)
    kept = careledger("patient", "phrase", "Claimant", "--phrase-file", words, "--data", small)
    assert (kept.code, "exists" in kept.err) == (2, True)
    shown = careledger("patient", "phrase", "Claimant", "--phrase-file", tmp_path / "asked", "--data", small)
    assert (shown.code, shown.out) == (0, "")
    assert (tmp_path / "asked").read_text() == words.read_text()


def test_a_claim_that_was_stopped_goes_on_with_the_same_words(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alias = registered(small, "Interrupted Patient")
    act = ("patient", "claim", "Interrupted", "--at", "City", "--label", "Stopped", "--data", small)
    with monkeypatch.context() as patched:
        patched.setattr(claiming, "take_over", stop)
        done = careledger(*act, "--phrase-file", tmp_path / "first")
    assert (done.code, (tmp_path / "first").exists()) == (130, False)
    assert told(*act, "--phrase-file", tmp_path / "words")["alias"] == alias
    assert careledger("patient", "rotate", "Stopped", "--data", small).code == 0


def stop(*arguments: object) -> None:
    raise KeyboardInterrupt


def test_another_patients_label_is_not_taken(small: Path, tmp_path: Path) -> None:
    registered(small, "First of the name", "Namesake")
    registered(small, "Second of the name")
    done = careledger("patient", "claim", "Second of", "--at", "City", "--label", "Namesake", "--phrase-file",
                      tmp_path / "words", "--data", small)  # fmt: skip
    assert (done.code, (tmp_path / "words").exists()) == (2, False)


def test_a_person_is_found_by_who_treats_and_is_told(small: Path) -> None:
    alias = registered(small, "Person To Find")
    told(
        "patient",
        "register",
        "--as",
        "City",
        "--name",
        "Sought Person",
        "--birth",
        "1971-05-06",
        "--data",
        small,
    )
    found = told(
        "patient", "find", "--as", "Dr Sen", "--name", "person sought", "--birth", "1971", "--data", small
    )
    assert [(each["member"], each["why"]) for each in found["matches"]] == [
        ("City Hospital", "name-and-birth")
    ]
    assert found["unanswered"] == []
    little = told("patient", "find", "--as", "Dr Sen", "--name", "Person To Find", "--data", small)
    assert (little["matches"], {each["error"] for each in little["unanswered"]}) == ([], {"RequestRefused"})
    assert alias
    registered(small, "Told Person", "Told Person")
    told("patient", "find", "--as", "Dr Sen", "--national-id", "55", "--data", small)
    assert "Nobody looked" in careledger("patient", "located", "Told Person", "--data", small).out
    nobody = careledger("patient", "find", "--as", "Dr Sen", "--national-id", "00", "--data", small)
    assert "Nobody was found" in nobody.out
    wrong = careledger(
        "patient", "find", "--as", "Dr Sen", "--name", "X", "--birth", "1971-02-31", "--data", small
    )
    assert (wrong.code, "is no date" in wrong.err) == (2, True)


def test_the_person_found_sees_who_looked(small: Path, tmp_path: Path) -> None:
    told(
        "patient",
        "register",
        "--as",
        "City",
        "--name",
        "Looked For",
        "--national-id",
        "7 7 7",
        "--data",
        small,
    )
    claimed = careledger("patient", "claim", "Looked For", "--at", "City", "--label", "Looked For", "--phrase-file",
                         tmp_path / "words", "--data", small)  # fmt: skip
    assert claimed.code == 0, claimed.err
    told("patient", "find", "--as", "Dr Sen", "--national-id", "777", "--data", small)
    [seen] = told("patient", "located", "Looked For", "--data", small)["located"]
    assert (seen["reader"], seen["member"], seen["declared"]) == (
        "Dr Sen, Lakeside",
        "City Hospital",
        "present",
    )


def test_restricted_records_are_named_for_emergencies_one_by_one(small: Path) -> None:
    registered(small, "Careful Patient", "Careful")
    act = ("patient", "emergencies", "Careful", "--data", small)
    assert told(*act, "--restricted", "diagnosis")["named"] == ["diagnosis (restricted)"]
    nothing = careledger(*act, width=200)
    assert (nothing.code, "name at least one" in nothing.err) == (2, True)


def test_unclaimed_duplicates_are_shown_linked_by_two_officers_and_parted_again(small: Path) -> None:
    words = ("--birth", "1955-03-02", "--data", small)
    rows = [
        told("patient", "register", "--as", "City", "--name", name, *words)
        for name in ("Karim Uddin", "Karim Udin")
    ]
    pair = [row["alias"] for row in rows]
    shown = told("patient", "duplicates", "--as", "City", "--data", small)["pairs"]
    assert [each["why"] for each in shown if {each["first"], each["second"]} == set(pair)] == [
        "similar-name-and-birth"
    ]
    act = ("Karim Uddin", "Karim Udin", "--at", "City", "--data", small)
    alone = careledger("patient", "link", *act, "--officer", "Officer Das")
    assert (alone.code, "two ministry officers" in alone.err) == (1, True)
    linked = told("patient", "link", *act, *TWO)
    assert {linked["first"], linked["second"]} == set(pair)
    assert told("patient", "unlink", *act, *TWO) == linked
    assert careledger("patient", "unlink", *act, *TWO).code == 2


def test_a_patient_links_two_aliases_and_undoes_it(small: Path) -> None:
    for name in ("Twice Here", "Twice There"):
        registered(small, name, f"{name}, own")
    pair = ("Twice Here, own", "Twice There, own", "--data", small)
    linked = told("patient", "link", *pair)
    assert told("patient", "links", "Twice Here", "--data", small)["links"] == [linked]
    told("patient", "unlink", *pair)
    assert told("patient", "links", "Twice Here", "--data", small)["links"] == []


def test_a_guardian_holds_a_minors_record_until_majority(small: Path, tmp_path: Path) -> None:
    alias = registered(small, "Mitu")
    act = ("patient", "guardian", "Mitu", "--at", "City", "--label", "Mother", "--data", small)
    past = careledger(*act, "--until", "2001-01-01", "--phrase-file", tmp_path / "mother")
    assert (past.code, "in the future" in past.err) == (1, True)
    held = told(*act, "--until", "2034-06-01", "--phrase-file", tmp_path / "mother")
    assert (held["alias"], held["controller"], held["until"]) == (alias, "a guardian", "2034-06-02T00:00:00Z")
    own = told("patient", "majority", "Mother", "--at", "City", "--label", "Mitu herself", "--phrase-file",
               tmp_path / "own", "--data", small)  # fmt: skip
    assert (own["alias"], own["controller"]) == (alias, "own keys")
    devices = {
        each["name"]: each["controller"] for each in told("patient", "list", "--data", small)["patients"]
    }
    assert (devices["Mitu herself"], "Mother" in devices) == ("own keys", False)


def test_nobody_is_born_in_the_future(small: Path) -> None:
    for birth in ("2999", "2999-01-31"):
        done = careledger("patient", "register", "--as", "City", "--birth", birth, "--data", small)
        assert (done.code, done.out, "has not come yet" in done.err, birth in done.err) == (
            2,
            "",
            True,
            False,
        )


def test_a_registration_ends_and_a_death_is_recorded_and_withdrawn(small: Path) -> None:
    alias = registered(small, "Leaving Patient", "Leaver")
    assert careledger("patient", "end", "Leaver", "--at", "Lakeside", "--data", small).code == 2
    assert told("patient", "end", "Leaver", "--at", "City", "--data", small)["consents_revoked"] == 0
    assert careledger("patient", "end", "Leaver", "--at", "City", "--data", small).code == 0
    one = careledger("patient", "death", "Leaver", "--officer", "Officer Das", "--data", small)
    assert "Controlled by: self. One officer's word is on the ledger; it takes two." in one.out
    assert told("patient", "death", "Leaver", *TWO, "--data", small) == {
        "alias": alias,
        "controller": "nobody",
    }
    assert told("patient", "death", "Leaver", *TWO, "--withdraw", "--data", small)["controller"] == "self"
    stranger = careledger("patient", "death", "Leaver", "--officer", "Dr Sen", "--data", small)
    assert stranger.code == 2


def test_errors_about_patients_name_nobody(small: Path) -> None:
    registered(small, "Secret Name One")
    registered(small, "Secret Name Two")
    for words in (("Secret Name",), ("Secret Nobody",), ("",)):
        done = careledger("patient", "death", *words, *TWO, "--data", small)
        assert (done.code, "Secret" in done.err) == (2, False)
