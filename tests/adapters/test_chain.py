"""The embedded chain: what it takes, what it refuses, what it remembers."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

import pytest

from adapters.chain_support import CHAIN_ID, CREATION, Sender, stored, word, write
from careledger.adapters.evm.blocks import Header, Receipt, decode_header, time_in
from careledger.adapters.evm.chain import EmbeddedChain
from careledger.adapters.evm.embedded import EmbeddedNode
from careledger.adapters.evm.engine import Message
from careledger.adapters.evm.node import Call
from careledger.adapters.evm.tables import CACHE, connect
from careledger.adapters.evm.verify import verify_chain
from careledger.domain.errors import (
    BlockNotFound,
    ChainMismatch,
    DirectoryInUse,
    LedgerRefused,
    MalformedBytes,
    StoreUnavailable,
    TransactionRefused,
)
from careledger.formats.signatures import SigningKey


class Clock:
    """A clock that is set by hand."""

    def __init__(self, now: int = 1_000) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def chain(clock: Clock) -> Iterator[EmbeddedChain]:
    with EmbeddedChain(None, CHAIN_ID, clock) as opened:
        yield opened


def refusal(chain: EmbeddedChain, raw: bytes) -> dict[str, Any]:
    with pytest.raises(TransactionRefused) as refused:
        chain.send(raw)
    return refused.value.details


@pytest.mark.parametrize("kind", [0, 2])
def test_a_signed_transaction_is_executed_and_receipted(chain: EmbeddedChain, kind: int) -> None:
    sender = Sender(kind=kind)
    contract = sender.install(chain)
    receipt = chain.send(sender.raw(contract, write(5, 40)))
    assert (receipt.success, receipt.block, receipt.position, receipt.kind) == (True, 2, 0, kind)
    assert receipt.sender == sender.address
    assert chain.receipt(receipt.hash) == receipt
    assert receipt.logs[0].topics == (word(5),)
    assert stored(chain, contract, 5) == 40
    assert chain.nonce(sender.address) == 2


def test_a_contract_s_refusal_is_a_receipt_with_its_reason(chain: EmbeddedChain) -> None:
    sender = Sender()
    contract = sender.install(chain)
    chain.send(sender.raw(contract, write(5, 40)))
    refused = chain.send(sender.raw(contract, write(5, 41)))
    assert not refused.success
    assert refused.logs == ()
    assert stored(chain, contract, 5) == 40
    assert chain.nonce(sender.address) == 3
    with pytest.raises(LedgerRefused) as error:
        chain.call(contract, write(5, 41))
    assert error.value.details == {"reason": "full"}


def test_a_transaction_is_taken_once(chain: EmbeddedChain) -> None:
    raw = Sender().raw(None, CREATION)
    receipt = chain.send(raw)
    assert refusal(chain, raw) == {"why": "known", "hash": receipt.hash.hex()}
    assert chain.head.number == 1


def test_nonces_go_one_by_one(chain: EmbeddedChain) -> None:
    sender = Sender()
    sender.nonce = 1
    assert refusal(chain, sender.raw(None, CREATION))["why"] == "nonce too high"
    sender.nonce = 0
    chain.send(sender.raw(None, CREATION))
    sender.nonce = 0
    assert refusal(chain, sender.raw(None, b"\x00"))["why"] == "nonce too low"
    assert chain.send(sender.raw(None, CREATION)).success


def test_a_transaction_for_another_chain_is_refused(chain: EmbeddedChain) -> None:
    for kind in (0, 2):
        assert refusal(chain, Sender(kind=kind, chain_id=CHAIN_ID + 1).raw(None, b""))["why"] == "chain id"
        assert chain.send(Sender(secret=2 + kind, kind=kind).raw(None, b"")).success


def test_a_refused_transaction_does_not_hinder_its_neighbours(chain: EmbeddedChain) -> None:
    one, other = Sender(1), Sender(2)
    contract = one.install(chain)
    outcomes = chain.send_many(
        [
            one.raw(contract, write(1, 1)),
            b"\x02\xff",
            Sender(3, chain_id=1).raw(contract, write(2, 2)),
            other.raw(contract, write(3, 3)),
            one.raw(contract, write(4, 4)),
        ]
    )
    assert [type(outcome) for outcome in outcomes] == [
        Receipt,
        TransactionRefused,
        TransactionRefused,
        Receipt,
        Receipt,
    ]
    assert {outcome.block for outcome in outcomes if isinstance(outcome, Receipt)} == {2}
    assert [stored(chain, contract, key) for key in (1, 2, 3, 4)] == [1, 0, 3, 4]


def test_nothing_taken_makes_no_block(chain: EmbeddedChain) -> None:
    chain.send_many([b"", b"\x01"])
    assert chain.head.number == 0


def test_blocks_are_linked_by_hash(chain: EmbeddedChain) -> None:
    sender = Sender()
    contract = sender.install(chain)
    for key in range(3):
        chain.send(sender.raw(contract, write(key, 1)))
    headers = [chain.header(number) for number in range(5)]
    assert [header.parent for header in headers[1:]] == [header.hash for header in headers[:-1]]
    assert all(decode_header(header.encode()) == header for header in headers)
    with pytest.raises(BlockNotFound):
        chain.header(5)


def test_the_time_is_found_in_every_header() -> None:
    draw = Random(11)
    sizes = (0, 1, 127, 128, 255, 256, 2**32, 2**63)
    for time, number, extra in product(sizes, sizes, (b"", b"\x05", b"\x80", draw.randbytes(32))):
        digests = [draw.randbytes(32) for _ in range(4)]
        made = Header(number, digests[0], time, digests[1], digests[2], digests[3], bytes(256), 7, extra)
        assert time_in(made.encode()) == time
        with pytest.raises(MalformedBytes):
            time_in(made.encode()[:400])
    with pytest.raises(MalformedBytes):
        time_in(b"")


def test_heads_are_those_of_the_blocks(chain: EmbeddedChain) -> None:
    sender = Sender()
    contract = sender.install(chain)
    for key in range(3):
        chain.send(sender.raw(contract, write(key, 1)))
    headers = [chain.header(number) for number in (1, 3)]
    assert chain.heads([3, 1]) == [(header.number, header.hash, header.timestamp) for header in headers]
    with pytest.raises(BlockNotFound):
        chain.heads([2, 9])


def test_block_time_never_runs_backwards(chain: EmbeddedChain, clock: Clock) -> None:
    sender = Sender()
    clock.now = 2_000
    contract = sender.install(chain)
    clock.now = 1_500
    chain.send(sender.raw(contract, write(1, 1)))
    clock.now = 3_000
    chain.send(sender.raw(contract, write(2, 1)))
    assert [chain.header(number).timestamp for number in range(4)] == [1_000, 2_000, 2_000, 3_000]


def test_a_call_sees_the_head_s_time_or_the_time_given(chain: EmbeddedChain, clock: Clock) -> None:
    sender = Sender()
    tells_time = bytes.fromhex("68" + "4260005260206000f3" + "60005260096017f3")
    clock.now = 1_234
    contract = chain.send(sender.raw(None, tells_time)).created
    assert contract is not None
    clock.now = 5_000
    assert chain.call(contract, b"") == word(1_234)
    assert chain.call(contract, b"", timestamp=5_000) == word(5_000)
    assert chain.call(contract, b"", block=1) == word(1_234)


def test_earlier_blocks_can_be_asked(chain: EmbeddedChain) -> None:
    sender = Sender()
    contract = sender.install(chain)
    for key in range(1, 6):
        chain.send(sender.raw(contract, write(key, 10 * key)))
    for block in range(1, 7):
        seen = [stored(chain, contract, key, block) for key in range(1, 6)]
        assert seen == [10 * key if key < block else 0 for key in range(1, 6)]
        assert [chain.slot(contract, key, block) for key in range(1, 6)] == seen
    assert chain.account(contract, 0).code == b""
    assert chain.call(contract, word(1), block=0) == b""
    assert stored(chain, contract, 5) == 50
    with pytest.raises(BlockNotFound):
        chain.call(contract, word(1), block=99)


def test_history_is_restored_after_a_call_that_refuses(chain: EmbeddedChain) -> None:
    sender = Sender()
    contract = sender.install(chain)
    chain.send(sender.raw(contract, write(1, 10)))
    chain.send(sender.raw(contract, write(2, 20)))
    with pytest.raises(LedgerRefused):
        chain.call(contract, write(1, 11), block=2)
    assert stored(chain, contract, 2) == 20


def test_a_destroyed_contract_leaves_no_slot_and_its_history(chain: EmbeddedChain) -> None:
    sender = Sender()
    # Runtime: with calldata destroy itself, else store 7 in slot 1 and 8 in slot 2.
    runtime = bytes.fromhex("36600f576007600155600860025500" + "5b33ff")
    creation = bytes.fromhex(f"60{len(runtime):02x}80600b6000396000f3") + runtime
    contract = chain.send(sender.raw(None, creation)).created
    assert contract is not None
    chain.send(sender.raw(contract, b""))
    assert chain.slot(contract, 1) == 7
    assert chain.send(sender.raw(contract, b"\x01")).success
    assert (chain.slot(contract, 1), chain.slot(contract, 2), chain.account(contract).code) == (0, 0, b"")
    assert (chain.slot(contract, 1, block=2), chain.account(contract, 2).code) == (7, runtime)


def test_logs_are_found_by_contract_topic_and_block(chain: EmbeddedChain) -> None:
    sender = Sender()
    first, second = sender.install(chain), sender.install(chain)
    for contract in (first, second):
        for key in (1, 2):
            chain.send(sender.raw(contract, write(key, key + 6)))
    assert len(chain.logs(0)) == 4
    assert [found.log.topics for found in chain.logs(0, address=first)] == [(word(1),), (word(2),)]
    assert [found.block for found in chain.logs(0, topics=[word(2)])] == [4, 6]
    assert [found.block for found in chain.logs(4, 5)] == [4, 5]
    assert chain.logs(0, topics=[None, word(1)]) == []
    found = chain.logs(0, address=second, topics=[word(1)])[0]
    assert chain.receipt(found.transaction) is not None
    assert found.log.data == word(7)


def test_simulating_tells_the_gas_of_the_transaction(chain: EmbeddedChain) -> None:
    sender = Sender()
    contract = sender.install(chain)
    expected = chain.simulate(Message(sender.address, contract, write(1, 1), 200_000))
    receipt = chain.send(sender.raw(contract, write(1, 1)))
    assert (receipt.gas_used, receipt.logs) == (expected.gas_used, expected.logs)


@pytest.mark.parametrize("engine", ["revm", "eels"])
def test_what_was_acknowledged_is_there_after_opening_again(tmp_path: Path, engine: str) -> None:
    sender = Sender()
    with EmbeddedChain(tmp_path / "ledger", CHAIN_ID, engine=engine) as chain:
        contract = sender.install(chain)
        chain.send_many([sender.raw(contract, write(key, key + 1)) for key in range(40)])
        head = chain.head
    with EmbeddedChain(tmp_path / "ledger", CHAIN_ID, engine=engine) as chain:
        assert chain.head == head
        assert [stored(chain, contract, key) for key in range(40)] == list(range(1, 41))
        assert not chain.send(sender.raw(contract, write(39, 1))).success
        assert chain.send(sender.raw(contract, write(40, 1))).success


def test_one_directory_is_one_process_s_and_one_chain_s(tmp_path: Path) -> None:
    with EmbeddedChain(tmp_path, CHAIN_ID), pytest.raises(DirectoryInUse):
        EmbeddedChain(tmp_path, CHAIN_ID)
    with pytest.raises(ChainMismatch):
        EmbeddedChain(tmp_path, CHAIN_ID + 1)
    EmbeddedChain(tmp_path, CHAIN_ID).close()


@pytest.mark.parametrize("read_only", [False, True])
def test_a_connection_keeps_few_pages_of_the_chain_in_memory(tmp_path: Path, read_only: bool) -> None:
    """Who looks has a connection for each of up to 64 threads."""
    EmbeddedChain(tmp_path, CHAIN_ID).close()
    connection = connect(tmp_path, read_only)
    assert connection.execute("PRAGMA cache_size").fetchone() == (CACHE,)
    connection.close()


def test_many_threads_share_blocks_and_lose_nothing(tmp_path: Path) -> None:
    senders = [Sender(secret) for secret in range(1, 9)]
    with EmbeddedChain(tmp_path, CHAIN_ID) as chain:
        contract = senders[0].install(chain)

        def work(place: int) -> None:
            for turn in range(15):
                chain.send(senders[place].raw(contract, write(100 * place + turn, 1)))

        threads = [threading.Thread(target=work, args=(place,)) for place in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (
            sum(stored(chain, contract, 100 * place + turn) for place in range(8) for turn in range(15))
            == 120
        )
        assert 15 < chain.head.number < 121
    assert verify_chain(tmp_path).transactions == 121


class _DiskFull:
    """A connection whose commits fail while told to."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection, self.failing = connection, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, sql: str, *values: Any) -> Any:
        if self.failing and sql == "COMMIT":
            raise sqlite3.OperationalError("database or disk is full")
        return self._connection.execute(sql, *values)


