"""The chain's SQLite file: blocks, receipts, logs, and state rows kept by block.

A state row holds from its block until the next row of the same account or slot, so the state at any
earlier block is still there. One connection; the chain's lock serialises its use.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_hash.auto import keccak

from careledger.adapters.custody.sqlite import opened
from careledger.adapters.evm.blocks import Block, Header, Receipt, decode_header, time_in
from careledger.adapters.evm.engine import Account, Log, WriteSet
from careledger.adapters.evm.log_search import LogSearch
from careledger.adapters.evm.rlp_trie import uint_bytes
from careledger.domain.errors import StoreCorrupt
from careledger.formats.signatures import Address

FILE = "chain.sqlite"
_BLOCKS_OF_HASH = "CREATE INDEX IF NOT EXISTS blocks_of_hash ON blocks (hash);"  # older files lack it
_SCHEMA = f"""
CREATE TABLE meta (chain_id INTEGER NOT NULL, version INTEGER NOT NULL CHECK (version = 1));
CREATE TABLE blocks (number INTEGER PRIMARY KEY, hash BLOB NOT NULL, header BLOB NOT NULL);
CREATE TABLE transactions (
    block INTEGER, position INTEGER, hash BLOB NOT NULL UNIQUE, raw BLOB NOT NULL, sender BLOB NOT NULL,
    kind INTEGER NOT NULL, success INTEGER NOT NULL, gas_used INTEGER NOT NULL,
    cumulative_gas INTEGER NOT NULL, created BLOB, output BLOB NOT NULL,
    PRIMARY KEY (block, position)) WITHOUT ROWID;
CREATE TABLE logs (
    block INTEGER, position INTEGER, place INTEGER, address BLOB NOT NULL, topic BLOB NOT NULL,
    topics BLOB NOT NULL, data BLOB NOT NULL, PRIMARY KEY (block, position, place)) WITHOUT ROWID;
