"""What an organisation's posts were shown, by commands: listed for that organisation, and checked whole."""

from __future__ import annotations

from pathlib import Path

from careledger.app.world import open_world
from careledger.formats.own_reads import OwnRead
from careledger.workflows.own_reads import LINES
from stories.cli_world import careledger, explored, lived, told

__all__ = ["explored", "lived"]
POST = "Dr Sen, Lakeside"


def noted(folder: Path, *about: bytes) -> None:
    world = open_world(folder)
    try:
        post, _ = world.keyring.staff(POST)
        for number, alias in enumerate(about):
            line = OwnRead(
                number,
                post.number,
                bytes(32),
                "TREAT",
                "GET /{kind}/{id}",
                alias,
                (f"Basic/{number}", "Basic/x"),
                bytes(32),
            )
            world.read_log(post.organisation).note([line]).result()
    finally:
        world.close()


def test_reads_are_listed_the_newest_first_and_checked_and_a_changed_line_is_found(lived: Path) -> None:
    noted(lived, b"\1" * 32, b"\2" * 32, b"\1" * 32)
    at = ("--as", "Lakeside Hospital", "--data", lived)
    found = told("reads", "list", *at)["reads"]
    assert [(each["number"], each["post"]) for each in found] == [(2, POST), (1, POST), (0, POST)]
    about = told("reads", "list", "--patient", "01" * 32, "--post", POST, "--limit", "1", *at)
    assert [each["number"] for each in about["reads"]] == [2]
    rest = told("reads", "list", "--patient", "01" * 32, "--before", str(about["before"]), *at)
    assert [each["number"] for each in rest["reads"]] == [0]
    assert "and 1 more" in careledger("reads", "list", *at).out
    assert told("reads", "list", "--as", "City Hospital", "--data", lived)["reads"] == []
    assert told("reads", "check", *at) == {"lines": 3}
    world = open_world(lived)
    try:
        world.read_log(world.keyring.organisation("Lakeside Hospital")).books.drop(LINES, [bytes(7) + b"\1"])
    finally:
        world.close()
    assert careledger("reads", "check", *at).code == 1
