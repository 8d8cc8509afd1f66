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

    def rows(self, kind: str, prefix: bytes = b"") -> list[tuple[bytes, bytes]]:
        """All rows of that kind whose keys begin so, by key."""
        return sorted(row for row in self._tables.get(kind, {}).items() if row[0].startswith(prefix))

    def drop(self, kind: str, keys: Iterable[bytes]) -> None:
        """Removes rows."""
        for key in keys:
            self._tables.get(kind, {}).pop(key, None)
