"""The projection's rows in a SQLite file of their own, each under the block that wrote it.

Everything here can be made again from the chain, so commits are not synced: after a crash of the machine the file
is at an earlier position, never at a half one. A file of another chain, or ahead of its chain, is emptied.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from careledger.adapters.custody.sqlite import opened
from careledger.adapters.evm.tables import CACHE
from careledger.formats import cbor
from careledger.projection.rows import Key, Read, Row

VERSION = 3
_SCHEMA = """
CREATE TABLE IF NOT EXISTS position (version INTEGER, block INTEGER, hash BLOB, directory BLOB);
CREATE TABLE IF NOT EXISTS facts (
    key BLOB, block INTEGER, value BLOB NOT NULL, PRIMARY KEY (key, block)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS facts_of_block ON facts (block);
"""
_FIND = "SELECT value FROM facts WHERE key = ? AND block <= ? ORDER BY block DESC LIMIT 1"


class FactTables:
    """Rows and the position that they were folded to; both change in one commit."""

    def __init__(self, path: Path | None) -> None:
        """Opens or makes the file; None keeps it in memory."""
        self._lock = threading.Lock()
        name = ":memory:" if path is None else str(path)
        self._db = opened(name)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = OFF" if path is None else "PRAGMA synchronous = NORMAL")
        self._db.execute(f"PRAGMA cache_size = {CACHE}")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._db.close()

    def position(self, directory: bytes) -> tuple[int, bytes] | None:
        """The block folded last, with its hash; None if nothing was, or for another network or version."""
        with self._lock:
            row = self._db.execute("SELECT version, block, hash, directory FROM position").fetchone()
        if row is None or (row[0], row[3]) != (VERSION, directory):
            return None
        return row[1], row[2]

    def commit(
        self, block: int, digest: bytes, directory: bytes, rows: Mapping[tuple[Key, int], Row]
    ) -> None:
        """Adds rows and moves the position to that block."""
        made = [(_packed(key), at, cbor.encode(row)) for (key, at), row in rows.items()]
        with self._lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?, ?)", made)
            self._db.execute("DELETE FROM position")
            self._db.execute("INSERT INTO position VALUES (?, ?, ?, ?)", (VERSION, block, digest, directory))

    def clear(self) -> None:
        """Drops every row and the position."""
        with self._lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("DELETE FROM facts")
            self._db.execute("DELETE FROM position")

    def reader(self, block: int) -> Read:
        """Finds rows as they were after that block."""

        def read(key: Key) -> Row | None:
            with self._lock:
                found = self._db.execute(_FIND, (_packed(key), block)).fetchone()
            return None if found is None else _tuples(cbor.decode(found[0]))

        return read

    def changed(self, after: int, upto: int) -> list[Key]:
        """The keys of the rows that these blocks wrote, but for the first of them."""
        with self._lock:
            found = self._db.execute(
                "SELECT DISTINCT key FROM facts WHERE block > ? AND block <= ?", (after, upto)
            ).fetchall()
        return [_tuples(cbor.decode(key)) for (key,) in found]

    def rows(self, kind: str = "") -> Iterator[tuple[bytes, int, bytes]]:
        """Everything kept, or what is of one kind with one part in its key, in order: packed key, block, packed row."""
        first = cbor.encode([kind, 0])[:-1] if kind else b""
        within, bounds = ("WHERE key >= ? AND key < ?", (first, first + b"\xff")) if kind else ("", ())
        with self._lock:
            found = self._db.execute(
                f"SELECT key, block, value FROM facts {within} ORDER BY key, block",  # noqa: S608
                bounds,
            ).fetchall()
        yield from found


def _packed(key: Key) -> bytes:
    return cbor.encode(list(key))


def _tuples(value: Any) -> Any:
    return tuple(_tuples(each) for each in value) if isinstance(value, list) else value
