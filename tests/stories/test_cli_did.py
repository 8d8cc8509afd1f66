"""What docs/dids.md tells people to type is typed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from stories.cli_world import careledger, explored, told

__all__ = ["explored"]
PAGE = Path(__file__).parents[2] / "docs" / "dids.md"
COMMANDS = [
    line
    for block in re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(), re.M | re.S)
    for line in block.splitlines()
]


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_of_the_page_ends_well(line: str, explored: Path) -> None:
    done = careledger(*shlex.split(line.replace("velvet", "jules"))[1:], "--data", explored)
    assert (done.code, '"id": "did:' in done.out) == (0, True), done.err


def test_what_is_shown_resolves_to_the_same(explored: Path) -> None:
    shown = told("did", "show", "City Hospital", "--data", explored)
    assert shown["did"].startswith("did:careledger:20261:")
    assert told("did", "resolve", shown["did"], "--data", explored) == shown
    person = told("did", "show", "jules", "--person", "--data", explored)
    assert told("did", "resolve", person["did"]) == person
    assert careledger("did", "resolve", "did:other:1").code == 1
    assert careledger("did", "show", "Nobody", "--data", explored).code == 2