CREATE INDEX logs_of_contract ON logs (address, topic, block);
CREATE TABLE codes (hash BLOB PRIMARY KEY, code BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE accounts (
    address BLOB, block INTEGER, nonce INTEGER NOT NULL, code BLOB NOT NULL,
    PRIMARY KEY (address, block)) WITHOUT ROWID;
CREATE INDEX accounts_of_block ON accounts (block);
CREATE INDEX contracts ON accounts (address) WHERE code <> x'';
CREATE TABLE storage (
    address BLOB, slot BLOB, block INTEGER, value BLOB NOT NULL,
    PRIMARY KEY (address, slot, block)) WITHOUT ROWID;
CREATE INDEX storage_of_block ON storage (block);
{_BLOCKS_OF_HASH}
"""


@dataclass(frozen=True, slots=True)
class FoundLog:
    """A log with its place: block, transaction's position and hash, number within the transaction."""

    block: int
    position: int
    place: int
    transaction: bytes
    log: Log


CACHE = -1_024
"""KiB of pages in memory, as SQLite wants it said."""


def connect(directory: Path | None, read_only: bool = False) -> sqlite3.Connection:
    """The open file of a directory, or tables in memory. What is committed is on the disk."""
    if directory is None:
        name = ":memory:"
    else:
        name = f"file:{(directory / FILE).resolve()}?mode={'ro' if read_only else 'rwc'}"
    connection = opened(name, uri=True)
    connection.text_factory = bytes
    if not read_only:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA cache_size = {CACHE}")
    return connection


def install(directory: Path | None, chain_id: int, genesis: Header) -> sqlite3.Connection:
    """Make the file with block 0, sync it and its directories, and open it again."""
    connection = connect(directory)
    connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA}")
    connection.execute("INSERT INTO meta VALUES (?, 1)", (chain_id,))
    connection.execute("INSERT INTO blocks VALUES (0, ?, ?)", (genesis.hash, genesis.encode()))
    connection.execute("COMMIT")
    if directory is None:
        return connection
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    for path in (directory / FILE, directory, directory.parent):
        _sync(path)
    return connect(directory)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class ChainTables:
    """What is read from and written to the file."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def chain_id(self) -> int | None:
        """The chain id, or None while nothing is installed."""
        if not self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone():
            return None
        (chain_id,) = self._db.execute("SELECT chain_id FROM meta").fetchone()
        return int(chain_id)

    def check_file(self) -> None:
        """Raises StoreCorrupt if SQLite finds its own file damaged."""
        (said,) = self._db.execute("PRAGMA integrity_check(1)").fetchone()
        if said != b"ok":
            raise StoreCorrupt(why="integrity check")

    # Writing ------------------------------------------------------------------------------------

    def complete(self) -> None:
        """Make what a file of an older release lacks: an index, which changes no answer."""
        self._db.execute(_BLOCKS_OF_HASH)

    def append(self, block: Block) -> None:
        """Write a block and commit it: when this returns, it is durable. Else nothing of it is there."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._write(block)
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def _write(self, block: Block) -> None:
        number, run = block.header.number, self._db.executemany
        self._db.execute(
            "INSERT INTO blocks VALUES (?, ?, ?)", (number, block.header.hash, block.header.encode())
        )
        run("INSERT INTO transactions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", transaction_rows(block))
        run("INSERT INTO logs VALUES (?, ?, ?, ?, ?, ?, ?)", log_rows(block.receipts))
        codes = {account.code for account in block.writes.accounts.values() if account.code}
        run("INSERT OR IGNORE INTO codes VALUES (?, ?)", [(keccak(code), code) for code in codes])
        run("INSERT INTO accounts VALUES (?, ?, ?, ?)", account_rows(block.writes, number))
        run("INSERT INTO storage VALUES (?, ?, ?, ?)", storage_rows(block.writes, number))

    # Blocks, receipts, logs ---------------------------------------------------------------------

    def head(self) -> Header:
        """The last block's header; raises StoreCorrupt if it is not what its hash says."""
        row = self._db.execute("SELECT hash, header FROM blocks ORDER BY number DESC LIMIT 1").fetchone()
        if row is None or keccak(row[1]) != row[0]:
            raise StoreCorrupt(why="no sound last block")
        return decode_header(row[1])

    def header(self, number: int) -> Header | None:
        """A block's header."""
        row = self._db.execute("SELECT header FROM blocks WHERE number = ?", (number,)).fetchone()
        return decode_header(row[0]) if row else None

    def heads(self, numbers: Collection[int]) -> list[tuple[int, bytes, int]]:
        """Number, hash and time of these blocks, as far as they are there."""
        if not numbers:
            return []
        rows = self._db.execute(
            "SELECT number, hash, header FROM blocks WHERE number BETWEEN ? AND ?",
            (min(numbers), max(numbers)),
        )
        wanted = frozenset(numbers)
        return [(number, digest, time_in(header)) for number, digest, header in rows if number in wanted]

    def number_of(self, digest: bytes) -> int | None:
        """The number of the block with that hash."""
        row = self._db.execute("SELECT number FROM blocks WHERE hash = ?", (digest,)).fetchone()
        return int(row[0]) if row else None

    def place_of(self, transaction: bytes) -> tuple[int, int] | None:
        """Block and position of a transaction hash."""
        sql = "SELECT block, position FROM transactions WHERE hash = ?"
        row = self._db.execute(sql, (transaction,)).fetchone()
        return (row[0], row[1]) if row else None

    def logs_before(self, block: int, position: int) -> int:
        """How many logs of a block come before those of its transaction at that position."""
        sql = "SELECT COUNT(*) FROM logs WHERE block = ? AND position < ?"
        return int(self._db.execute(sql, (block, position)).fetchone()[0])

    def signed(self, number: int) -> list[tuple[bytes, bytes, bytes]]:
        """A block's transactions in order: bytes, hash, sender."""
        sql = "SELECT raw, hash, sender FROM transactions WHERE block = ? ORDER BY position"
        return self._db.execute(sql, (number,)).fetchall()

    def signed_at(self, number: int, position: int) -> tuple[bytes, bytes, bytes] | None:
        """The transaction at one place: bytes, hash, sender."""
        sql = "SELECT raw, hash, sender FROM transactions WHERE block = ? AND position = ?"
        found: tuple[bytes, bytes, bytes] | None = self._db.execute(sql, (number, position)).fetchone()
        return found

    def count(self, number: int) -> int:
        """How many transactions a block has."""
        sql = "SELECT COUNT(*) FROM transactions WHERE block = ?"
        return int(self._db.execute(sql, (number,)).fetchone()[0])

    def raw_transactions(self, number: int) -> list[bytes]:
        """A block's transactions in order."""
        sql = "SELECT raw FROM transactions WHERE block = ? ORDER BY position"
        return [raw for (raw,) in self._db.execute(sql, (number,))]

    def receipt(self, transaction: bytes) -> Receipt | None:
        """The receipt of a transaction hash."""
        found = self._receipts("hash = ?", transaction)
        return found[0] if found else None

    def receipts(self, number: int) -> list[Receipt]:
        """A block's receipts in order."""
        return self._receipts("block = ?", number)

    def _receipts(self, where: str, value: bytes | int) -> list[Receipt]:
        rows = self._db.execute(
            "SELECT hash, block, position, sender, kind, success, gas_used, cumulative_gas, created, output"  # noqa: S608
            f" FROM transactions WHERE {where} ORDER BY block, position",
            (value,),
        ).fetchall()
        return [self._receipt(*row) for row in rows]

    def _receipt(self, digest: bytes, block: int, position: int, *rest: Any) -> Receipt:
        sql = "SELECT address, topics, data FROM logs WHERE block = ? AND position = ? ORDER BY place"
        logs = tuple(log_of(*row) for row in self._db.execute(sql, (block, position)))
        sender, kind, success, used, total, created, output = rest
        return Receipt(
            digest, block, position, sender, kind, bool(success), used, total, created, output, logs
        )

    def logs(self, search: LogSearch) -> Iterator[FoundLog]:
        """Logs of the searched blocks in chain order."""
        terms, values = search.terms()
        rows = self._db.execute(
            "SELECT logs.block, logs.position, place, transactions.hash, address, topics, data FROM logs"  # noqa: S608
            " JOIN transactions USING (block, position)"
            f" WHERE {terms} ORDER BY logs.block, logs.position, place",
            values,
        )
        for block, position, place, digest, *log in rows:
            found = log_of(*log)
            if search.matches(found.topics):
                yield FoundLog(block, position, place, digest, found)

    # State --------------------------------------------------------------------------------------

    def accounts(self) -> Iterator[tuple[Address, Account]]:
        """Every account as it is at the head."""
        rows = self._db.execute(
            "SELECT address, nonce, codes.code, MAX(block) FROM accounts"
            " LEFT JOIN codes ON codes.hash = accounts.code GROUP BY address"
        )
        for address, nonce, code, _ in rows:
            yield address, Account(nonce, code or b"")

    def storage(self) -> Iterator[tuple[Address, int, int]]:
        """Every slot that is not 0 at the head."""
        rows = self._db.execute("SELECT address, slot, value, MAX(block) FROM storage GROUP BY address, slot")
        for address, slot, value, _ in rows:
            if value:
                yield address, int.from_bytes(slot, "big"), int.from_bytes(value, "big")

    def account_at(self, address: Address, block: int) -> Account:
        """One account as it was after a block."""
        row = self._db.execute(
            "SELECT nonce, codes.code FROM accounts LEFT JOIN codes ON codes.hash = accounts.code"
            " WHERE address = ? AND block <= ? ORDER BY block DESC LIMIT 1",
            (address, block),
        ).fetchone()
        return Account(row[0], row[1] or b"") if row else Account()

    def slot_at(self, address: Address, slot: int, block: int) -> int:
        """One slot as it was after a block."""
        row = self._db.execute(
            "SELECT value FROM storage WHERE address = ? AND slot = ? AND block <= ?"
            " ORDER BY block DESC LIMIT 1",
            (address, slot.to_bytes(32, "big"), block),
        ).fetchone()
        return int.from_bytes(row[0], "big") if row else 0

    def live_slots(self, address: Address) -> set[int]:
        """The slots of a contract that are not 0 at the head."""
        rows = self._db.execute(
            "SELECT slot, value, MAX(block) FROM storage WHERE address = ? GROUP BY slot", (address,)
        )
        return {int.from_bytes(slot, "big") for slot, value, _ in rows if value}

    def contracts(self) -> list[Address]:
        """Every address that ever had code."""
        return [at for (at,) in self._db.execute("SELECT DISTINCT address FROM accounts WHERE code <> x''")]

    def last_number(self) -> int:
        """The number of the last block row."""
        (number,) = self._db.execute("SELECT MAX(number) FROM blocks").fetchone()
        return -1 if number is None else int(number)

    def stored_hash(self, number: int) -> bytes | None:
        """The hash kept beside a block's header."""
        row = self._db.execute("SELECT hash FROM blocks WHERE number = ?", (number,)).fetchone()
        return bytes(row[0]) if row else None

    def code(self, code: bytes) -> bytes | None:
        """What is kept under the hash of that code."""
        row = self._db.execute("SELECT code FROM codes WHERE hash = ?", (keccak(code),)).fetchone()
        return bytes(row[0]) if row else None

    def rows_outside(self, table: str, last: int) -> int:
        """How many rows name a block that does not exist."""
        sql = f"SELECT COUNT(*) FROM {table} WHERE block NOT BETWEEN 1 AND ?"  # noqa: S608
        return int(self._db.execute(sql, (last,)).fetchone()[0])

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Read one and the same state throughout, whatever is committed meanwhile."""
        self._db.execute("BEGIN")
        try:
            yield
        finally:
            self._db.execute("ROLLBACK")

    def rows_of_block(self, table: str, number: int) -> list[tuple[object, ...]]:
        """The rows of one of the tables with a column ``block``, sorted: what verify compares."""
        sql = f"SELECT * FROM {table} WHERE block = ?"  # noqa: S608
        return sorted(self._db.execute(sql, (number,)).fetchall(), key=repr)


def log_of(address: bytes, topics: bytes, data: bytes) -> Log:
    """A log from its row."""
    return Log(address, tuple(topics[at : at + 32] for at in range(0, len(topics), 32)), data)


def transaction_rows(block: Block) -> list[tuple[object, ...]]:
    """The rows of table ``transactions``."""
    return [
        (
            block.header.number,
            receipt.position,
            receipt.hash,
            signed.raw,
            receipt.sender,
            receipt.kind,
            int(receipt.success),
            receipt.gas_used,
            receipt.cumulative_gas,
            receipt.created,
            receipt.output,
        )
        for signed, receipt in zip(block.transactions, block.receipts, strict=True)
    ]


def log_rows(receipts: Iterable[Receipt]) -> list[tuple[object, ...]]:
    """The rows of table ``logs``; ``topic`` is the first topic, empty if there is none."""
    return [
        (
            receipt.block,
            receipt.position,
            place,
            log.address,
            log.topics[0] if log.topics else b"",
            b"".join(log.topics),
            log.data,
        )
        for receipt in receipts
        for place, log in enumerate(receipt.logs)
    ]


def account_rows(writes: WriteSet, number: int) -> list[tuple[object, ...]]:
    """The rows of table ``accounts``."""
    return [
        (address, number, account.nonce, keccak(account.code) if account.code else b"")
        for address, account in writes.accounts.items()
    ]


def storage_rows(writes: WriteSet, number: int) -> list[tuple[object, ...]]:
    """The rows of table ``storage``."""
    return [
        (address, slot.to_bytes(32, "big"), number, uint_bytes(value))
        for (address, slot), value in writes.storage.items()
    ]
