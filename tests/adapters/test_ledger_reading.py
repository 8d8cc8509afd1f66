"""Facts read beside the process that has the chain are the port's, and hold at once."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from adapters.ledger_suite_parties import PartySuite
from adapters.ledger_suite_patients import PatientSuite
from adapters.ledger_suite_records import RecordSuite
from adapters.ledger_world import CHAIN_ID, DOCTOR, HOSPITAL, OFFICER, LedgerWorld, of
from adapters.test_ledger_evm import contracts, genesis
from careledger.adapters.evm.chain import EmbeddedChain
from careledger.adapters.evm.deploy import found
from careledger.adapters.evm.embedded import EmbeddedNode
from careledger.adapters.evm.engine import ZERO_ADDRESS
from careledger.adapters.evm.ledger import EvmLedger
from careledger.adapters.evm.node import Call, Mined
from careledger.adapters.evm.reading import ReadingNode
from careledger.adapters.evm.tables import FoundLog
from careledger.adapters.memory.clock import ManualClock
from careledger.domain.errors import BlockNotFound, ChainMismatch, LedgerRefused, StoreUnavailable
from careledger.domain.facts import Head
from careledger.domain.parties import Status
from careledger.formats.signatures import Address, SigningKey


@dataclass
class Two:
    """What is sent goes by the node that has the chain; everything that is read, by the one beside it."""

    writes: EmbeddedNode
    reads: ReadingNode

    @property
    def chain_id(self) -> int:
        return self.reads.chain_id

    def head(self) -> Head:
        return self.reads.head()

    def fresh_head(self) -> Head:
        return self.reads.fresh_head()

    def block(self, number: int) -> Head:
        return self.reads.block(number)

    def blocks(self, numbers: Collection[int]) -> dict[int, Head]:
        return self.reads.blocks(numbers)

    def call(
        self, to: Address | None, data: bytes, sender: Address = ZERO_ADDRESS, block: int | None = None
    ) -> bytes:
        return self.reads.call(to, data, sender, block)

    def logs(
        self, first: int, last: int, addresses: Collection[Address], topics: Sequence[bytes | None] = ()
    ) -> list[FoundLog]:
        return self.reads.logs(first, last, addresses, topics)

    def nonce(self, sender: Address) -> int:
        return self.reads.nonce(sender)

    def send(self, sender: SigningKey, calls: Sequence[Call]) -> list[Mined]:
        return self.writes.send(sender, calls)

    def close(self) -> None:
        self.reads.close()
        self.writes.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[LedgerWorld]:
    clock = ManualClock()
    chain = EmbeddedChain(tmp_path, CHAIN_ID, clock.now)
    writes = EmbeddedNode(chain)
    address = found(writes, genesis())
    ledger = EvmLedger(Two(writes, ReadingNode(tmp_path, CHAIN_ID)), address, clock)
    yield LedgerWorld(ledger, clock)
    ledger.close()


class TestParties(PartySuite):
    """Organisations, posts, custodians, teams."""


class TestPatients(PatientSuite):
    """Registrations, aliases, links, consents."""


class TestRecords(RecordSuite):
    """Anchors, erasures, checkpoints, emergencies, the matrix."""


def both(world: LedgerWorld) -> Two:
    node = contracts(world)._node
    assert isinstance(node, Two)
    return node


def test_a_block_is_seen_beside_the_chain_as_soon_as_its_sender_is_answered(world: LedgerWorld) -> None:
    two = both(world)
    for number in range(20):
        before = two.reads.head()
        world.alias(f"patient {number}")
        assert two.reads.head() == two.writes.head()
        assert two.reads.head().number > before.number
        assert two.reads.block(before.number) == before


def test_a_suspension_and_a_revoked_post_hold_beside_the_chain_at_once(world: LedgerWorld) -> None:
    two, ledger = both(world), contracts(world)
    beside = EvmLedger(two.reads, ledger.contract("Directory"), world.clock)
    world.organisation(HOSPITAL)
    world.post(DOCTOR, HOSPITAL)
    facts = beside.fresh_head().party(DOCTOR)
    assert facts is not None
    assert facts.standing is Status.VERIFIED
    world.ledger.suspend(HOSPITAL, *OFFICER)
    facts = beside.fresh_head().party(DOCTOR)
    assert facts is not None
    assert facts.standing is not Status.VERIFIED


def test_both_nodes_answer_alike(world: LedgerWorld) -> None:
    world.organisation(HOSPITAL)
    two, ledger = both(world), contracts(world)
    named = [ledger.contract(name) for name in ("Records", "Aliases", "Directory")]
    head = two.writes.head().number
    for addresses in ([], named[:1], named):
        assert two.reads.logs(0, head, addresses) == two.writes.logs(0, head, addresses)
    assert two.reads.blocks(range(head + 1)) == two.writes.blocks(range(head + 1))
    assert two.reads.nonce(of(HOSPITAL).address) == two.writes.nonce(of(HOSPITAL).address) == 1
    with pytest.raises(BlockNotFound):
        two.reads.block(head + 1)
    with pytest.raises(BlockNotFound):
        two.reads.call(named[0], b"", block=head + 1)
    for node in (two.reads, two.writes):
        with pytest.raises(LedgerRefused):
            node.call(named[0], b"\xde\xad\xbe\xef")


def test_a_node_that_reads_sends_nothing(world: LedgerWorld) -> None:
    two = both(world)
    before = two.writes.head()
    with pytest.raises(StoreUnavailable):
        two.reads.send(of(HOSPITAL), [Call(None, b"\x00")])
    assert two.writes.head() == before


def test_another_chain_is_not_read(tmp_path: Path) -> None:
    EmbeddedChain(tmp_path, CHAIN_ID).close()
    with pytest.raises(ChainMismatch):
        ReadingNode(tmp_path, CHAIN_ID + 1)


def test_another_process_may_take_the_chain_over(tmp_path: Path) -> None:
    clock = ManualClock()
    chain = EmbeddedChain(tmp_path, CHAIN_ID, clock.now)
    address = found(EmbeddedNode(chain), genesis())
    reads = ReadingNode(tmp_path, CHAIN_ID)
    before = reads.head()
    chain.close()
    assert reads.head() == before
    next_one = EvmLedger(EmbeddedNode(EmbeddedChain(tmp_path, CHAIN_ID, clock.now)), address, clock)
    LedgerWorld(next_one, clock).pending(HOSPITAL)
    assert reads.head().number == before.number + 1
    next_one.close()
    reads.close()
