"""Books in memory: the same promises for as long as the process lives."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager


class MemoryBooks:
    """One actor's books in a dictionary."""

    def __init__(self) -> None:
        self._tables: dict[str, dict[bytes, bytes]] = {}
        self._lock = threading.RLock()
        self._before: list[tuple[str, bytes, bytes | None]] | None = None
        """Inside ``alone`` what stood before each row that was written or removed."""

    def put(self, kind: str, rows: Iterable[tuple[bytes, bytes]]) -> None:
        """Writes or replaces rows."""
        with self._lock:
            for key, value in list(rows):
                self._note(kind, key)
                self._tables.setdefault(kind, {})[key] = value

    def get(self, kind: str, key: bytes) -> bytes | None:
        """The value, or None."""
        with self._lock:
            return self._tables.get(kind, {}).get(key)

    def rows(self, kind: str, prefix: bytes = b"", after: bytes = b"") -> list[tuple[bytes, bytes]]:
        """All rows of that kind whose keys begin so, by key, from the one after ``after`` on."""
        with self._lock:
            found = [row for row in self._tables.get(kind, {}).items() if row[0].startswith(prefix)]
        return sorted(row for row in found if not after or row[0] > after)

    def keys(self, kind: str, after: bytes, most: int) -> list[bytes]:
        """The next keys of that kind in order, at most so many."""
        with self._lock:
            return sorted(key for key in self._tables.get(kind, {}) if key > after)[:most]

    def drop(self, kind: str, keys: Iterable[bytes]) -> None:
        """Removes rows."""
        with self._lock:
            for key in keys:
                self._note(kind, key)
                self._tables.get(kind, {}).pop(key, None)

    def change(
        self,
        written: Mapping[str, Sequence[tuple[bytes, bytes]]],
        dropped: Mapping[str, Sequence[bytes]],
    ) -> None:
        """Writes and removes rows of several kinds."""
        with self.alone():
            for kind, rows in written.items():
                self.put(kind, rows)
            for kind, keys in dropped.items():
                self.drop(kind, keys)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """One step of reads and writes, as the port says."""
        with self._lock:
            if self._before is not None:
                yield
                return
            before: list[tuple[str, bytes, bytes | None]] = []
            self._before = before
            try:
                yield
            except BaseException:
                for kind, key, value in reversed(before):
                    self._put_back(kind, key, value)
                raise
            finally:
                self._before = None

    def _note(self, kind: str, key: bytes) -> None:
        if self._before is not None:
            self._before.append((kind, key, self._tables.get(kind, {}).get(key)))

    def _put_back(self, kind: str, key: bytes, value: bytes | None) -> None:
        if value is None:
            self._tables.get(kind, {}).pop(key, None)
        else:
            self._tables.setdefault(kind, {})[key] = value
