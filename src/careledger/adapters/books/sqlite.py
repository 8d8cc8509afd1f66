"""Books in one SQLite file. Values are AES-256-GCM under the actor's key, bound to kind and key."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from careledger.adapters.custody.sqlite import emptied, kept, transaction
from careledger.domain.errors import StoreCorrupt
from careledger.formats.digests import framed

NONCE = 12
# With rowids, so that names lie apart from values: to compare two names SQLite would read both rows whole.
SCHEMA = (
    "CREATE TABLE IF NOT EXISTS books (kind TEXT, key BLOB, value BLOB NOT NULL, PRIMARY KEY (kind, key))"
)
MOST_KEY = 256
LAST = b"\xff" * MOST_KEY  # no key that begins with a prefix stands after the prefix and these


class SqliteBooks:
    """One actor's books. A committed put survives kill -9 (WAL, synchronous=FULL)."""

    def __init__(self, path: Path, key: bytes, new: bool = True) -> None:
        """Opens the file, made first (mode 0600) where there is none and it may be ``new``; key is 32 bytes.

        Raises StoreCorrupt where it may not.
        """
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._cipher = AESGCM(key)
        self._lock = threading.RLock()
        self._wipes = False
        self._db = kept(path, SCHEMA, new)

    def put(self, kind: str, rows: Iterable[tuple[bytes, bytes]]) -> None:
        """Writes or replaces rows; all durable when it returns, or none."""
        self.change({kind: list(rows)}, {})

    def get(self, kind: str, key: bytes) -> bytes | None:
        """The value, or None; raises StoreCorrupt if the row is not what was written under this key."""
        with self._lock:
            row = self._db.execute(
                "SELECT value FROM books WHERE kind = ? AND key = ?", (kind, key)
            ).fetchone()
        return None if row is None else self._open(kind, key, row[0])

    def rows(self, kind: str, prefix: bytes = b"", after: bytes = b"") -> list[tuple[bytes, bytes]]:
        """All rows of that kind whose keys begin so, by key, from the one after ``after`` on; raises StoreCorrupt."""
        first = max(prefix, after + b"\0") if after else prefix
        with self._lock:
            found = self._db.execute(
                "SELECT key, value FROM books WHERE kind = ? AND key >= ? AND key < ? ORDER BY key",
                (kind, first, prefix + LAST),
            ).fetchall()
        return [(key, self._open(kind, key, value)) for key, value in found]

    def keys(self, kind: str, after: bytes, most: int) -> list[bytes]:
        """The next keys of that kind in order, at most so many."""
        with self._lock:
            found = self._db.execute(
                "SELECT key FROM books WHERE kind = ? AND key > ? ORDER BY key LIMIT ?", (kind, after, most)
            ).fetchall()
        return [key for (key,) in found]

    def drop(self, kind: str, keys: Iterable[bytes]) -> None:
        """Removes rows; durable when it returns, and overwritten in the file and in its log.

        Whoever reads the file meanwhile, as a backup does for minutes, is not waited for: the first step after that
        overwrites it in the log.
        """
        with self.alone():
            self.change({}, {kind: list(keys)})
            self._wipes = True

    def change(
        self,
        written: Mapping[str, Sequence[tuple[bytes, bytes]]],
        dropped: Mapping[str, Sequence[bytes]],
    ) -> None:
        """Writes rows of several kinds and removes others at once: all durable when it returns, or nothing.

        What is removed is overwritten in the file's log with the next ``drop``.
        """
        sealed = [
            (kind, key, self._seal(kind, key, value)) for kind, rows in written.items() for key, value in rows
        ]
        gone = [(kind, key) for kind, keys in dropped.items() for key in keys]
        with self._lock, transaction(self._db):
            self._db.executemany("INSERT OR REPLACE INTO books VALUES (?, ?, ?)", sealed)
            self._db.executemany("DELETE FROM books WHERE kind = ? AND key = ?", gone)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """One step of reads and writes, as the port says; what ``drop`` removed inside is overwritten at its end."""
        with self._lock:
            if self._db.in_transaction:
                yield
                return
            with transaction(self._db):
                yield
            if self._wipes:
                self._wipes = not emptied(self._db)

    def close(self) -> None:
        """Closes the file."""
        self._db.close()

    def _seal(self, kind: str, key: bytes, value: bytes) -> bytes:
        nonce = secrets.token_bytes(NONCE)
        return nonce + self._cipher.encrypt(nonce, value, framed("books", kind.encode(), key))

    def _open(self, kind: str, key: bytes, sealed: bytes) -> bytes:
        try:
            return self._cipher.decrypt(sealed[:NONCE], sealed[NONCE:], framed("books", kind.encode(), key))
        except (InvalidTag, ValueError):
            raise StoreCorrupt(kind=kind) from None
