"""Every threat has a row with a defence and the tests that attack it, and those tests exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from named_tests import existing_tests

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "threats.md").read_text()
THREATS = (
    *("spoofing", "tampering", "repudiation", "information disclosure", "denial of service"),
    *("elevation of privilege", "impersonation", "session key disclosed", "loss of anonymity"),
    *("missing forward secrecy", "replay", "privileged insider", "single point of failure"),
    *(
        "missing mutual authentication",
        "bottleneck",
        "a node of the ledger that lags, forgets, fails or shows another history",
        "a third or more of the validators collude",
    ),
    *("a ministry that widens its own rights", "a custodian restored from an old backup"),
    "a file that files a record on the wrong person",
    "a harmful file that somebody sends",
    "a consent in a file that means less than it says",
    *("a coerced patient", "a stolen gateway", "code served by one's own gateway"),
)


def rows() -> dict[str, tuple[str, str]]:
    """Defence and attacks by threat."""
    table = PAGE.partition("## Each threat")[2].partition("\n## ")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.split("\n") if line]
    return {threat: (defence, attacks) for threat, defence, attacks in cells[2:]}


def test_every_threat_has_a_row_and_no_row_is_without_one() -> None:
    assert tuple(rows()) == THREATS


@pytest.mark.parametrize("threat", THREATS)
def test_a_threat_is_attacked_by_a_test_or_said_to_be_open(threat: str) -> None:
    defence, attacks = rows()[threat]
    named = re.findall(r"`(test_\w+)`", attacks)
    assert set(named) <= existing_tests()
    if not named:
        assert attacks == "none"
        assert "*not yet*" in defence


def test_the_page_names_no_test_outside_the_table_that_does_not_exist() -> None:
    assert len(existing_tests()) > 500
    assert set(re.findall(r"`(test_\w+)`", PAGE)) <= existing_tests()
