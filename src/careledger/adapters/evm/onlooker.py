"""What somebody who only looks sees of the chain: blocks, transactions, receipts, logs and state, at any block.

It reads the chain's file beside the chain that writes it, so that a long search holds up no block. Whatever it shows
was committed, and stays as it is: a committed block never changes.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from careledger.adapters.evm.blocks import Header, Receipt
from careledger.adapters.evm.engine import Account, BlockContext, Execution, Message, simulated
from careledger.adapters.evm.log_search import LogSearch
from careledger.adapters.evm.past import PastEngines
from careledger.adapters.evm.tables import ChainTables, FoundLog, connect
from careledger.adapters.evm.transactions import SignedTransaction, read_transaction
from careledger.domain.errors import BlockNotFound
from careledger.formats.signatures import Address


@dataclass(frozen=True, slots=True)
class PlacedLog:
    """A log with the hash of its block and its number within the block."""

    found: FoundLog
    block_hash: bytes
    index: int


class Onlooker:
    """Reads the chain of a directory; safe to use from several threads, each of which has its own connection."""

    def __init__(self, directory: Path, chain_id: int) -> None:
        """``directory`` must hold an installed chain."""
        self._directory, self._chain_id = directory, chain_id
        self._mine = threading.local()
        self._opened: list[ChainTables] = []
        self._past_lock, self._past_tables = threading.Lock(), self._open()
        self._past = PastEngines(self._past_tables, chain_id)

    def _open(self) -> ChainTables:
        tables = ChainTables(connect(self._directory, read_only=True))
        self._opened.append(tables)
        return tables

    @property
    def _tables(self) -> ChainTables:
        if not hasattr(self._mine, "tables"):
            self._mine.tables = self._open()
        tables: ChainTables = self._mine.tables
        return tables

    def close(self) -> None:
        """Close every connection; nobody may be reading any more."""
        for tables in self._opened:
            tables.close()

    # Blocks -------------------------------------------------------------------------------------

    def head(self) -> Header:
        """The last durable block's header."""
        return self._tables.head()

    def header(self, number: int) -> Header | None:
        """A block's header."""
        return self._tables.header(number)

    def number_of(self, digest: bytes) -> int | None:
        """The number of the block with that hash."""
        return self._tables.number_of(digest)

    def transactions(self, number: int) -> list[SignedTransaction]:
        """A block's transactions in order."""
        return [self._signed(*row) for row in self._tables.signed(number)]

    def transaction(self, number: int, position: int) -> SignedTransaction | None:
        """The transaction at one place."""
        row = self._tables.signed_at(number, position)
        return self._signed(*row) if row else None

    def count(self, number: int) -> int:
        """How many transactions a block has."""
        return self._tables.count(number)

    def _signed(self, raw: bytes, digest: bytes, sender: Address) -> SignedTransaction:
        """The chain recovered the sender before it took the transaction."""
        return SignedTransaction(read_transaction(raw, self._chain_id)[0], raw, digest, sender)

    def hashes(self, number: int) -> list[bytes]:
        """The hashes of a block's transactions in order."""
        return [digest for _, digest, _ in self._tables.signed(number)]

    def receipts(self, number: int) -> list[Receipt]:
        """A block's receipts in order."""
        return self._tables.receipts(number)

    def place_of(self, transaction: bytes) -> tuple[int, int] | None:
        """Block and position of a transaction hash."""
        return self._tables.place_of(transaction)

    def receipt(self, transaction: bytes) -> Receipt | None:
        """The receipt of a transaction hash."""
        return self._tables.receipt(transaction)

    def logs_before(self, receipt: Receipt) -> int:
        """How many logs of the block come before those of that receipt."""
        return self._tables.logs_before(receipt.block, receipt.position)

    # Logs ---------------------------------------------------------------------------------------

    def logs(self, search: LogSearch, most: int, most_bytes: int) -> list[PlacedLog] | None:
        """The logs that are looked for, in chain order; None if they are more than that, or have more data."""
        found, size = [], 0
        for each in self._tables.logs(search):
            found.append(each)
            size += len(each.log.data)
            if len(found) > most or size > most_bytes:
                return None
        return list(self._placed(found))

    def _placed(self, logs: list[FoundLog]) -> Iterator[PlacedLog]:
        tables, digest, before = self._tables, b"", 0
        last: tuple[int, int] | None = None
        for found in logs:
            if last != (found.block, found.position):
                before = tables.logs_before(found.block, found.position)
            if last is None or last[0] != found.block:
                digest = tables.stored_hash(found.block) or b""
            last = (found.block, found.position)
            yield PlacedLog(found, digest, before + found.place)

    # State --------------------------------------------------------------------------------------

    def account(self, address: Address, block: int) -> Account:
        """Nonce and code after a block."""
        return self._tables.account_at(address, block)

    def slot(self, address: Address, slot: int, block: int) -> int:
        """A storage slot after a block."""
        return self._tables.slot_at(address, slot, block)

    def call(self, message: Message, block: int) -> Execution:
        """What a call or a creation on the state after an earlier block does, without a write set: see ``simulated``.

        It runs on EELS, about a hundred times slower than the head; one at a time, holding up nothing else.
        Raises BlockNotFound.
        """
        with self._past_reading() as tables:
            header = tables.header(block)
            if header is None:
                raise BlockNotFound(number=block)
            context = BlockContext(block, header.timestamp, self._chain_id)
            return simulated(self._past.at(block), message, context)

    @contextmanager
    def _past_reading(self) -> Iterator[ChainTables]:
        with self._past_lock:
            yield self._past_tables
