"""Looking for logs by address, topics and blocks, once and by filters that tell what is new."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.chain_support import CREATION, Sender, word, write
from careledger.domain.errors import RpcRefused
from careledger.rpc import logs as log_methods
from careledger.rpc.filters import FORGOTTEN_AFTER, MOST_FILTERS, Filter, Filters, Watched
from rpc.rpc_world import Client, Served, client, served

__all__ = ["client", "served"]


def hexed(content: bytes) -> str:
    return "0x" + content.hex()


class Writers:
    """Two contracts in block 1, and whoever writes to them; each write is a block and one log under its key."""

    def __init__(self, served: Served) -> None:
        self.client, self.senders = served.client, [Sender(1), Sender(2)]
        self.contracts = [sender.first_contract() for sender in self.senders]
        raws = [sender.raw(None, CREATION) for sender in self.senders]
        served.chain.send_many(raws)

    def write(self, which: int, key: int) -> str:
        sender, contract = self.senders[which], self.contracts[which]
        return self.client.send(sender.raw(contract, write(key, 1)))

    def logs(self, **criteria: Any) -> list[tuple[int, int]]:
        """Which contract and key, for each log found."""
        return [self.said(log) for log in self.client.ask("eth_getLogs", criteria)]

    def said(self, log: dict[str, Any]) -> tuple[int, int]:
        which = self.contracts.index(bytes.fromhex(log["address"][2:]))
        return which, int(log["topics"][0], 16)


@pytest.fixture
def writers(served: Served) -> Writers:
    """The two contracts."""
    return Writers(served)


def test_logs_are_found_by_address_topic_and_blocks(writers: Writers) -> None:
    for which, key in ((0, 1), (1, 1), (0, 2), (1, 3)):
        writers.write(which, key)
    first, second = (hexed(contract) for contract in writers.contracts)
    one, two, three = (hexed(word(key)) for key in (1, 2, 3))
    everything = {"fromBlock": "earliest"}
    assert writers.logs(**everything) == [(0, 1), (1, 1), (0, 2), (1, 3)]
    assert writers.logs(**everything, address=first) == [(0, 1), (0, 2)]
    assert writers.logs(**everything, address=[first, second]) == writers.logs(**everything, address=[])
    assert writers.logs(**everything, topics=[one]) == [(0, 1), (1, 1)]
    assert writers.logs(**everything, topics=[[two, three]]) == [(0, 2), (1, 3)]
    assert writers.logs(**everything, topics=[[one, two]], address=[first]) == [(0, 1), (0, 2)]
    assert writers.logs(**everything, topics=[None]) == writers.logs(**everything)
    assert (
        writers.logs(**everything, topics=[None, one]) == writers.logs(**everything, topics=[one, one]) == []
    )
    assert writers.logs(fromBlock="0x3", toBlock="0x4") == [(1, 1), (0, 2)]
    assert writers.logs() == [(1, 3)]
    assert writers.logs(fromBlock="pending", topics=[[]]) == [(1, 3)]


def test_logs_of_one_block_by_its_hash(writers: Writers) -> None:
    writers.write(0, 7)
    digest = writers.client.ask("eth_getBlockByNumber", "0x2", False)["hash"]
    (found,) = writers.client.ask("eth_getLogs", {"blockHash": digest})
    assert (found["blockHash"], found["blockNumber"], writers.said(found)) == (digest, "0x2", (0, 7))
    genesis = writers.client.ask("eth_getBlockByNumber", "0x0", False)["hash"]
    assert writers.logs(blockHash=genesis) == []
    assert (
        writers.client.error("eth_getLogs", {"blockHash": "0x" + "00" * 32})["message"] == "Block not found"
    )


def test_a_found_log_is_the_one_in_its_receipt_with_its_number_in_the_block(served: Served) -> None:
    sender, other = Sender(1), Sender(2)
    contract = sender.first_contract()
    served.chain.send(sender.raw(None, CREATION))
    raws = [sender.raw(contract, write(key, 1)) for key in (1, 1, 2)] + [other.raw(contract, write(3, 1))]
    served.chain.send_many(raws)
    found = served.client.ask("eth_getLogs", {"fromBlock": "0x2"})
    receipts = served.client.ask("eth_getBlockReceipts", "0x2")
    assert [log for receipt in receipts for log in receipt["logs"]] == found
    assert [(log["logIndex"], log["transactionIndex"]) for log in found] == [
        ("0x0", "0x0"), ("0x1", "0x2"), ("0x2", "0x3"),
    ]  # fmt: skip
    only = served.client.ask("eth_getLogs", {"fromBlock": "0x2", "topics": [hexed(word(3))]})
    assert only == found[2:]


def test_a_search_over_too_many_blocks_or_logs_is_refused(
    writers: Writers, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in range(3):
        writers.write(0, key)
    monkeypatch.setattr(log_methods, "MOST_LOGS", 2)
    assert len(writers.logs(fromBlock="0x3")) == 2
    error = writers.client.error("eth_getLogs", {"fromBlock": "0x2"})
    assert (error["code"], "at most 2 logs" in error["message"]) == (-32005, True)
    with monkeypatch.context() as patched:
        patched.setattr(log_methods, "MOST_BYTES", 63)
        assert writers.client.error("eth_getLogs", {"fromBlock": "0x3"})["code"] == -32005
    monkeypatch.setattr(log_methods, "MOST_BLOCKS", 1)
    assert len(writers.logs(fromBlock="0x2", toBlock="0x3")) == 2
    error = writers.client.error("eth_getLogs", {"fromBlock": "0x2", "toBlock": "0x4"})
    assert (error["code"], "at most 1 blocks" in error["message"]) == (-32005, True)


def test_a_filter_tells_each_log_once_and_only_what_it_looks_for(writers: Writers) -> None:
    writers.write(0, 1)
    ask, address = writers.client.ask, hexed(writers.contracts[0])
    number = ask("eth_newFilter", {"address": address, "fromBlock": "earliest"})
    assert ask("eth_getFilterChanges", number) == []
    writers.write(0, 2)
    writers.write(1, 2)
    writers.write(0, 3)
    assert [writers.said(log) for log in ask("eth_getFilterChanges", number)] == [(0, 2), (0, 3)]
    assert ask("eth_getFilterChanges", number) == []
    assert [writers.said(log) for log in ask("eth_getFilterLogs", number)] == [(0, 1), (0, 2), (0, 3)]


def test_a_filter_with_a_last_block_tells_nothing_after_it(writers: Writers) -> None:
    bounded = writers.client.ask("eth_newFilter", {"fromBlock": "0x3", "toBlock": "0x3"})
    for key in (1, 2, 3):
        writers.write(0, key)
    changes = writers.client.ask("eth_getFilterChanges", bounded)
    assert [writers.said(log) for log in changes] == [(0, 2)]


def test_filters_for_blocks_and_transactions_tell_each_hash_once(writers: Writers) -> None:
    ask = writers.client.ask
    blocks, transactions = ask("eth_newBlockFilter"), ask("eth_newPendingTransactionFilter")
    sent = [writers.write(0, 1), writers.write(1, 1)]
    hashes = [ask("eth_getBlockByNumber", hex(number), False)["hash"] for number in (2, 3)]
    assert (ask("eth_getFilterChanges", blocks), ask("eth_getFilterChanges", transactions)) == (hashes, sent)
    assert ask("eth_getFilterChanges", blocks) == ask("eth_getFilterChanges", transactions) == []
    for number in (blocks, transactions):
        assert writers.client.error("eth_getFilterLogs", number)["message"].startswith("Filter not found")


def test_changes_of_many_blocks_come_in_portions_and_none_is_lost(
    writers: Writers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_methods, "MOST_BLOCKS", 2)
    number = writers.client.ask("eth_newFilter", {})
    for key in range(5):
        writers.write(0, key)
    portions = [writers.client.ask("eth_getFilterChanges", number) for _ in range(4)]
    assert [[writers.said(log)[1] for log in portion] for portion in portions] == [[0, 1], [2, 3], [4], []]


def test_many_hashes_come_in_portions_of_whole_blocks(
    writers: Writers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_methods, "MOST_LOGS", 2)
    for kind, hashes in (("eth_newBlockFilter", 5), ("eth_newPendingTransactionFilter", 5)):
        number = writers.client.ask(kind)
        for key in range(5):
            writers.write(0, key)
        portions = [writers.client.ask("eth_getFilterChanges", number) for _ in range(4)]
        assert [len(portion) for portion in portions] == [2, 2, 1, 0]
        assert len({digest for portion in portions for digest in portion}) == hashes


def test_a_refused_answer_loses_no_log_of_a_filter(writers: Writers, monkeypatch: pytest.MonkeyPatch) -> None:
    number = writers.client.ask("eth_newFilter", {})
    writers.write(0, 1)
    with monkeypatch.context() as patched:
        patched.setattr(log_methods, "MOST_LOGS", 0)
        assert writers.client.error("eth_getFilterChanges", number)["code"] == -32005
    assert len(writers.client.ask("eth_getFilterChanges", number)) == 1


def test_a_forgotten_or_unknown_filter_is_not_found(client: Client) -> None:
    number = client.ask("eth_newBlockFilter")
    assert client.ask("eth_uninstallFilter", number) is True
    assert client.ask("eth_uninstallFilter", number) is False
    for method in ("eth_getFilterChanges", "eth_getFilterLogs"):
        for unknown in (number, "0x0", "0x1", hex(2**256 - 1)):
            assert client.error(method, unknown) == {"code": -32000, "message": "Filter not found"}


def test_identifiers_of_filters_cannot_be_guessed_from_one_another(client: Client) -> None:
    numbers = [int(client.ask("eth_newBlockFilter"), 16) for _ in range(5)]
    assert len(set(numbers)) == 5
    assert min(abs(one - other) for one in numbers for other in numbers if one != other) > 2**64


def test_filters_are_bounded_and_forgotten_when_nobody_asks() -> None:
    now = 0.0
    filters = Filters(lambda: now)
    numbers = [filters.add(Filter(Watched.BLOCKS, None, 0)) for _ in range(MOST_FILTERS)]
    with pytest.raises(RpcRefused, match="Maximum number of active filters"):
        filters.add(Filter(Watched.BLOCKS, None, 0))
    now = FORGOTTEN_AFTER
    assert filters.get(numbers[0])
    now += 1
    assert filters.add(Filter(Watched.BLOCKS, None, 0))
    assert filters.get(numbers[0])
    with pytest.raises(RpcRefused, match="Filter not found"):
        filters.get(numbers[1])
    assert not filters.remove(numbers[1])
