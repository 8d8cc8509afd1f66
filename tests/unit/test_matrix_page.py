"""docs/matrix.md says of each cell that differs why it does, and is fresh."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def writer() -> ModuleType:
    """tools/matrix_page.py as a module."""
    spec = importlib.util.spec_from_file_location("matrix_page", ROOT / "tools" / "matrix_page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_its_script_writes(writer: ModuleType) -> None:
    assert (ROOT / "docs" / "matrix.md").read_text("utf-8") == writer.page()


def test_fifty_two_cells_differ_and_each_has_its_row(writer: ModuleType) -> None:
    text = writer.page()
    places = writer.differing()
    assert len(places) == 52
    for chart, role, category in places:
        section = text.split(f"## What differs: {chart} ")[1].split("\n## ")[0]
        assert f"\n| {role.code} | {category.code} | " in section


def test_a_differing_cell_without_a_reason_stops_the_writer(writer: ModuleType) -> None:
    writer.REASONS.pop()
    with pytest.raises(SystemExit, match="0 reasons"):
        writer.page()
