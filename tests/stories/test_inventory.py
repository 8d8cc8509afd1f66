"""docs/inventory.md says of every file of a data directory how far it is protected, and it is."""

from __future__ import annotations

import re
import shutil
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from careledger.formats.keyring import SealedKeyFile
from stories.cli_world import told as command
from story import MARKS, Story

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "inventory.md").read_text()
LEVELS = {"open", "inner", "sealed", "keys"}
IN_THE_CLEAR = "custodians/*/shred/*"


def rows() -> dict[str, str]:
    """The level by pattern."""
    table = PAGE.partition("\n## Files of a data directory\n")[2].partition("\n## ")[0]
    found: dict[str, str] = {}
    for line in (each for each in table.splitlines() if each.startswith("| `")):
        patterns, _, level, _ = (cell.strip() for cell in line.strip("|").split("|"))
        found |= dict.fromkeys(re.findall("`([^`]+)`", patterns), level)
    return found


def pattern_of(name: str) -> str:
    """The most exact pattern that fits a file, "" for none."""
    fits = [each for each in rows() if name.count("/") == each.count("/") and fnmatchcase(name, each)]
    return max(fits, key=lambda each: len(each.replace("*", "")), default="")


@pytest.fixture
def used(told: Story, tmp_path: Path) -> Path:
    """A network that people used, its keys under a passphrase."""
    folder, words = Path(shutil.copytree(told.folder, tmp_path / "data")), tmp_path / "words"
    words.write_text("a passphrase of this test alone\n")
    assert command("passphrase", "--new-file", words, "--data", folder)["sealed_files"] > 10
    return folder


def test_every_file_has_a_row_and_is_protected_as_its_level_says(used: Path) -> None:
    assert set(rows().values()) == LEVELS
    seen: dict[str, str] = {}
    for path in (each for each in used.rglob("*") if each.is_file()):
        name = path.relative_to(used).as_posix()
        pattern = pattern_of(name)
        assert pattern, f"{name} is in no row"
        level = seen[pattern] = rows()[pattern]
        data = path.read_bytes()
        assert not [mark for mark in MARKS if mark.encode() in data], name
        if level == "keys":
            assert path.stat().st_mode & 0o077 == 0, name
            if pattern not in (IN_THE_CLEAR, "vault"):
                SealedKeyFile.decode(data)
    assert used.stat().st_mode & 0o077 == 0
    assert {
        "vault",
        "blocks/*",
        "board.db*",
        "organisations/*/keys",
        "patients/*/keys",
        IN_THE_CLEAR,
    } <= seen.keys()
    assert set(seen.values()) == LEVELS
