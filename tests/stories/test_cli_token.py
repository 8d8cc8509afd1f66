"""Tokens by commands: an app's says what it may ask, and nothing is no scope."""

from __future__ import annotations

from pathlib import Path

import pytest

from stories.cli_world import careledger, explored, lived, told

__all__ = ["explored", "lived"]
POST = "Dr Sen, Lakeside"


@pytest.mark.parametrize(
    "scopes", [("",), (" ",), ("", "user/Patient.r"), ("patient/Patient.r",), ("user/Nothing.r",)], ids=str
)
def test_what_is_no_scope_makes_no_token_least_of_all_one_without_limits(
    scopes: tuple[str, ...], explored: Path
) -> None:
    words = [word for each in scopes for word in ("--scope", each)]
    done = careledger("token", "issue", POST, *words, "--data", explored)
    assert (done.code, done.out) == (2, "")
    assert told("token", "list", "--as", "Lakeside Hospital", "--data", explored)["tokens"] == []


def test_an_apps_token_has_its_scopes_and_the_ehrs_has_none(lived: Path) -> None:
    app = told(
        "token", "issue", POST, "--scope", "user/Observation.rs", "--scope", "user/Patient.r", "--data", lived
    )
    ehr = told("token", "issue", POST, "--data", lived)
    assert (app["scopes"], ehr["scopes"]) == ("user/Observation.rs user/Patient.r", "")
    listed = told("token", "list", "--as", "Lakeside Hospital", "--data", lived)["tokens"]
    assert sorted(each["scopes"] for each in listed) == ["", "user/Observation.rs user/Patient.r"]
