"""The embedded chain: real signed transactions, hash-linked blocks, the contracts executed by an engine.

Order of effects of a block: transactions executed in memory; block, receipts, logs and state rows
committed to SQLite in one synced transaction (the commit point); only then are senders answered. A crash
before the commit leaves nothing, after it everything. There are no forks and no reorganisations.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from careledger.adapters.evm.blocks import Header, Receipt, genesis_header
from careledger.adapters.evm.engine import (
    ZERO_ADDRESS,
    Account,
    BlockContext,
    Engine,
    Execution,
    Message,
    simulated,
)
from careledger.adapters.evm.engines import new_engine
from careledger.adapters.evm.log_search import LogSearch
from careledger.adapters.evm.mining import BlockBuilder
from careledger.adapters.evm.past import PastEngines
from careledger.adapters.evm.revert import revert_reason
from careledger.adapters.evm.tables import FILE, ChainTables, FoundLog, connect, install
from careledger.adapters.evm.transactions import (
    MAX_TRANSACTION_GAS,
    SignedTransaction,
    decode_transaction,
)
from careledger.adapters.locks import hold
from careledger.domain.errors import (
    BlockNotFound,
    ChainMismatch,
    LedgerRefused,
    StoreCorrupt,
    StoreUnavailable,
    TransactionRefused,
)
from careledger.formats.signatures import Address

MAX_BLOCK_TRANSACTIONS = 2_000
Outcome = Receipt | TransactionRefused


@dataclass(slots=True)
class _Batch:
    """What one caller waits for."""

    signed: list[SignedTransaction | TransactionRefused]
    outcomes: list[Outcome] = field(default_factory=list)
    failure: Exception | None = None
    done: bool = False


def _wall_clock() -> int:
    return int(time.time())


def _holds_something(file: Path) -> bool:
    """Whether it is there and was not emptied."""
    return file.is_file() and file.stat().st_size > 0


class EmbeddedChain:
    """One durable chain in a directory of its own, or one in memory for tests.

    Safe to use from several threads; a second process is refused. ``clock`` gives unix seconds; a block's
    time never runs backwards whatever the clock does.
    """

    def __init__(
        self,
        directory: Path | None,
        chain_id: int,
        clock: Callable[[], int] = _wall_clock,
        engine: str | None = None,
        new: bool = True,
    ) -> None:
        """Open the chain, installing it first where there is none and it may be ``new``.

        Raises DirectoryInUse if another process has it open, ChainMismatch if it has another chain id,
        EngineMismatch, StoreCorrupt.
        """
        self.chain_id, self._clock, self._engine_name = chain_id, clock, engine
        self._writer, self._queue_lock = threading.RLock(), threading.Lock()
        self._queue: list[_Batch] = []
        self._lock_file = hold(directory) if directory is not None else None
        try:
            if directory is not None and not (new or _holds_something(directory / FILE)):
                raise StoreCorrupt(missing=FILE)
            self._open(directory)
        except sqlite3.DatabaseError as error:
            self._unlock()
            raise StoreCorrupt(why=str(error)) from None
        except BaseException:
            self._unlock()
            raise

    def _open(self, directory: Path | None) -> None:
        connection = connect(directory)
        self._tables = ChainTables(connection)
        stored = self._tables.chain_id()
        if stored is None:
            connection.close()
            self._tables = ChainTables(
                install(directory, self.chain_id, genesis_header(self.chain_id, self._clock()))
            )
        elif stored != self.chain_id:
            connection.close()
            raise ChainMismatch(stored=stored, wanted=self.chain_id)
        else:
            self._tables.complete()
        self._load()

    def _load(self) -> None:
        """Take head and state from the tables, forgetting whatever the engine ran ahead."""
        self._loaded = False
        self._past = PastEngines(self._tables, self.chain_id)
        self._head = self._tables.head()
        self._engine: Engine = new_engine(self.chain_id, self._engine_name)
        self._engine.load(self._tables.accounts(), self._tables.storage())
        self._loaded = True

    def _ready(self) -> None:
        """Load again if that failed after a failed commit."""
        if not self._loaded:
            self._load()

    def close(self) -> None:
        """Close file and lock. Everything acknowledged is durable already."""
        with self._writer:
            self._tables.close()
            self._unlock()

    def _unlock(self) -> None:
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None

    def __enter__(self) -> EmbeddedChain:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Sending ------------------------------------------------------------------------------------

    def send(self, raw: bytes) -> Receipt:
        """Execute a signed transaction; when this returns, its block is durable.

        A contract's refusal is a receipt with ``success`` False. Raises TransactionRefused if the chain
        does not take it at all (``why``: see decode_transaction and BlockBuilder.add, and ``known``),
        StoreUnavailable if it could not be stored.
        """
        (outcome,) = self.send_many([raw])
        if isinstance(outcome, TransactionRefused):
            raise outcome
        return outcome

    def send_many(self, raws: Sequence[bytes]) -> list[Outcome]:
        """Execute in order, committing one block for everybody who waits; one outcome each, in order.

        Those that are refused do not hinder the others. Raises StoreUnavailable if the block could not be
        stored; look for receipts before sending again.
        """
        batch = _Batch([self._decoded(raw) for raw in raws])
        with self._queue_lock:
            self._queue.append(batch)
        with self._writer:
            while not batch.done:
                self._mine(self._take())
        if batch.failure is not None:
            raise batch.failure
        return batch.outcomes

    def _decoded(self, raw: bytes) -> SignedTransaction | TransactionRefused:
        try:
            return decode_transaction(raw, self.chain_id)
        except TransactionRefused as refused:
            return refused

    def _take(self) -> list[_Batch]:
        """The batches of the next block, the oldest first, at least one."""
        with self._queue_lock:
            taken = [self._queue.pop(0)]
            count = len(taken[0].signed)
            while self._queue and count + len(self._queue[0].signed) <= MAX_BLOCK_TRANSACTIONS:
                taken.append(self._queue.pop(0))
                count += len(taken[-1].signed)
            return taken

    def _mine(self, batches: list[_Batch]) -> None:
        try:
            self._commit(batches)
        except sqlite3.Error as error:
            self._fail(batches, StoreUnavailable(why=str(error)))
        except BaseException as error:
            self._fail(batches, error if isinstance(error, Exception) else StoreUnavailable(why="stopped"))
            if not isinstance(error, Exception):
                raise
        for batch in batches:
            batch.done = True

    def _fail(self, batches: list[_Batch], failure: Exception) -> None:
        for batch in batches:
            batch.failure, batch.done = failure, True
        self._load()

    def _commit(self, batches: list[_Batch]) -> None:
        self._ready()
        context = BlockContext(self._head.number + 1, self._now(), self.chain_id)
        builder = BlockBuilder(self._engine, self._head, context, self.account, self._tables.live_slots)
        for batch in batches:
            batch.outcomes = [self._add(builder, signed) for signed in batch.signed]
        block = builder.build()
        if block.transactions:
            self._tables.append(block)
            self._head = block.header

    def _add(self, builder: BlockBuilder, signed: SignedTransaction | TransactionRefused) -> Outcome:
        if isinstance(signed, TransactionRefused):
            return signed
        try:
            return builder.add(signed)
        except TransactionRefused as refused:
            if refused.details["why"] == "nonce too low" and self._tables.receipt(signed.hash):
                return TransactionRefused(why="known", hash=signed.hash.hex())
            return refused

    def _now(self) -> int:
        return max(self._head.timestamp, self._clock())

    # Reading ------------------------------------------------------------------------------------

    @property
    def head(self) -> Header:
        """The last durable block's header."""
        with self._writer:
            return self._head

    def header(self, number: int) -> Header:
        """A block's header; raises BlockNotFound."""
        with self._writer:
            found = self._tables.header(number)
        if found is None:
            raise BlockNotFound(number=number)
        return found

    def heads(self, numbers: Collection[int]) -> list[tuple[int, bytes, int]]:
        """Number, hash and time of these blocks; raises BlockNotFound."""
        with self._writer:
            found = self._tables.heads(numbers)
        missing = set(numbers) - {number for number, _, _ in found}
        if missing:
            raise BlockNotFound(number=min(missing))
        return found

    def receipt(self, transaction: bytes) -> Receipt | None:
        """The receipt of a transaction hash, None if no durable block holds it."""
        with self._writer:
            return self._tables.receipt(transaction)

    def logs(
        self,
        first: int,
        last: int | None = None,
        address: Address | None = None,
        topics: Sequence[bytes | None] = (),
    ) -> list[FoundLog]:
        """Logs of blocks first…last (None: the head) in chain order; a topic of None matches anything."""
        with self._writer:
            end = self._head.number if last is None else last
            wanted = tuple(None if topic is None else frozenset([topic]) for topic in topics)
            emitters = frozenset() if address is None else frozenset([address])
            return list(self._tables.logs(LogSearch(first, end, emitters, wanted)))

    def account(self, address: Address, block: int | None = None) -> Account:
        """Nonce and code after a block (None: the head)."""
        with self._writer:
            return self._tables.account_at(address, self._head.number if block is None else block)

    def nonce(self, address: Address) -> int:
        """The nonce that the account's next transaction must have."""
        return self.account(address).nonce

    def slot(self, address: Address, slot: int, block: int | None = None) -> int:
        """A storage slot after a block (None: the head)."""
        with self._writer:
            return self._tables.slot_at(address, slot, self._head.number if block is None else block)

    def call(
        self,
        to: Address,
        data: bytes,
        sender: Address = ZERO_ADDRESS,
        block: int | None = None,
        timestamp: int | None = None,
    ) -> bytes:
        """What a contract answers, on the state after a block (None: the head), writing nothing.

        The contract sees the block's own number and time, or the time given. The head is asked on the
        chain's engine, an earlier block on EELS, which reads its rows as it needs them. Raises
        LedgerRefused with the contract's ``reason``, BlockNotFound.
        """
        answer = self.simulate(Message(sender, to, data, MAX_TRANSACTION_GAS), block, timestamp)
        if not answer.success:
            raise LedgerRefused(reason=revert_reason(answer.output))
        return answer.output

    def simulate(self, message: Message, block: int | None = None, timestamp: int | None = None) -> Execution:
        """The whole outcome of a call or creation, gas and logs included, without a write set: see ``simulated``."""
        with self._writer:
            self._ready()
            at = self._head if block is None else self.header(block)
            seen = at.timestamp if timestamp is None else timestamp
            engine = self._engine if at.number == self._head.number else self._past.at(at.number)
            return simulated(engine, message, BlockContext(at.number, seen, self.chain_id))
