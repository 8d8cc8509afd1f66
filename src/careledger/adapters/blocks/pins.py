"""Who needs which block: durable, in a small SQLite file beside the segments.

What an owner pins at once is one row, its CIDs joined, so that the file only grows at its end.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from careledger.adapters.custody.sqlite import CACHE, opened
from careledger.domain.errors import StoreCorrupt, StoreUnavailable
from careledger.formats.cids import SIZE, Cid

SCHEMA = """
CREATE TABLE IF NOT EXISTS pins (
    number INTEGER PRIMARY KEY, owner TEXT NOT NULL, digest BLOB NOT NULL, cids BLOB NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS pins_owner ON pins (owner, digest);
"""


class Pins:
    """Pairs of owner and CID; every change is durable when its call returns."""

    def __init__(self, path: Path, new: bool = True) -> None:
        """``new``: whether it may be that nothing was ever pinned. Raises StoreCorrupt where it may not and the file is
        lost: made anew it would say that nobody needs any block."""
        if not (new or path.exists()):
            raise StoreCorrupt(missing=path.name)
        self._db = opened(path)
        if not (new or self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'pins'").fetchone()):
            self._db.close()
            raise StoreCorrupt(empty=path.name)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("PRAGMA secure_delete=ON")
        self._db.execute(f"PRAGMA cache_size={CACHE}")
        self._db.executescript(SCHEMA)

    def add(self, owner: str, cids: Iterable[Cid]) -> None:
        """Adds pairs; those already there are fine."""
        with self._changing():
            self._put(owner, b"".join(cids))

    def drop(self, owner: str, cids: Iterable[Cid]) -> None:
        """Removes pairs; those not there are fine."""
        gone = frozenset(cids)
        with self._changing():
            for number, joined in self._db.execute(
                "SELECT number, cids FROM pins WHERE owner = ?", (owner,)
            ).fetchall():
                left = [cid for cid in _split(joined) if cid not in gone]
                if SIZE * len(left) != len(joined):
                    self._db.execute("DELETE FROM pins WHERE number = ?", (number,))
                    self._put(owner, b"".join(left))

    def all(self) -> Iterator[Cid]:
        """Every CID that somebody pins, as often as somebody does; nothing is to be changed meanwhile."""
        with _told():
            for (joined,) in self._db.execute("SELECT cids FROM pins"):
                yield from _split(joined)

    def of(self, owner: str) -> list[Cid]:
        """What one owner pins, each once."""
        with _told():
            found = self._db.execute("SELECT cids FROM pins WHERE owner = ?", (owner,)).fetchall()
        return sorted({cid for (joined,) in found for cid in _split(joined)})

    def close(self) -> None:
        """Lets go of the file."""
        self._db.close()

    def _put(self, owner: str, joined: bytes) -> None:
        if joined:
            row = (owner, hashlib.sha256(joined).digest(), joined)
            self._db.execute("INSERT OR IGNORE INTO pins (owner, digest, cids) VALUES (?, ?, ?)", row)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with _told():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                self._db.execute("ROLLBACK")
                raise


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StoreUnavailable(why=type(error).__name__) from None


def _split(joined: bytes) -> list[Cid]:
    return [joined[at : at + SIZE] for at in range(0, len(joined), SIZE)]
