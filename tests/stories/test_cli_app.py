"""A patient's own apps by commands: registered as a party, shown, let in, and ended with the consent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from careledger.app.world import open_world
from careledger.domain.errors import RecordNotFound
from careledger.workflows.let_in import admitted
from stories.cli_world import PATIENT, careledger, explored, lived, told

__all__ = ["explored", "lived"]
ADD = (
    "client", "add", "another diary", "--as", "City Hospital", "--kind", "public", "--for-patients", "--redirect",
    "https://diary.example/after", "--scope", "patient/*.rs", "--scope", "offline_access",
)  # fmt: skip


def registered(folder: Path, name: str) -> str:
    made = told(*ADD[:2], name, *ADD[3:], "--data", folder)
    assert (made["post"], made["purpose"], made["kind"]) == (f"{name} (app)", "PATRQT", "public")
    return str(made["client_id"])


def test_an_app_is_shown_let_in_and_ended(lived: Path) -> None:
    app = registered(lived, "my diary")
    shown = told("app", "show", app, "--data", lived)
    assert (shown["name"], shown["organisation"], shown["scopes"]) == (
        "my diary",
        "City Hospital",
        "patient/*.rs",
    )
    assert {"diagnosis", "insurance", "identity-patient"} < set(shown["categories"])

    def allow(*more: str) -> Any:
        return told("app", "allow", PATIENT, app, *more, "--data", lived)

    first = allow("--scope", "patient/Condition.rs", "--until", "30d")
    assert (first["categories"], first["scopes"]) == (["diagnosis"], "patient/Condition.rs")
    again, whole = (
        allow("--scope", "patient/Condition.rs"),
        allow("--category", "diagnosis", "--category", "visit"),
    )
    assert first["consent"] == again["consent"] != whole["consent"]
    assert whole["categories"] == ["diagnosis", "visit"]
    assert len({each["pass"] for each in (first, again, whole)}) == 3
    world = open_world(lived)
    try:
        city = world.keyring.organisation("City Hospital")
        for each in (first, again, whole):
            assert admitted(world.network, city, each["pass"])[0].commitment.hex() == each["consent"]
    finally:
        world.close()
    careledger("consent", "revoke", PATIENT, first["consent"][:8], "--data", lived)
    world = open_world(lived)
    try:
        with pytest.raises(RecordNotFound):
            admitted(world.network, world.keyring.organisation("City Hospital"), again["pass"])
        assert admitted(world.network, world.keyring.organisation("City Hospital"), whole["pass"])
    finally:
        world.close()
    assert allow("--scope", "patient/Condition.rs")["consent"] != first["consent"]


def test_an_app_of_patients_ends_as_a_party_with_its_registration(lived: Path) -> None:
    app = registered(lived, "a diary to end")
    assert told("party", "show", "a diary to end (app)", "--data", lived)["standing"] == "verified"
    told("client", "remove", app, "--as", "City Hospital", "--data", lived)
    assert told("party", "show", "a diary to end (app)", "--data", lived)["standing"] == "removed"


@pytest.mark.parametrize(
    "more",
    [
        ("--scope", "user/*.rs"),
        ("--scope", "patient/*.cruds"),
        ("--post", "Dr Rahman, City"),
        ("--launch", "https://a.example/"),
    ],
    ids=str,
)
def test_what_no_app_of_patients_may_be_is_not_registered(lived: Path, more: tuple[str, ...]) -> None:
    before = told("client", "list", "--as", "City Hospital", "--data", lived)
    done = careledger(*ADD, *more, "--data", lived)
    assert (done.code, done.out) == (2, "")
    assert told("client", "list", "--as", "City Hospital", "--data", lived) == before


def test_what_is_no_app_or_none_of_its_scopes_is_wrong_usage(lived: Path) -> None:
    app = registered(lived, "a third diary")
    for words in (
        ("app", "show", "0" * 32), ("app", "allow", PATIENT, "night loader"),
        ("app", "allow", PATIENT, app, "--scope", "user/Condition.rs"),
        ("app", "allow", PATIENT, app, "--scope", "patient/Condition.rs", "--category", "visit"),
    ):  # fmt: skip
        assert careledger(*words, "--data", lived).code == 2
    staffs = careledger(
        "client", "add", "chart", "--as", "City Hospital", "--kind", "public", "--redirect", "https://a.example/",
        "--scope", "patient/*.rs", "--for", "PATRQT", "--post", "Dr Rahman, City", "--data", lived,
    )  # fmt: skip
    assert staffs.code == 2
