"""Books in memory: the same promises for as long as the process lives."""

from __future__ import annotations

from collections.abc import Iterable


class MemoryBooks:
    """One actor's books in a dictionary."""

    def __init__(self) -> None:
        self._tables: dict[str, dict[bytes, bytes]] = {}

    def put(self, kind: str, rows: Iterable[tuple[bytes, bytes]]) -> None:
        """Writes or replaces rows."""
        self._tables.setdefault(kind, {}).update(rows)

    def get(self, kind: str, key: bytes) -> bytes | None:
        """The value, or None."""
        return self._tables.get(kind, {}).get(key)

    def rows(self, kind: str, prefix: bytes = b"", after: bytes = b"") -> list[tuple[bytes, bytes]]:
        """All rows of that kind whose keys begin so, by key, from the one after ``after`` on."""
        found = ((key, value) for key, value in self._tables.get(kind, {}).items() if key.startswith(prefix))
        return sorted(row for row in found if not after or row[0] > after)

    def keys(self, kind: str, after: bytes, most: int) -> list[bytes]:
        """The next keys of that kind in order, at most so many."""
        return sorted(key for key in self._tables.get(kind, {}) if key > after)[:most]

    def drop(self, kind: str, keys: Iterable[bytes]) -> None:
        """Removes rows."""
        for key in keys:
            self._tables.get(kind, {}).pop(key, None)
