"""Lines of release logs as a journal keeps them: a custodian's own, and those of others that it follows.

Where a tag stands is kept beside the lines, by the order of tags, in the same transactions. It is derived from them: a
journal that lacks it, or in which it is wrong, gets it anew.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from careledger.adapters.custody import sqlite

TAG, _NUMBER = 32, 8
TAGS = """CREATE TABLE tags (
    log BLOB, tag BLOB, number INTEGER NOT NULL, PRIMARY KEY (log, tag)) WITHOUT ROWID;
"""


class OwnLines:
    """This custodian's own log."""

    LOG = b""
    """Its name among the tags; others go by their numbers."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def size(self) -> int:
        """How many there are."""
        return _after(self._db.execute("SELECT MAX(number) FROM lines"))

    def entries(self, start: int, end: int) -> list[bytes]:
        """Those of 64 bytes from number ``start`` to before ``end``, in order."""
        rows = self._db.execute(
            "SELECT entry FROM lines WHERE number >= ? AND number < ? ORDER BY number", (start, end)
        )
        return [row[0] for row in rows]

    def tags(self, first: bytes, last: bytes, below: int) -> bytes:
        """Tags from ``first`` to ``last`` of lines below that number, each with its number in 8 bytes, in order."""
        return _tags(self._db, self.LOG, first, last, below)

    def remake_tags(self) -> None:
        """From the lines."""
        with sqlite.transaction(self._db):
            self._db.execute("DELETE FROM tags WHERE log = ?", (self.LOG,))
            self._db.execute(
                "INSERT OR REPLACE INTO tags SELECT ?, substr(entry, 1, ?), number FROM lines ORDER BY 2",
                (self.LOG, TAG),
            )


class FollowedLines:
    """The accepted lines of another custodian's log, which goes by its number as a column has it."""

    def __init__(self, db: sqlite3.Connection, log: bytes) -> None:
        self._db, self._log = db, log

    def size(self) -> int:
        """How many there are."""
        return _after(self._db.execute("SELECT MAX(number) FROM followed WHERE custodian = ?", (self._log,)))

    def entries(self, start: int, end: int) -> list[bytes]:
        """Those of 64 bytes from number ``start`` to before ``end``, in order."""
        rows = self._db.execute(
            "SELECT entry FROM followed WHERE custodian = ? AND number >= ? AND number < ? ORDER BY number",
            (self._log, start, end),
        )
        return [row[0] for row in rows]

    def tags(self, first: bytes, last: bytes, below: int) -> bytes:
        """Tags from ``first`` to ``last`` of lines below that number, each with its number in 8 bytes, in order."""
        return _tags(self._db, self._log, first, last, below)

    def remake_tags(self) -> None:
        """From the lines."""
        with sqlite.transaction(self._db):
            self._db.execute("DELETE FROM tags WHERE log = ?", (self._log,))
            self._db.execute(
                "INSERT OR REPLACE INTO tags"
                " SELECT custodian, substr(entry, 1, ?), number FROM followed WHERE custodian = ? ORDER BY 2",
                (TAG, self._log),
            )


def have_tags(db: sqlite3.Connection) -> None:
    """Journals of before have no such table. An empty one is filled when it is first found wrong."""
    if db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'tags'").fetchone() is None:
        db.execute(TAGS)


def add_tags(db: sqlite3.Connection, log: bytes, start: int, entries: Sequence[bytes]) -> None:
    """Where the tags of these lines are, the first of which has number ``start``; inside their transaction."""
    db.executemany(
        "INSERT OR REPLACE INTO tags VALUES (?, ?, ?)",
        ((log, entry[:TAG], at) for at, entry in enumerate(entries, start)),
    )


def _after(found: sqlite3.Cursor) -> int:
    last = found.fetchone()[0]
    return 0 if last is None else int(last) + 1


def _tags(db: sqlite3.Connection, log: bytes, first: bytes, last: bytes, below: int) -> bytes:
    """What is no tag or no number, because a disk altered it, is left out, so that it is missed."""
    rows = db.execute(
        "SELECT tag, number FROM tags WHERE log = ? AND tag BETWEEN ? AND ? AND number >= 0 AND number < ?"
        " AND length(tag) = ? AND typeof(number) = 'integer' ORDER BY tag",
        (log, first, last, below, TAG),
    )
    return b"".join(tag + number.to_bytes(_NUMBER, "big") for tag, number in rows)
