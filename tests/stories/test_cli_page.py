"""docs/cli.md is what its script writes from the commands, and every example on it does what it says."""

from __future__ import annotations

import importlib.util
import json
import shlex
from pathlib import Path
from types import ModuleType

import pytest

from stories.cli_world import PATIENT, careledger, explored

__all__ = ["explored"]
ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "cli.md"


@pytest.fixture
def writer() -> ModuleType:
    """tools/cli_page.py as a module."""
    spec = importlib.util.spec_from_file_location("cli_page", ROOT / "tools" / "cli_page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_its_script_writes(writer: ModuleType) -> None:
    assert PAGE.read_text("utf-8") == writer.page()


def test_a_command_without_an_example_stops_the_writer(writer: ModuleType) -> None:
    writer.EXAMPLES.pop("audit")
    with pytest.raises(SystemExit, match="no example for audit"):
        writer.page()


def test_every_example_on_the_page_ends_well(
    explored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo-data").symlink_to(explored)
    rows = json.loads(careledger("show", PATIENT, "--json").out)["records"]
    written = [line[2:] for line in PAGE.read_text("utf-8").splitlines() if line.startswith("$ careledger ")]
    examples = [line for line in written if " demo" not in line.replace("demo-data", "")]
    assert len(examples) > 12
    for line in examples:
        said = (
            line.replace("Velvet Botsford", PATIENT)
            .replace("velvet", "jules")
            .replace("RECORD", rows[0]["record"])
        )
        done = careledger(*shlex.split(said)[1:])
        assert done.code == 0, (line, done.err)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "city.proof",
        "demo-data",
        "record.archive",
        "record.json",
        "record.proof",
    ]
