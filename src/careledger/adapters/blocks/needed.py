"""Which blocks are needed: as many as there are, and none of them in memory.

They lie in a temporary file of SQLite's, which has no name and ends with the process. It holds names of blocks and
nothing else, and takes some 50 bytes for each.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Self

from careledger.adapters.blocks.reports import links_in
from careledger.adapters.custody.sqlite import CACHE, opened
from careledger.domain.errors import StoreUnavailable
from careledger.formats.cids import DAG_CBOR, Cid, codec_of

AT_ONCE = 1_000
NOTHING = bytes(4)
"""Before a digest that no CID names."""
SCHEMA = "CREATE TABLE needed (digest BLOB, prefix BLOB, PRIMARY KEY (digest, prefix)) WITHOUT ROWID"


class Needed:
    """CIDs, and the digests in them. ``unreadable``: the index blocks among them that cannot be read, so that it is not
    known what else is needed."""

    def __init__(self) -> None:
        self.unreadable: list[Cid] = []
        self._db = opened("")
        self._ask = self._db.cursor().execute
        with _told():
            self._db.execute("PRAGMA journal_mode=OFF")
            self._db.execute(f"PRAGMA cache_size={4 * CACHE}")
            self._db.execute(SCHEMA)

    def add(self, cids: Iterable[Cid], get: Callable[[Cid], bytes]) -> None:
        """These and what they link to; raises StoreUnavailable, and what ``get`` raises but that a block is not there
        or another."""
        raw: list[Cid] = []
        for cid in cids:
            if codec_of(cid) == DAG_CBOR:
                self._follow(cid, get)
                continue
            raw.append(cid)
            if len(raw) == AT_ONCE:
                self._put(raw)
                raw.clear()
        self._put(raw)

    def digests(self, digests: Iterable[bytes]) -> None:
        """Blocks of these digests, whatever names them; raises StoreUnavailable."""
        self._put(NOTHING + each for each in digests)

    def __contains__(self, digest: object) -> bool:
        try:
            return (
                self._ask("SELECT 1 FROM needed WHERE digest = ? LIMIT 1", (digest,)).fetchone() is not None
            )
        except sqlite3.Error as error:
            raise _unavailable(error) from None

    def __iter__(self) -> Iterator[Cid]:
        """Every CID once, by its digest."""
        with _told():
            for digest, prefix in self._db.execute(
                "SELECT digest, prefix FROM needed ORDER BY digest, prefix"
            ):
                if prefix != NOTHING:
                    yield prefix + digest

    def close(self) -> None:
        """The file is gone."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _follow(self, cid: Cid, get: Callable[[Cid], bytes]) -> None:
        """An index block and all below it, unless that was done."""
        waiting = [cid]
        while waiting:
            below = waiting.pop()
            if not self._put([below]):
                continue
            if (links := links_in(below, get)) is None:
                self.unreadable.append(below)
            else:
                self._put(each for each in links if codec_of(each) != DAG_CBOR)
                waiting += [each for each in links if codec_of(each) == DAG_CBOR]

    def _put(self, cids: Iterable[bytes]) -> int:
        """How many of them were not there before."""
        rows = sorted((cid[4:], cid[:4]) for cid in cids)
        with _told():
            return self._db.executemany("INSERT OR IGNORE INTO needed VALUES (?, ?)", rows).rowcount


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise _unavailable(error) from None


def _unavailable(error: sqlite3.Error) -> StoreUnavailable:
    return StoreUnavailable(why=type(error).__name__, where="a temporary file")
