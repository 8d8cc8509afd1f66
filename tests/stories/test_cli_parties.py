"""A network is founded, and parties come, change and go, by commands alone; wrong words are told the right ones."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from careledger.app import founding
from careledger.cli.commands import init as command
from stories.cli_world import careledger, in_a_process, small, told

__all__ = ["small"]
THREE = ("--member", "A=hospital", "--member", "B=centre,hospital", "--member", "C=pharmacy")


def test_a_network_is_founded_with_defaults(tmp_path: Path) -> None:
    said = told("init", "--data", tmp_path / "net")
    assert (said["custodians"], len(said["members"]), said["matrix_version"], said["threshold"]) == (
        5,
        5,
        2,
        2,
    )
    assert careledger("verify", "--data", tmp_path / "net").code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["net"]


def test_a_network_is_founded_as_it_was_asked_for(tmp_path: Path) -> None:
    said = told(
        "init",
        "--data",
        tmp_path,
        *THREE,
        "--officer",
        "O",
        "--threshold",
        1,
        "--delay",
        "30d",
        "--holding",
        2,
    )
    assert (said["officers"], said["members"], said["delay"]) == (["O"], ["A", "B", "C"], 30 * 86_400)
    assert (said["voted_matrix"], said["matrix_version"]) == (2, 1)
    parties = {each["name"]: each for each in told("party", "list", "--data", tmp_path)["parties"]}
    assert parties["B"]["roles"] == ["centre", "hospital"]
    assert told("show", "--data", tmp_path)["network"]["thresholds"]["holding"] == 2


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (("--member", "A=hospital"), "3 members are needed"),
        (("--member", "Nameless"), "NAME=ROLE"),
        (("--member", "A=dentist"), "is none of centre, insurer, hospital, pharmacy"),
        ((*THREE, "--member", "A=hospital"), "same name"),
        (("--threshold", 4), "there are 3 officers"),
        (("--delay", "soon"), "no length of time"),
        (("--opening", 4), "at most --holding"),
        (("--data", "/dev/null"), "not empty"),
    ],
    ids=str,
)
def test_a_network_that_cannot_be_is_refused_before_anything_is_made(
    wrong: tuple[object, ...], says: str, tmp_path: Path
) -> None:
    done = careledger("init", "--data", tmp_path / "net", *wrong, width=200)
    assert (done.code, done.out) == (2, "")
    assert says in done.err
    assert list(tmp_path.iterdir()) == []


def test_a_place_where_nothing_can_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file" / "net", Path("/proc/net-of-nobody")):
        done = careledger("init", "--data", folder)
        assert (done.code, done.err.count("\n"), "make it readable and writable" in done.err) == (3, 1, True)


def test_founding_that_was_stopped_leaves_nothing_and_is_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    joined: list[object] = []

    def join_one(*arguments: object) -> object:
        if joined:
            raise KeyboardInterrupt
        joined.append(arguments)
        return real(*arguments)  # type: ignore[arg-type]

    real = founding.join
    monkeypatch.setattr(founding, "join", join_one)
    done = careledger("init", "--data", tmp_path / "net")
    assert (done.code, "run the same command again" in done.err) == (130, True)
    assert not (tmp_path / "net").exists()
    monkeypatch.setattr(founding, "join", real)
    assert told("init", "--data", tmp_path / "net")["custodians"] == len(command.MEMBERS)
    assert [path.name for path in tmp_path.iterdir()] == ["net"]


def test_an_organisation_is_pending_until_an_officer_verifies_its_licence(small: Path) -> None:
    at = ("--data", small)
    made = told("party", "register", "Hilltop Hospital", "--role", "hospital", "--licence", "H-7", *at)
    assert (made["status"], made["custodian"]) == ("pending", None)
    refused = careledger("party", "post", "Dr Early", "--as", "Hilltop", "--role", "doctor", *at)
    assert refused.code == 1
    other = careledger("party", "verify", "Hilltop", "--as", "Officer Das", "--licence", "H-8", *at)
    assert (other.code, "other declaration" in other.err) == (1, True)
    assert careledger("party", "verify", "Hilltop", "--as", "Dr Sen, Lakeside", *at).code == 2
    found = told("party", "verify", "Hilltop", "--as", "Officer Das", "--licence", "H-7", *at)
    assert (found["status"], found["custodian"]["leaving"]) == ("verified", False)
    assert told("party", "verify", "Hilltop", "--as", "Officer Das", "--licence", "H-7", *at) == found
    assert (
        told("party", "post", "Dr Early", "--as", "Hilltop", "--role", "doctor", *at)["standing"]
        == "verified"
    )


def test_a_post_is_not_taken_for_its_organisation(small: Path) -> None:
    at = ("--data", small)
    for act in (("custodian", "leave"), ("custodian", "status"), ("party", "verify", "--as", "Officer Das")):
        done = careledger(*act, "Dr Sen, Lakeside", *at, width=400)
        assert (done.code, "is not an organisation of this machine" in done.err) == (2, True)
    assert told("custodian", "status", "Lakeside", *at)["leaving"] is False


def test_an_organisation_registered_again_is_told_as_it_stands(small: Path) -> None:
    done = careledger("party", "register", "City Hospital", "--role", "hospital", "--data", small)
    assert (done.code, "City Hospital is verified." in done.out) == (0, True)


def test_a_suspended_organisation_takes_its_posts_with_it_until_it_is_reinstated(small: Path) -> None:
    at = ("--data", small)
    assert told("party", "suspend", "Delta", "--as", "Officer Begum", *at)["standing"] == "suspended"
    assert careledger("party", "post", "Dr Late", "--as", "Delta", "--role", "doctor", *at).code == 1
    stranger = careledger("party", "reinstate", "Delta", "--as", "Dr Sen", *at)
    assert (stranger.code, "Officer Khan" in stranger.err) == (2, True)
    assert told("party", "reinstate", "Delta", "--as", "Officer Begum", *at)["standing"] == "verified"
    told("party", "register", "Passing Clinic", "--role", "hospital", *at)
    assert told("party", "remove", "Passing", "--as", "Officer Khan", *at)["status"] == "removed"
    again = careledger("party", "reinstate", "Passing", "--as", "Officer Khan", *at)
    assert (again.code, "the party is removed" in again.err) == (1, True)


def test_a_new_key_signs_from_now_on(small: Path) -> None:
    at = ("--data", small)
    for name in ("Dr Rahman, City", "City Hospital"):
        before = told("party", "show", name, *at)["controller"]
        after = told("party", "rotate", name, *at)["controller"]
        assert before != after == told("party", "show", name, *at)["controller"]
    assert told("party", "post", "Nurse Akter, City", "--as", "City Hospital", "--role", "nurse", *at)[
        "employer"
    ]
    ended = told("party", "end", "Nurse Akter", *at)
    assert (ended["status"], told("party", "end", "Nurse Akter", *at)) == ("removed", ended)


def test_teams_have_names_and_posts_come_and_go(small: Path) -> None:
    at = ("--data", small)
    made = told("party", "team", "create", "Cardiology", "--as", "Lakeside", *at)
    assert re.fullmatch("[0-9a-f]{16}", made["number"])
    told("party", "team", "create", "Heart ward", "--as", "Lakeside", "--below", "Cardiology", *at)
    told("party", "team", "join", "Heart ward", "--as", "Dr Sen", *at)
    assert told("party", "show", "Dr Sen", *at)["teams"] == ["Cardiology", "Heart ward"]
    told("party", "team", "leave", "Heart ward", "--as", "Dr Sen", *at)
    assert told("party", "show", "Dr Sen", *at)["teams"] == []
    unknown = careledger("party", "team", "join", "Oncology", "--as", "Dr Sen", *at)
    assert (unknown.code, "Cardiology, Heart ward" in unknown.err) == (2, True)


def test_a_team_hangs_elsewhere_is_called_otherwise_and_is_given_up(small: Path) -> None:
    mine, at = ("--as", "Lakeside"), ("--data", small)
    for label in ("Surgery", "Theatre"):
        told("party", "team", "create", label, *mine, *at)
    told("party", "team", "join", "Theatre", "--as", "Dr Sen", *at)
    told("party", "team", "move", "Theatre", "--below", "Surgery", *mine, *at)
    assert told("party", "show", "Dr Sen", *at)["teams"] == ["Surgery", "Theatre"]
    assert careledger("party", "team", "end", "Surgery", *mine, *at).code == 1
    assert careledger("party", "team", "rename", "Theatre", "surgery", *mine, *at).code == 2
    told("party", "team", "rename", "Theatre", "Day theatre", *mine, *at)
    found = {each["team"]: each for each in told("party", "team", "list", *mine, *at)["teams"]}
    assert (found["Day theatre"]["below"], len(found["Day theatre"]["posts"])) == ("Surgery", 1)
    told("party", "team", "end", "Day theatre", *mine, *at)
    told("party", "team", "end", "Surgery", *mine, *at)
    assert told("party", "show", "Dr Sen", *at)["teams"] == []
    there = {each["team"] for each in told("party", "team", "list", *mine, *at)["teams"]}
    assert not there & {"Day theatre", "Surgery"}


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (("show", "Nobody"), "is not a party of this machine; there are"),
        (
            ("show", "Officer"),
            "fits several; write more of the name: “Officer Begum”, “Officer Das”, “Officer Khan”",
        ),
        (("post", "Dr Sen, Lakeside", "--as", "City", "--role", "doctor"), "another party here is called so"),
        (("post", "Dr New", "--as", "City", "--role", "hospital"), "is none of doctor"),
        (("register", "New", "--role", "doctor"), "is none of centre"),
        (("post", "Dr New", "--role", "doctor"), "Missing option '--as'"),
    ],
    ids=str,
)
def test_wrong_names_and_roles_are_told_the_right_ones(
    wrong: tuple[str, ...], says: str, small: Path
) -> None:
    done = careledger("party", *wrong, "--data", small, width=400)
    assert (done.code, done.out) == (2, "")
    assert says in done.err


def test_who_acts_can_come_from_the_environment(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARELEDGER_AS", "Officer Begum")
    told("party", "register", "Riverside Clinic", "--role", "hospital", "--data", small)
    assert told("party", "verify", "Riverside", "--no-custodian", "--data", small)["custodian"] is None


def test_a_party_is_named_by_its_identifier_too(small: Path) -> None:
    found = told("party", "show", "Delta", "--data", small)
    assert told("party", "show", found["id"], "--data", small) == found


def test_a_command_in_a_process_of_its_own_says_the_same(small: Path) -> None:
    done = in_a_process("party", "show", "Nobody", "--data", small)
    assert (done.returncode, b"Traceback" in done.stderr) == (2, False)
