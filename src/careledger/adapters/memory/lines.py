"""Lines of a release log in memory, for tests: told to, what is derived from them is wrong, or they are."""

from __future__ import annotations

from collections.abc import Iterable

from careledger.proofs.tag_map import TAG, row_of


class MemoryLines:
    """As a custodian's journal keeps them; ``all`` are the lines, ``rows`` their tags with numbers by tag."""

    def __init__(self, entries: Iterable[bytes] = ()) -> None:
        self.all: list[bytes] = []
        self.rows: dict[bytes, int] = {}
        self.remade = 0
        self.add(entries)

    def add(self, entries: Iterable[bytes]) -> None:
        """These are durable from now on."""
        for entry in entries:
            self.rows[entry[:TAG]] = len(self.all)
            self.all.append(entry)

    def size(self) -> int:
        """How many there are."""
        return len(self.all)

    def entries(self, start: int, end: int) -> list[bytes]:
        """Those from one number to before another."""
        return self.all[start:end]

    def tags(self, first: bytes, last: bytes, below: int) -> bytes:
        """Tags in that range of lines below that number, in order."""
        found = sorted(tag for tag, number in self.rows.items() if first <= tag <= last and number < below)
        return b"".join(row_of(tag, self.rows[tag]) for tag in found)

    def remake_tags(self) -> None:
        """From the lines."""
        self.remade += 1
        self.rows = {entry[:TAG]: number for number, entry in enumerate(self.all)}
