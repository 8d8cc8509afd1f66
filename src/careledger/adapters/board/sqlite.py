"""The board in one SQLite file; ``:memory:`` is the twin that forgets."""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from pathlib import Path

from careledger.adapters.custody.sqlite import CACHE, kept, opened
from careledger.domain.errors import MalformedBytes, StoreCorrupt

SCHEMA = """
CREATE TABLE IF NOT EXISTS packages (
    position INTEGER PRIMARY KEY AUTOINCREMENT, digest BLOB NOT NULL UNIQUE, package BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS keys (party TEXT PRIMARY KEY, sealing_key BLOB NOT NULL);
"""
SIZES = (4 * 1024, 16 * 1024, 64 * 1024)


class SqliteBoard:
    """Packages in the order of posting, one row each; a committed post survives kill -9."""

    def __init__(self, path: Path | None, new: bool = True) -> None:
        """Opens the file, made first where there is none and it may be ``new``; None keeps everything in memory. Raises
        StoreCorrupt if it is no such file, or lost."""
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._db = opened(":memory:") if path is None else kept(path, SCHEMA, new)
        try:
            self._prepare()
        except (StoreCorrupt, sqlite3.DatabaseError) as error:
            self._db.close()
            raise StoreCorrupt(why="not a board", file=path.name if path else "") from error

    def _prepare(self) -> None:
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute(f"PRAGMA cache_size={CACHE}")
        self._db.executescript(SCHEMA)

    def post(self, package: bytes) -> None:
        """Posts a package once; raises MalformedBytes unless it has one of the three sizes."""
        if len(package) not in SIZES:
            raise MalformedBytes(package_size=len(package))
        with self._lock:
            self._db.execute(
                "INSERT OR IGNORE INTO packages (digest, package) VALUES (?, ?)",
                (hashlib.sha256(package).digest(), package),
            )

    def has(self, package: bytes) -> bool:
        """Whether it was posted."""
        with self._lock:
            found = self._db.execute(
                "SELECT 1 FROM packages WHERE digest = ?", (hashlib.sha256(package).digest(),)
            ).fetchone()
        return found is not None

    def since(self, position: int, most: int | None = None) -> tuple[int, list[bytes]]:
        """The position reached and all packages after ``position``, or the first ``most``."""
        with self._lock:
            rows = self._db.execute(
                "SELECT position, package FROM packages WHERE position > ? ORDER BY position LIMIT ?",
                (position, -1 if most is None else most),
            ).fetchall()
        return (rows[-1][0] if rows else position), [row[1] for row in rows]

    def publish_key(self, party: int, sealing_key: bytes) -> None:
        """Publishes a party's public key; readers check it against the ledger's digest."""
        with self._lock:
            self._db.execute("INSERT OR REPLACE INTO keys VALUES (?, ?)", (f"{party:016x}", sealing_key))

    def sealing_key(self, party: int) -> bytes | None:
        """What was published last under that number."""
        with self._lock:
            row = self._db.execute(
                "SELECT sealing_key FROM keys WHERE party = ?", (f"{party:016x}",)
            ).fetchone()
        return None if row is None else bytes(row[0])

    def close(self) -> None:
        """Closes the file."""
        self._db.close()