def test_a_block_that_cannot_be_stored_never_was(tmp_path: Path) -> None:
    sender = Sender()
    with EmbeddedChain(tmp_path, CHAIN_ID) as chain:
        contract = sender.install(chain)
        disk = _DiskFull(chain._tables._db)
        chain._tables._db = disk  # type: ignore[assignment]
        disk.failing = True
        raw = sender.raw(contract, write(1, 1))
        with pytest.raises(StoreUnavailable):
            chain.send(raw)
        assert (chain.head.number, stored(chain, contract, 1)) == (1, 0)
        disk.failing = False
        assert chain.send(raw).success
        assert stored(chain, contract, 1) == 1
    assert verify_chain(tmp_path).head.number == 2


def test_who_sends_at_once_by_one_key_waits_in_line_and_nothing_of_a_sender_is_kept(
    chain: EmbeddedChain,
) -> None:
    node, busy, mined = EmbeddedNode(chain), SigningKey.random(), list[int]()

    def send() -> None:
        for _ in range(10):
            mined.extend(len(node.send(key, [Call(bytes(20), b"")])) for key in (busy, SigningKey.random()))

    threads = [threading.Thread(target=send) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert (sum(mined), node.nonce(busy.address)) == (80, 40)
    assert len(node._lanes) == 0
