"""A whole data directory over JSON-RPC: every block, receipt and log of our contracts is the chain's own."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from careledger.adapters.evm.chain import EmbeddedChain
from careledger.adapters.evm.onlooker import Onlooker
from careledger.adapters.evm.tables import FILE
from careledger.app import settings as settings_file
from careledger.rpc.server import Server
from rpc.rpc_world import Client, Served
from stories.cli_world import explored

__all__ = ["explored"]


@pytest.fixture
def ledger(explored: Path, tmp_path: Path) -> Iterator[Served]:
    """The ledger of five organisations and a patient, copied and served."""
    folder = Path(shutil.copytree(explored / "ledger", tmp_path / "ledger"))
    chain_id = settings_file.load(explored).chain_id
    with EmbeddedChain(folder, chain_id) as chain, Server(chain, folder, port=0) as server:
        yield Served(chain, server, Client(server.host, server.port), folder)


def test_every_receipt_and_its_gas_is_the_chains_own(ledger: Served) -> None:
    seen, logs = 0, 0
    for number in range(ledger.chain.head.number + 1):
        header, block = (
            ledger.chain.header(number),
            ledger.client.ask("eth_getBlockByNumber", hex(number), True),
        )
        assert (block["hash"], int(block["gasUsed"], 16)) == ("0x" + header.hash.hex(), header.gas_used)
        views = ledger.client.ask("eth_getBlockReceipts", block["hash"])
        assert sum(int(view["gasUsed"], 16) for view in views) == header.gas_used
        for view, sent in zip(views, block["transactions"], strict=True):
            same_as_kept(ledger, view, sent)
            seen, logs = seen + 1, logs + len(view["logs"])
        assert [int(log["logIndex"], 16) for view in views for log in view["logs"]] == list(
            range(sum(len(view["logs"]) for view in views))
        )
    assert seen > 30
    assert logs > 40


def same_as_kept(ledger: Served, view: dict[str, Any], sent: dict[str, Any]) -> None:
    kept = ledger.chain.receipt(bytes.fromhex(view["transactionHash"][2:]))
    assert kept is not None
    assert (int(view["gasUsed"], 16), int(view["cumulativeGasUsed"], 16)) == (
        kept.gas_used,
        kept.cumulative_gas,
    )
    assert (view["status"], view["from"]) == (hex(kept.success), "0x" + kept.sender.hex())
    assert (sent["hash"], sent["from"], sent["to"]) == (view["transactionHash"], view["from"], view["to"])
    assert [(log["address"], log["topics"], log["data"]) for log in view["logs"]] == [
        ("0x" + log.address.hex(), ["0x" + topic.hex() for topic in log.topics], "0x" + log.data.hex())
        for log in kept.logs
    ]


def test_all_logs_searched_are_all_logs_of_the_chain(ledger: Served) -> None:
    found = ledger.client.ask("eth_getLogs", {"fromBlock": "earliest"})
    kept = ledger.chain.logs(0)
    assert [(log["blockNumber"], log["address"], log["data"]) for log in found] == [
        (hex(one.block), "0x" + one.log.address.hex(), "0x" + one.log.data.hex()) for one in kept
    ]
    for address in sorted({log["address"] for log in found}):
        only = ledger.client.ask("eth_getLogs", {"fromBlock": "earliest", "address": address})
        assert only == [log for log in found if log["address"] == address]


def test_a_file_of_an_older_release_gets_its_index_and_finds_blocks_by_hash(
    explored: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(explored / "ledger", tmp_path / "ledger"))
    chain_id = settings_file.load(explored).chain_id
    with sqlite3.connect(folder / FILE) as file:
        file.execute("DROP INDEX blocks_of_hash")
    file.close()
    with EmbeddedChain(folder, chain_id) as chain:
        onlooker = Onlooker(folder, chain_id)
        assert onlooker.number_of(chain.head.hash) == chain.head.number
        onlooker.close()
    with sqlite3.connect(folder / FILE) as file:
        plan = file.execute("EXPLAIN QUERY PLAN SELECT number FROM blocks WHERE hash = x''").fetchall()
    file.close()
    assert "blocks_of_hash" in str(plan)
