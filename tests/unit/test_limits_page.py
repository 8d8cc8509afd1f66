"""docs/limits.md has the figures of the source, and names tests that there are."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from careledger.app.identity import sessions
from named_tests import existing_tests

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "limits.md").read_text("utf-8")


@pytest.fixture
def writer() -> ModuleType:
    """tools/limits_page.py as a module."""
    spec = importlib.util.spec_from_file_location("limits_page", ROOT / "tools" / "limits_page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_its_script_writes_and_another_figure_another_page(
    writer: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert writer.page(TEXT) == TEXT
    assert "sessions at once: 100 " in TEXT
    monkeypatch.setattr(sessions, "MOST", 7)
    assert "sessions at once: 7 " in writer.page(TEXT)


def test_every_figure_is_said_in_the_unit_that_it_has(writer: ModuleType) -> None:
    assert [writer.seconds(each) for each in (1, 90, 120, 3_600, 86_400)] == [
        "1 second", "90 seconds", "2 minutes", "1 hour", "1 day",
    ]  # fmt: skip
    assert [writer.size(each) for each in (2**30, 3 * 2**20, 2**10, 1_500)] == [
        "1 GiB", "3 MiB", "1 KiB", "1,500 bytes",
    ]  # fmt: skip
    assert not re.search(r"\{|\}", TEXT)
    assert TEXT.count("<!-- limits: ") == 4


def test_the_tests_and_pages_that_it_names_are_there() -> None:
    named = set(re.findall(r"test_\w+", TEXT))
    assert len(named) > 5
    assert named <= existing_tests()
    pages = set(re.findall(r"\]\(([\w-]+\.md)\)", TEXT))
    assert len(pages) > 5
    assert [each for each in sorted(pages) if not (ROOT / "docs" / each).is_file()] == []
