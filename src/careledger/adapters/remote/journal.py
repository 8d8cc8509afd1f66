"""What was signed and is not final yet, and the newest block seen: durable before anything is sent.

An entry stands until the receipt is in a final block. So after a crash each nonce that was given out is still held by
the transaction that has it, and the same bytes go out again: no nonce is used twice, and no gap is left.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from careledger.adapters.custody.sqlite import kept, transaction
from careledger.domain.errors import StoreCorrupt, StoreUnavailable
from careledger.formats.signatures import Address

_SCHEMA = """
CREATE TABLE unconfirmed (
    sender BLOB NOT NULL, nonce INTEGER NOT NULL, hash BLOB NOT NULL UNIQUE, raw BLOB NOT NULL,
    PRIMARY KEY (sender, nonce)) WITHOUT ROWID;
CREATE TABLE seen (place INTEGER PRIMARY KEY CHECK (place = 1), number INTEGER NOT NULL, hash BLOB NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed transaction that was given a nonce."""

    sender: Address
    nonce: int
    hash: bytes
    raw: bytes


class Journal:
    """One SQLite file; what a method wrote is on the disk when it returns. Safe to use from several threads."""

    def __init__(self, path: Path, new: bool = True) -> None:
        """Opens the file, made first where there is none and it may be ``new``; raises StoreCorrupt."""
        self._lock = threading.Lock()
        try:
            self._db = kept(path, _SCHEMA, new)
            self._db.execute("SELECT sender, nonce, hash, raw FROM unconfirmed LIMIT 0")
        except sqlite3.DatabaseError as error:
            raise StoreCorrupt(file=path.name, why=str(error)) from None

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._db.close()

    def unconfirmed(self) -> list[Signed]:
        """Every entry, each sender's in the order of nonces."""
        with self._lock:
            rows = self._db.execute(
                "SELECT sender, nonce, hash, raw FROM unconfirmed ORDER BY sender, nonce"
            ).fetchall()
        return [Signed(*row) for row in rows]

    def keep(self, entries: Iterable[Signed]) -> None:
        """Enters transactions before they are sent; raises StoreUnavailable, and then none is entered."""
        rows = [(each.sender, each.nonce, each.hash, each.raw) for each in entries]
        self._write("INSERT INTO unconfirmed VALUES (?, ?, ?, ?)", rows)

    def settle(self, hashes: Iterable[bytes]) -> None:
        """Strikes out what is final, or can never be; raises StoreUnavailable."""
        self._write("DELETE FROM unconfirmed WHERE hash = ?", [(each,) for each in hashes])

    def seen(self) -> tuple[int, bytes] | None:
        """Number and hash of the newest block that was agreed on."""
        with self._lock:
            row = self._db.execute("SELECT number, hash FROM seen").fetchone()
        return None if row is None else (row[0], row[1])

    def saw(self, number: int, digest: bytes) -> None:
        """Remembers the newest block; raises StoreUnavailable."""
        self._write("INSERT OR REPLACE INTO seen VALUES (1, ?, ?)", [(number, digest)])

    def _write(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        try:
            with self._lock, transaction(self._db):
                self._db.executemany(statement, rows)
        except sqlite3.Error as error:
            raise StoreUnavailable(file="sent", why=str(error)) from None
