"""What the ledger's operations cost, against the committed snapshot and the ceilings."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

import pytest

from contracts.loading import script


@pytest.fixture(scope="module")
def gas() -> ModuleType:
    return script("contracts/measure_gas.py")


@pytest.fixture(scope="module")
def figures(gas: ModuleType) -> dict[str, dict[str, int]]:
    measured: dict[str, dict[str, int]] = gas.measure(gas.Embedded.new())
    return measured


def test_the_snapshot_is_what_the_embedded_chain_charges(gas: ModuleType, figures: dict[str, Any]) -> None:
    assert figures == json.loads(gas.SNAPSHOT.read_text())


def test_the_executable_specification_charges_the_same(gas: ModuleType) -> None:
    assert gas.measure(gas.Embedded.new("eels")) == json.loads(gas.SNAPSHOT.read_text())


def test_no_operation_costs_more_than_its_ceiling(gas: ModuleType, figures: dict[str, Any]) -> None:
    assert len(gas.CEILINGS) == 12
    assert gas.over(figures) == []


def test_an_operation_over_its_ceiling_or_not_measured_is_named(
    gas: ModuleType, figures: dict[str, Any]
) -> None:
    dear = {name: figure for name, figure in figures.items() if name != "patient_add"}
    dear["record_remove"] = dear["record_remove"] | {"each": gas.CEILINGS["record_remove"] + 1}
    assert gas.over(dear) == ["patient_add", "record_remove"]


def test_a_figure_that_differs_from_the_snapshot_fails_the_check(
    gas: ModuleType, figures: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    kept = tmp_path / "gas.json"
    monkeypatch.setattr(gas, "SNAPSHOT", kept)
    kept.write_text(json.dumps(figures))
    assert gas.main(["--check"]) == 0
    changed = figures | {"consent_revoke": figures["consent_revoke"] | {"gas": 1}}
    kept.write_text(json.dumps(changed))
    assert gas.main(["--check"]) == 1
