"""The story of deposits, grants, readings and a revocation, told on a ledger whose chain is on a node elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import story
from adapters.remote_world import DEV_NODES, required
from careledger.app import settings as settings_file
from careledger.app.checking import check
from careledger.app.clocks import SystemClock
from careledger.app.ledgers import embedded_folder
from careledger.app.settings import CHAIN_ID, RemoteLedger
from careledger.app.world import found, open_world
from careledger.domain.errors import (
    AccessRefused,
    LedgerStale,
    NodeUnavailable,
    SettingsRefused,
    WrongNetwork,
)


def changed(folder: Path, **ledger: object) -> None:
    """Puts other values into the settings' ledger."""
    said = json.loads((folder / settings_file.FILE).read_text())
    said["ledger"] |= ledger
    (folder / settings_file.FILE).write_text(json.dumps(said))


@pytest.mark.slow
def test_a_patient_grants_a_doctor_reads_and_the_patient_revokes_on_a_chain_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with required(), DEV_NODES.anvil(CHAIN_ID) as node, DEV_NODES.anvil(CHAIN_ID + 1) as other:
        told = story.tell(folder, RemoteLedger((node.url,), agreeing=1, oldest=30))
        told.world.close()
        again = story.everybody(folder)
        assert again.read_by_consent(again.staff["Dr Stay"]).records
        with pytest.raises(AccessRefused):
            again.read_by_consent(again.staff["Dr Lake"])
        assert len(again.read_own(again.adam).records) >= len(told.before)
        again.world.close()
        findings = {finding.part: finding for finding in check(folder)}
        assert [part for part in ("chain", "blocks", "facts") if not findings[part].holds] == []
        assert "agree on block" in findings["chain"].sentence
        with pytest.raises(SettingsRefused, match="elsewhere"):
            embedded_folder(folder)
        changed(folder, nodes=[other.url])
        with pytest.raises(WrongNetwork):
            open_world(folder)
        changed(folder, nodes=[node.url])
    with pytest.raises((NodeUnavailable, LedgerStale)):
        open_world(folder)


def test_a_directory_of_another_network_stops_the_start(tmp_path: Path) -> None:
    with required(), DEV_NODES.anvil(CHAIN_ID) as node:
        remote = RemoteLedger((node.url,), agreeing=1)
        found(tmp_path / "data", ["Officer A", "Officer B"], SystemClock(), ledger=remote).close()
        open_world(tmp_path / "data").close()
        said = json.loads((tmp_path / "data" / settings_file.FILE).read_text())
        (tmp_path / "data" / settings_file.FILE).write_text(json.dumps(said | {"directory": "ab" * 20}))
        with pytest.raises(SettingsRefused, match="no network was founded there"):
            open_world(tmp_path / "data")
