"""docs/walkthrough.md is run line by line in an empty directory: founded, imported, granted, revoked, audited."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from stories.cli_world import ENVIRONMENT, Ended, careledger, told

PAGE = Path(__file__).parents[2] / "docs" / "walkthrough.md"
RECORD = {
    "resourceType": "Condition",
    "id": "c1",
    "code": {"text": "Asthma"},
    "recordedDate": "2024-05-02",
    "subject": {"display": "the patient"},
}
PLACEHOLDERS: dict[str, Callable[[], str]] = {
    "REQUEST": lambda: told("consent", "requests", "Rahima")["requests"][0]["request"],
    "RECORD": lambda: told("show", "Rahima", "--category", "diagnosis")["records"][0]["record"],
    "ENTRY": lambda: told("break-glass", "list")["emergencies"][0]["entry"],
}


def steps() -> list[tuple[str, str]]:
    """Each command of the page with what has to stand in its output."""
    return steps_of(PAGE)


def steps_of(page: Path) -> list[tuple[str, str]]:
    """The same of another page."""
    text = "\n".join(re.findall(r"^```console\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL))
    found: list[tuple[str, str]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], ""))
        elif line.startswith("→ "):
            found[-1] = (found[-1][0], line[2:])
    return found


def run(line: str) -> Ended:
    for word, find in PLACEHOLDERS.items():
        if word in line.split():
            line = line.replace(word, find())
    return careledger(*shlex.split(line)[1:], width=300)


@pytest.mark.slow
@pytest.mark.parametrize("also", ["", " --two-hops"])
def test_the_walkthrough_does_what_it_says(
    also: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "record.json").write_text(json.dumps(RECORD))
    refused = 0
    for line, says in steps():
        if line.startswith("export "):
            name, _, value = line.removeprefix("export ").partition("=")
            monkeypatch.setitem(ENVIRONMENT, name, value)
            continue
        done = run(line + also if line.startswith("careledger init") else line)
        assert says in done.out + done.err, (line, done)
        if says.endswith("consent.") or says.endswith("revoked."):
            assert done.code == 1
            refused += 1
        else:
            assert done.code == 0, (line, done)
    assert (refused, len(steps()) > 25) == (2, True)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "city.proof",
        "network",
        "record.json",
        "words.txt",
    ]
