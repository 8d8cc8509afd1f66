"""docs/licences.md as a person types it: issued, presented, a post registered by it, revoked; strangers are refused."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from stories.cli_world import careledger, small, told

__all__ = ["small"]
PAGE = Path(__file__).parents[2] / "docs" / "licences.md"
COMMANDS = [
    line
    for block in re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(), re.M | re.S)
    for line in block.splitlines()
]


def test_every_command_of_the_page_ends_well(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CARELEDGER_DATA", "")
    said: dict[str, str] = {}
    for line in COMMANDS:
        for word, value in said.items():
            line = line.replace(word, value)
        words = [
            *shlex.split(line)[1:],
            *([] if line.split()[2] in ("key", "present") else ["--data", str(small)]),
        ]
        done = careledger(*words)
        assert done.code == 0, (line, done.out, done.err)
        flat = " ".join(done.out.split()).replace(" ", "")
        if "licencekey" in "".join(line.split()[1:3]):
            said["HOLDER"] = re.findall(r"did:key:z[1-9A-HJ-NP-Za-km-z]+", flat)[0].rstrip(".")
        if line.split()[2] == "ask":
            asked = told("licence", "ask", "--as", "Lakeside Hospital", "--data", small)
            said |= {"NONCE": asked["nonce"], "AUDIENCE": asked["audience"]}
        if line.split()[2] == "issue":
            said["PLACE"] = str(told("licence", "list", "--data", small)["licences"][0]["place"])
    party = told("party", "show", "Dr Basu, Lakeside", "--data", small)
    assert party["standing"] == "removed"  # with the licence that it rested on
    assert told("licence", "sweep", "--as", "Lakeside Hospital", "--data", small) == {"posts": []}
    [only] = told("licence", "list", "--data", small)["licences"]
    assert only["revoked"]


def test_strangers_and_other_professions_are_refused(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    did = told("licence", "key", "nurse.key")["did"]
    issue = ("licence", "issue", "nurse.licence", "--holder", did, "--profession", "nurse", "--number", "N-1")
    assert careledger(*issue, "--as", "Dr Sen, Lakeside", "--data", small).code == 2  # no officer
    assert careledger(*issue, "--as", "City Hospital", "--data", small).code == 2
    assert not Path("nurse.licence").exists()
    made = told(*issue, "--as", "Officer Das", "--data", small)
    assert (
        careledger("licence", "revoke", made["place"], "--as", "Dr Sen, Lakeside", "--data", small).code == 2
    )
    asked = told("licence", "ask", "--as", "City Hospital", "--data", small)
    shown = ("licence", "present", "nurse.licence", "shown", "--key", "nurse.key")
    told(*shown, "--to", asked["audience"], "--nonce", asked["nonce"])
    done = careledger("party", "post", "Dr False", "--as", "City Hospital", "--role", "doctor", "--presented", "shown",
                      "--data", small)  # fmt: skip
    assert (done.code, "another profession" in done.err) == (1, True)
    names = [each["name"] for each in told("party", "list", "--data", small)["parties"]]
    assert "Dr False" not in names
    assert (
        careledger("licence", "check", "shown", "--as", "City Hospital", "--data", small).code == 1
    )  # used up


def test_where_a_role_needs_a_licence_a_number_that_is_typed_gives_nobody_a_post(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CARELEDGER_LICENCES_REQUIRED", "doctor")
    data, city = ("--data", small), ("--as", "City Hospital")
    Path("staff.csv").write_text("login,name,roles,licence\nd,Dr Listed,doctor,D-8\nn,N Listed,nurse,\n")
    post = ("party", "post", "Dr Typed", *city, "--role", "doctor", *data)
    listing = ("staff", "import", "staff.csv", *city, "--apply", *data)
    for refused, code in (((*post, "--licence", "D-8"), 1), (post, 1), (listing, 2)):
        done = careledger(*refused)
        assert (done.code, "licence that was shown" in " ".join(done.err.split())) == (code, True), done
    assert told("staff", "list", *city, *data) == {"staff": []}
    assert careledger("party", "post", "N Typed", *city, "--role", "nurse", *data).code == 0
    did = told("licence", "key", "d8.key")["did"]
    told("licence", "issue", "d8.licence", "--holder", did, "--profession", "doctor", "--number", "D-8", "--as",
         "Officer Das", *data)  # fmt: skip
    asked = told("licence", "ask", *city, *data)
    told("licence", "present", "d8.licence", "d8", "--key", "d8.key", "--to", asked["audience"], "--nonce",
         asked["nonce"])  # fmt: skip
    assert careledger(*post, "--presented", "d8").code == 0
    monkeypatch.setenv("CARELEDGER_LICENCES_REQUIRED", "surgeon")
    assert careledger(*post).code == 3
