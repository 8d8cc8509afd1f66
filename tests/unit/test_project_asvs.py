"""Every requirement of ASVS 5.0.0's levels 1 and 2 has its row, and what a row names or counts is so."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from named_tests import existing_tests

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "asvs.md").read_text()
STATUSES = ("holds", "in part", "not yet", "does not apply")
LEVELS = {
    "1.1": "22", "1.2": "1111122223", "1.3": "112222222223", "1.4": "222", "1.5": "123",
    "2.1": "122", "2.2": "112", "2.3": "12223", "2.4": "23",
    "3.1": "3", "3.2": "113", "3.3": "12223", "3.4": "11222233", "3.5": "11122333", "3.6": "3", "3.7": "22333",
    "4.1": "12233", "4.2": "23333", "4.3": "22", "4.4": "1222",
    "5.1": "2", "5.2": "112333", "5.3": "113", "5.4": "222",
    "6.1": "122", "6.2": "111111112222", "6.3": "11223333", "6.4": "112233", "6.5": "22222333", "6.6": "2223",
    "6.7": "33", "6.8": "2222",
    "7.1": "222", "7.2": "1111", "7.3": "22", "7.4": "11222", "7.5": "223", "7.6": "22",
    "8.1": "1233", "8.2": "1123", "8.3": "133", "8.4": "23",
    "9.1": "111", "9.2": "1222",
    "10.1": "22", "10.2": "223", "10.3": "22223", "10.4": "1111122222233333",
    "10.5": "22222", "10.6": "22", "10.7": "222",
    "11.1": "2233", "11.2": "22233", "11.3": "11233", "11.4": "1222", "11.5": "23", "11.6": "23", "11.7": "33",
    "12.1": "12233", "12.2": "11", "12.3": "22223",
    "13.1": "2333", "13.2": "222223", "13.3": "2233", "13.4": "1222233",
    "14.1": "22", "14.2": "12223333", "14.3": "122",
    "15.1": "12233", "15.2": "12233", "15.3": "1222222", "15.4": "3333",
    "16.1": "2", "16.2": "22222", "16.3": "2222", "16.4": "222", "16.5": "2223",
    "17.1": "23", "17.2": "22223333", "17.3": "22",
}  # fmt: skip
"""The levels of each section's requirements in their order, as OWASP published them (CC BY-SA 4.0)."""
LEVEL = {f"{section}.{at}": level for section, those in LEVELS.items() for at, level in enumerate(those, 1)}


def cells(text: str, columns: int) -> list[list[str]]:
    """The rows of requirements in a part of the page."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.split("\n")
        if re.match(r"\| \d+\.\d+\.\d+ \|", line)
    ]
    assert {len(row) for row in rows} == {columns}
    return rows


REQUIRED = cells(PAGE.partition("## Level 3")[0], 5)
BEYOND = cells(PAGE.partition("## Level 3")[2], 3)


def test_every_requirement_of_levels_1_and_2_has_one_row_with_its_level() -> None:
    there = [(name, level) for name, level, *_ in REQUIRED]
    assert there == [(name, level) for name, level in LEVEL.items() if level in "12"]
    assert Counter(level for _, level in there) == {"1": 70, "2": 183}


@pytest.mark.parametrize("row", REQUIRED, ids=lambda row: row[0])
def test_a_requirement_has_a_status_and_tests_that_exist_or_a_reason(row: list[str]) -> None:
    _, _, about, status, shown = row
    assert status in STATUSES
    assert 0 < len(about) < 80
    named = set(re.findall(r"test_\w+", shown))
    assert named <= existing_tests()
    reason = re.sub(r"`test_\w+`|\W", "", shown)
    assert reason or (named and status == "holds")


def test_what_is_said_of_level_3_is_of_level_3_and_shown() -> None:
    names = [name for name, _, _ in BEYOND]
    assert len(set(names)) == len(names) > 10
    for name, about, shown in BEYOND:
        assert LEVEL[name] == "3"
        assert about
        assert shown
        assert set(re.findall(r"test_\w+", shown)) <= existing_tests()


def test_the_totals_and_the_list_of_gaps_are_those_of_the_rows() -> None:
    found = Counter((level, status) for _, level, _, status, _ in REQUIRED)
    for level in "12":
        counts = [found[level, status] for status in STATUSES]
        assert "| " + " | ".join(map(str, [level, sum(counts), *counts])) + " |\n" in PAGE
    gaps = {
        at: ", ".join(row[0] for row in REQUIRED if row[1:4:2] == [at, "not yet"]) or "none" for at in "12"
    }
    assert f"Not yet, of level 1: {gaps['1']}; of level 2: {gaps['2']}.\n" in PAGE
