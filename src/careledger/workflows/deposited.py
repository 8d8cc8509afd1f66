"""What a depositor has deposited before for one alias, looked up by record.

An alias's author's copies stand in the books in the order in which they were made, and none is ever made before the
last. So a process reads each of them once: what it read stays in memory, and the next deposit reads what came after.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from typing import NamedTuple
from weakref import WeakKeyDictionary

from careledger.formats.charts import AuthorsCopies
from careledger.ports import Books

COPIES = "authors-copies"
UNDONE = "undone-deposit"
MOST_IN_MEMORY = 16_384
"""Versions and aliases, half a KiB each."""


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
        self._known: OrderedDict[bytes, Before] = OrderedDict()
        self._weight = 0

    def of(self, books: Books, alias: bytes) -> Before:
        """What stands in the books of that alias now."""
        before = self._known.pop(alias, None)
        if before is None:
            before = Before()
        else:
            self._weight -= before.count + 1
        before.read_on(books, alias)
        self._known[alias] = before
        self._weight += before.count + 1
        while self._weight > MOST_IN_MEMORY and len(self._known) > 1:
            self._weight -= self._known.popitem(last=False)[1].count + 1
        return before


_IN_MEMORY: WeakKeyDictionary[Books, _InMemory] = WeakKeyDictionary()


def deposited_before(books: Books, alias: bytes) -> Before:
    """What stands in the books of one alias, complete when it returns."""
    return _IN_MEMORY.setdefault(books, _InMemory()).of(books, alias)
