"""docs/ledger-consents.md names everything that its contracts do, tell, answer and refuse."""

from __future__ import annotations

import re

import pytest

from contracts.harness import ROOT, artifact

PAGE = (ROOT / "docs" / "ledger-consents.md").read_text()
CONTRACTS = ("Consents", "Records", "WriteChart", "Leaves", "Checkpoints", "BreakGlass")


def part(contract: str) -> str:
    """The page's section on a contract."""
    found = re.search(rf"^## {contract}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def own(contract: str, kind: str) -> set[str]:
    """What the contract's ABI has of a kind and did not import from the registry."""
    inherited = artifact("Registry")["abi"] if contract == "Records" else []
    known = {entry.get("name") for entry in inherited}
    return {entry["name"] for entry in artifact(contract)["abi"] if entry["type"] == kind} - known


@pytest.mark.parametrize("contract", CONTRACTS)
def test_every_function_and_event_stands_in_the_page(contract: str) -> None:
    names = own(contract, "function") | own(contract, "event")
    assert names
    assert {name for name in names if f"`{name}`" not in part(contract)} == set()


@pytest.mark.parametrize("contract", CONTRACTS)
def test_every_refusal_stands_in_the_page(contract: str) -> None:
    source = (ROOT / "contracts" / f"{contract}.vy").read_text()
    reasons = set(re.findall(r'assert .*?, "([a-z ]+)"$', source, re.MULTILINE | re.DOTALL))
    assert reasons or contract == "WriteChart"
    assert {reason for reason in reasons if f"`{reason}`" not in part(contract)} == set()


@pytest.mark.parametrize("contract", CONTRACTS)
def test_the_page_names_nothing_that_is_not_there(contract: str) -> None:
    told = set(re.findall(r"`([A-Z]\w+V\d)`", part(contract)))
    assert told == own(contract, "event")
