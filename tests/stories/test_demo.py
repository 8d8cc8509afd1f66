"""The demo says what it claims and shows that it holds, with custodians in one process and in five."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from careledger.app.world import open_world
from careledger.cli.demo.run import demo
from careledger.cli.screen import Screen
from careledger.domain.errors import SettingsRefused


def told(folder: Path, processes: bool, patients: int) -> tuple[bool, str]:
    """The demo's verdict and everything that it showed."""
    shown = io.StringIO()
    held = demo(folder, Screen(Console(file=shown, width=120)), processes=processes, patients=patients)
    return held, shown.getvalue()


@pytest.mark.parametrize("processes", [False, True], ids=["one process", "processes of their own"])
def test_every_claim_of_the_demo_holds(tmp_path: Path, processes: bool) -> None:
    held, shown = told(tmp_path / "data", processes, 0 if processes else 1)
    assert held, shown
    assert "NOT SO" not in shown
    for said in (
        "INSECURE",
        "Emergency",
        "The consent was revoked",
        "erases a record",
        "The patient audits",
        "none missing",
    ):
        assert said in shown


def test_the_demo_leaves_a_directory_that_opens_again_and_refuses_a_full_one(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    assert told(folder, False, 0)[0]
    world = open_world(folder)
    try:
        assert len(world.custodians) == 5
        assert world.keyring.patients() == ["Velvet Botsford"]
    finally:
        world.close()
    with pytest.raises(SettingsRefused, match="not empty"):
        told(folder, False, 0)
