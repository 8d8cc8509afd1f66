"""What no file of the project names: hosts of registries, one machine's paths, letters for source papers."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("bench", "contracts", "docs", "requirements", "sample", "src", "tests", "tools", ".ci")
SKIPPED = {"__pycache__", "node_modules"}
FORBIDDEN = {
    "a registry's host": r"pypi\.org|pythonhosted\.|npmjs\.(?:org|com)|repo1?\.maven|docker\.io|ghcr\.io",
    "one machine's path": r"(?<![\w.])/(?:root|work|opt/wheels|home/\w+|Users/\w+)/",
    "a letter for a source paper": r"\bS[1-5]\b",
    "a web address in the lock": r"^\S+==\S+ .*(?:://|--index)",
}


def files() -> list[Path]:
    below = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*"))
    every = [*(path for path in ROOT.iterdir() if path.suffix != ".log"), *below]
    return sorted(path for path in every if path.is_file() and not excluded(path))


def excluded(path: Path) -> bool:
    inside = path.relative_to(ROOT).parts
    return (
        bool(SKIPPED & set(inside))
        or any(part.endswith(".egg-info") for part in inside)
        or inside[0] == ".git"
    )


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_names(what: str) -> None:
    found, read = [], 0
    for path in files():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        read += 1
        found += [
            f"{path.relative_to(ROOT)}: {hit.group()}" for hit in re.finditer(FORBIDDEN[what], text, re.M)
        ]
    assert found == []
    assert read > 200


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("a registry's host", "from files.pythonhosted" + ".org"),
        ("one machine's path", "cd /home/" + "somebody/project"),
        ("a letter for a source paper", "as S" + "1's figure says"),
        ("a letter for a source paper", "deposit (seed S" + "4)"),
        ("a web address in the lock", "pytest==9.2.0 --index=https://registry.example"),
    ],
)
def test_what_is_looked_for_would_be_found(what: str, text: str) -> None:
    assert re.search(FORBIDDEN[what], text)


def test_every_line_of_the_lock_pins_one_version() -> None:
    lines = (ROOT / "requirements" / "lock.txt").read_text().splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert len(pins) > 50
    assert "--hash" not in "".join(lines)
    assert [
        line for line in pins if not re.fullmatch(r"[a-z0-9-]+==[\w.]+(?: ; [\w .<>=='\"]+)?", line)
    ] == []


def test_what_is_installed_is_the_lock_by_the_hash_of_every_file() -> None:
    """And by nothing else: ``make install`` takes these alone, and builds with what they brought."""
    pins = (ROOT / "requirements" / "lock.txt").read_text().splitlines()
    hashed = (ROOT / "requirements" / "hashes.txt").read_text().splitlines()
    assert [line.removesuffix(" \\") for line in hashed if not line.startswith(" ")] == pins
    hashes = [line for line in hashed if line.startswith(" ")]
    assert [
        line for line in hashes if not re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}(?: \\)?", line)
    ] == []
    after = [there for line, there in pairwise(hashed) if line.endswith(" \\")]
    assert set(after) <= set(hashes)
    assert all(line.endswith(" \\") for line in hashed[1:] if not line.startswith(" "))
    asks = [line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith("\t$(PIP) ")]
    assert asks[:2] == [
        "\t$(PIP) --no-deps --require-hashes -r requirements/hashes.txt",
        "\t$(PIP) --no-deps --no-build-isolation -e .",
    ]
