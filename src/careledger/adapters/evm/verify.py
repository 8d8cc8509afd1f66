"""Replay a stored chain from genesis and compare everything.

What a replay cannot see is a whole chain cut short or rewritten from some block on with the senders'
consent: for that the caller gives the head that somebody remembers.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from careledger.adapters.evm.blocks import Block, Header, genesis_header
from careledger.adapters.evm.engine import BlockContext
from careledger.adapters.evm.engines import new_engine
from careledger.adapters.evm.mining import BlockBuilder
from careledger.adapters.evm.replay import ReplayedState
from careledger.adapters.evm.tables import (
    FILE,
    ChainTables,
    account_rows,
    connect,
    log_rows,
    storage_rows,
    transaction_rows,
)
from careledger.adapters.evm.transactions import decode_transaction
from careledger.domain.errors import (
    ChainCorrupt,
    MalformedBytes,
    StoreCorrupt,
    StoreUnavailable,
    TransactionRefused,
)


@dataclass(frozen=True, slots=True)
class Verified:
    """What a successful replay went through."""

    chain_id: int
    head: Header
    engine: str
    transactions: int
    accounts: int
    slots: int


def chain_head(directory: Path) -> Header:
    """The last stored block's header, also while the chain is running; raises StoreUnavailable."""
    with _tables(directory) as tables:
        return tables.head()


