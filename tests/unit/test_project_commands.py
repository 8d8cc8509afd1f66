"""The commands that documents tell people to type exist, and the README's figures are so."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from careledger.fhir.sample import sample_file, sample_names

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
COMMANDS = [line for block in BLOCKS for line in block.splitlines()]
COMMAND_LINE = "from careledger.cli.main import main; main()"
FOLDERS = ("bench", "contracts", "docs", "requirements", "sample", "tools", "src")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_readme_exists(command: str) -> None:
    program, *words = shlex.split(command)
    if program == "make":
        assert re.search(rf"^{words[0]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
        return
    assert program == ".venv/bin/careledger"
    assert helps([word for word in words[: words.index("--data")] if " " not in word])


def helps(words: list[str]) -> bool:
    """Whether the command line knows this command: its help is its own, and an unknown word's is not."""
    said = subprocess.run(
        [sys.executable, "-c", COMMAND_LINE, *words, "--help"], capture_output=True, text=True, cwd=ROOT
    )
    return said.returncode == 0 and "Usage:" in said.stdout


def test_a_command_that_is_not_there_has_no_help() -> None:
    assert not helps(["no-such-command"])


def test_the_two_commands_stand_first() -> None:
    assert COMMANDS[:2] == ["make demo", "make test"]


def test_a_script_that_a_page_or_a_script_tells_to_run_exists() -> None:
    told = set()
    for page in [*ROOT.glob("*.md"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*"))]:
        if page.suffix in {".md", ".py"}:
            told |= set(re.findall(r"\bpython ((?:[\w-]+/)+\w+\.py)\b", page.read_text()))
    assert len(told) > 5
    assert {path for path in told if not (ROOT / path).is_file()} == set()


def test_the_readme_counts_the_sample() -> None:
    resources = sum(len(json.loads(sample_file(name))["entry"]) for name in sample_names())
    assert f"({resources:,} FHIR resources)" in README
