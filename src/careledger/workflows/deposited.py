"""What a depositor has deposited before for one alias, looked up by record.

An alias's author's copies stand in the books in the order in which they were made, and none is ever made before the
last. So a process reads each of them once while it writes: what it read stays in memory for a while, and the next
deposit reads what came after.
"""

from __future__ import annotations

import time
from collections import OrderedDict, defaultdict
from typing import NamedTuple
from weakref import WeakKeyDictionary

from careledger.formats.charts import AuthorsCopies
from careledger.ports import Books

COPIES = "authors-copies"
UNDONE = "undone-deposit"
MOST_IN_MEMORY = 16_384
"""Versions and aliases, half a KiB each."""
LONGEST = 20 * 60.0
"""Seconds for which an alias that nobody writes for is remembered."""


def copies_of(books: Books, alias: bytes | None = None) -> list[AuthorsCopies]:
    """A depositor's author's copies, of one alias or of all."""
    return [AuthorsCopies.decode(row) for _, row in books.rows(COPIES, alias or b"")]


def undone_at(books: Books, deposit: bytes) -> int | None:
    """When that deposit was undone in unix seconds, 0 if that was not kept, None if it stands."""
    row = books.get(UNDONE, deposit)
    return None if row is None else int.from_bytes(row, "big")


class Copied(NamedTuple):
    """One version that was deposited, and in which deposit; never printed."""

    deposit: bytes
    handle: bytes
    compartment: int
    content_tag: bytes

    def __repr__(self) -> str:
        return "<copied>"


class Before:
    """All that was deposited for one alias; ``made`` is the latest deposit's (unix seconds), -1 without any."""

    def __init__(self) -> None:
        self.made, self.count = -1, 0
        self._last = b""
        self._by_record: dict[bytes, list[Copied]] = defaultdict(list)

    def of(self, record_id: bytes) -> list[Copied]:
        """The versions of one record, in the order in which they were deposited."""
        return self._by_record.get(record_id, [])

    def read_on(self, books: Books, alias: bytes) -> None:
        """Takes in what stands in the books after what was read."""
        for key, row in books.rows(COPIES, alias, self._last):
            copies = AuthorsCopies.decode(row)
            for copy in copies.rows():
                made = Copied(copies.id, copy.handle, copy.compartment, copy.content_tag)
                self._by_record[copy.record_id].append(made)
                self.count += 1
            self.made, self._last = copies.made, key


class _InMemory:
    """What was read of one actor's books; what was asked for longest ago goes first. An alias weighs as a version."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, tuple[Before, float]] = OrderedDict()
        self._weight = 0

    def of(self, books: Books, alias: bytes) -> Before:
        """What stands in the books of that alias now."""
        before, now = self._forget(alias) or Before(), time.monotonic()
        before.read_on(books, alias)
        self._known[alias] = before, now
        self._weight += before.count + 1
        while len(self._known) > 1 and (self._weight > MOST_IN_MEMORY or self._oldest < now - LONGEST):
            self._forget(next(iter(self._known)))
        return before

    @property
    def _oldest(self) -> float:
        return next(iter(self._known.values()))[1]

    def _forget(self, alias: bytes) -> Before | None:
        found = self._known.pop(alias, None)
        if found is None:
            return None
        self._weight -= found[0].count + 1
        return found[0]


_IN_MEMORY: WeakKeyDictionary[Books, _InMemory] = WeakKeyDictionary()


def deposited_before(books: Books, alias: bytes) -> Before:
    """What stands in the books of one alias, complete when it returns."""
    return _IN_MEMORY.setdefault(books, _InMemory()).of(books, alias)
