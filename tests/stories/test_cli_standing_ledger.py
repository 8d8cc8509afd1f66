"""Commands on a ledger elsewhere that stands still: nobody is served by it, and the error says what to look at."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from adapters.remote_world import DEV_NODES, required
from careledger.app.clocks import SystemClock
from careledger.app.founding import Member, Plan, found_network
from careledger.app.settings import RemoteLedger
from careledger.app.world import CHAIN_ID
from careledger.domain.parties import Role
from stories.cli_world import careledger, registered, told

NOTE = (
    '{"resourceType": "Bundle", "type": "collection", "entry": [{"resource": {"resourceType": "Condition", '
    '"code": {"text": "asthma"}, "recordedDate": "2026-11-20", "subject": {"display": "the patient"}}}]}'
)
OPEN = ("break-glass", "open", "--as", "Dr Sen", "--second", "Dr Roy", "--reason", "unconscious")


def staffed(folder: Path, url: str) -> None:
    """Three members on that node, two doctors at the second, a patient of the first with a diagnosis."""
    names = ("City Hospital", "Lakeside Hospital", "Delta Diagnostics")
    members = tuple(Member(name, (Role.HOSPITAL,)) for name in names)
    ledger = RemoteLedger((url,), agreeing=1, oldest=30)
    plan = Plan(("Officer Begum", "Officer Das"), members, policy_delay=0, ledger=ledger)
    found_network(folder, plan, SystemClock())
    at = ("--data", folder)
    for name, employer, role in (
        ("records desk", "City Hospital", "nurse"),
        ("Dr Sen", "Lakeside Hospital", "doctor"),
        ("Dr Roy", "Lakeside Hospital", "doctor"),
    ):
        told("party", "post", name, "--as", employer, "--role", role, *at)
    registered(folder, "Rahima Khatun")
    (folder.parent / "bundle.json").write_text(NOTE)
    told("import", folder.parent / "bundle.json", "--patient", "Rahima", "--as", "records desk", *at)


@pytest.mark.slow
def test_no_command_breaks_the_glass_while_the_ledger_stands_still(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, ahead = tmp_path / "net", [0]
    monkeypatch.setattr(SystemClock, "now", lambda clock: int(time.time()) + ahead[0])
    with required(), DEV_NODES.anvil(CHAIN_ID) as node:
        staffed(folder, node.url)
        at = ("--data", folder)
        node.rpc("evm_setIntervalMining", 0)
        ahead[0] += 60
        refused = careledger(*OPEN, "Rahima", *at)
        assert (refused.code, refused.out, refused.err.count("\n")) == (1, "", 1)
        assert "see that the ledger's nodes make blocks" in refused.err
        ahead[0] -= 60
        node.rpc("evm_setIntervalMining", 1)
        time.sleep(1.5)
        assert [each["what"] for each in told(*OPEN, "Rahima", *at)["records"]] == ["asthma"]