def verify_chain(
    directory: Path,
    engine: str | None = None,
    remembered: tuple[int, bytes] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Verified:
    """Replay every block on a fresh engine and compare header, hash, receipts, logs and state rows.

    ``remembered`` is the number and hash of a block that the chain must still contain; ``progress`` is
    told each block's number. Reads the directory only, also while the chain is running. Raises
    ChainCorrupt with ``block`` and ``differs`` at the first difference, StoreCorrupt if the file itself is
    damaged, StoreUnavailable if there is none.
    """
    with _tables(directory) as tables, tables.snapshot():
        tables.check_file()
        return _Replay(tables, engine).run(remembered, progress)


def verify_links(directory: Path, progress: Callable[[int], None] | None = None) -> Header:
    """Every header hashed again and linked to the one before, without executing anything; returns the last one.

    Raises what ``verify_chain`` raises. Replaying finds what this does not: rows that no header commits to.
    """
    with _tables(directory) as tables, tables.snapshot():
        tables.check_file()
        return _Links(tables).run(progress)


class _Links:
    def __init__(self, tables: ChainTables) -> None:
        self._tables = tables

    def run(self, progress: Callable[[int], None] | None) -> Header:
        before = self._header(0)
        for number in range(1, self._tables.last_number() + 1):
            header = self._header(number)
            if header.parent != before.hash:
                raise ChainCorrupt(block=number, differs="parent")
            before = header
            if progress is not None:
                progress(number)
        return before

    def _header(self, number: int) -> Header:
        try:
            found = self._tables.header(number)
        except MalformedBytes:
            found = None
        if found is None:
            raise ChainCorrupt(block=number, differs="header")
        if self._tables.stored_hash(number) != found.hash:
            raise ChainCorrupt(block=number, differs="block hash")
        return found


@contextmanager
def _tables(directory: Path) -> Iterator[ChainTables]:
    """Open to read; a damaged file is StoreCorrupt wherever that shows."""
    if not (directory / FILE).is_file():
        raise StoreUnavailable(why="no chain here", directory=directory.name)
    tables = ChainTables(connect(directory, read_only=True))
    try:
        if tables.chain_id() is None:
            raise StoreUnavailable(why="no chain here", directory=directory.name)
        yield tables
    except sqlite3.DatabaseError as error:
        raise StoreCorrupt(why=str(error)) from None
    finally:
        tables.close()


class _Replay:
    def __init__(self, tables: ChainTables, engine: str | None) -> None:
        self._tables, self._chain_id = tables, tables.chain_id() or 0
        self._engine = new_engine(self._chain_id, engine)
        self._state = ReplayedState()
        self._transactions = 0

    def run(self, remembered: tuple[int, bytes] | None, progress: Callable[[int], None] | None) -> Verified:
        parent = self._genesis()
        for number in range(1, self._tables.last_number() + 1):
            parent = self._block(number, parent)
            if progress is not None:
                progress(number)
        self._check_strays(parent.number)
        if remembered is not None:
            self._check_remembered(*remembered)
        accounts, slots = self._state.sizes()
        return Verified(self._chain_id, parent, self._engine.name, self._transactions, accounts, slots)

    def _genesis(self) -> Header:
        stored = self._header(0)
        if stored != genesis_header(self._chain_id, stored.timestamp):
            raise ChainCorrupt(block=0, differs="genesis")
        self._compare_hash(0, stored)
        return stored

    def _header(self, number: int) -> Header:
        try:
            found = self._tables.header(number)
        except MalformedBytes:
            raise ChainCorrupt(block=number, differs="header") from None
        if found is None:
            raise ChainCorrupt(block=number, differs="block missing")
        return found

    def _compare_hash(self, number: int, header: Header) -> None:
        if self._tables.stored_hash(number) != header.hash:
            raise ChainCorrupt(block=number, differs="block hash")

    def _block(self, number: int, parent: Header) -> Header:
        stored = self._header(number)
        if stored.timestamp < parent.timestamp:
            raise ChainCorrupt(block=number, differs="time")
        replayed = self._replay(number, stored.timestamp, parent)
        self._compare_header(stored, replayed.header)
        self._compare_hash(number, stored)
        self._compare_rows(number, replayed)
        self._state.apply(replayed.writes)
        self._transactions += len(replayed.transactions)
        return stored

    def _replay(self, number: int, timestamp: int, parent: Header) -> Block:
        context = BlockContext(number, timestamp, self._chain_id)
        builder = BlockBuilder(self._engine, parent, context, self._state.account, self._state.live_slots)
        for position, raw in enumerate(self._tables.raw_transactions(number)):
            try:
                builder.add(decode_transaction(raw, self._chain_id))
            except TransactionRefused as refused:
                raise ChainCorrupt(
                    block=number, transaction=position, differs="transaction", why=refused.details.get("why")
                ) from None
        return builder.build()

    def _compare_header(self, stored: Header, replayed: Header) -> None:
        for name in ("number", "parent", "transactions", "receipts", "bloom", "gas_used", "state", "extra"):
            if getattr(stored, name) != getattr(replayed, name):
                raise ChainCorrupt(block=replayed.number, differs=name)

    def _compare_rows(self, number: int, replayed: Block) -> None:
        for table, rows in (
            ("transactions", transaction_rows(replayed)),
            ("logs", log_rows(replayed.receipts)),
            ("accounts", account_rows(replayed.writes, number)),
            ("storage", storage_rows(replayed.writes, number)),
        ):
            self._compare_table(number, table, rows)
        for account in replayed.writes.accounts.values():
            if account.code and self._tables.code(account.code) != account.code:
                raise ChainCorrupt(block=number, differs="codes")

    def _compare_table(self, number: int, table: str, rows: Sequence[tuple[object, ...]]) -> None:
        stored, expected = self._tables.rows_of_block(table, number), sorted(rows, key=repr)
        if stored == expected:
            return
        wrong = len([row for row in stored if row not in expected])
        missing = len([row for row in expected if row not in stored])
        raise ChainCorrupt(block=number, differs=table, rows_wrong=wrong, rows_missing=missing)

    def _check_strays(self, last: int) -> None:
        for table in ("transactions", "logs", "accounts", "storage"):
            if self._tables.rows_outside(table, last):
                raise ChainCorrupt(block=last, differs=table, why="rows of no block")

    def _check_remembered(self, number: int, digest: bytes) -> None:
        if self._tables.stored_hash(number) != digest:
            raise ChainCorrupt(block=number, differs="remembered hash")
