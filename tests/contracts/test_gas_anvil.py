"""The embedded chain's gas is that of a node of another code base, at the same hard fork."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from contracts.loading import script


@pytest.fixture(scope="module")
def figures() -> Any:
    """What Anvil charges; skipped where it cannot be had, unless everything is required."""
    anvil, gas = script("tools/dev_nodes.py"), script("contracts/measure_gas.py")
    try:
        with anvil.running(gas.CHAIN_ID, gas.START) as node:
            return gas.measure(node)
    except anvil.NoNode as error:
        if os.environ.get("CARELEDGER_REQUIRE_ALL") == "1":
            pytest.fail(f"Anvil is required here: {error}")
        pytest.skip(str(error))


def test_anvil_charges_what_the_snapshot_says(figures: dict[str, Any]) -> None:
    kept = json.loads(script("contracts/measure_gas.py").SNAPSHOT.read_text())
    assert len(figures) > 12
    assert figures == kept
