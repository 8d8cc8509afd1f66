"""Who needs which block: durable, in a small SQLite file beside the segments."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path

from careledger.domain.errors import StoreUnavailable
from careledger.formats.cids import Cid


class Pins:
    """Pairs of owner and CID; every change is durable when its call returns."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("PRAGMA secure_delete=ON")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS pins (owner TEXT, cid BLOB, PRIMARY KEY (owner, cid)) WITHOUT ROWID"
        )

    def add(self, owner: str, cids: Iterable[Cid]) -> None:
        """Adds pairs; those already there are fine."""
        self._change("INSERT OR IGNORE INTO pins VALUES (?, ?)", owner, cids)

    def drop(self, owner: str, cids: Iterable[Cid]) -> None:
        """Removes pairs; those not there are fine."""
        self._change("DELETE FROM pins WHERE owner = ? AND cid = ?", owner, cids)

    def all(self) -> list[Cid]:
        """Every CID that somebody pins, once."""
        return self._cids("SELECT DISTINCT cid FROM pins ORDER BY cid")

    def of(self, owner: str) -> list[Cid]:
        """What one owner pins."""
        return self._cids("SELECT cid FROM pins WHERE owner = ?", owner)

    def close(self) -> None:
        """Lets go of the file."""
        self._db.close()

    def _cids(self, question: str, *values: str) -> list[Cid]:
        try:
            return [row[0] for row in self._db.execute(question, values)]
        except sqlite3.Error as error:
            raise StoreUnavailable(why=type(error).__name__) from None

    def _change(self, statement: str, owner: str, cids: Iterable[Cid]) -> None:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.executemany(statement, [(owner, cid) for cid in cids])
                self._db.execute("COMMIT")
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise StoreUnavailable(why=type(error).__name__) from None
