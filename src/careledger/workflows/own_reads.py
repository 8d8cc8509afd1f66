"""An organisation's own log of what its posts were shown: lines are added and never changed, each names the one before.

Order of effects: the lines and where the log ends, durable in one step; then the answer that they speak of. A crash
between the two leaves lines about what nobody was shown: too much is said, never too little.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from careledger.domain.errors import StoreCorrupt
from careledger.formats.digests import uint
from careledger.formats.own_reads import OwnRead, OwnReadsEnd
from careledger.ports import Books

LINES, END = "own-read", "own-reads-end"
FIRST = OwnReadsEnd(0, bytes(32))


def append(books: Books, lines: Sequence[OwnRead]) -> None:
    """Adds lines in that order, whatever ``before`` they state; durable when it returns."""
    with books.alone():
        end, rows = end_of(books), []
        for line in lines:
            made = replace(line, before=end.last)
            rows.append((uint(end.count), made.encode()))
            end = OwnReadsEnd(end.count + 1, made.digest())
        books.put(LINES, [*rows, (END.encode(), end.encode())])


def end_of(books: Books) -> OwnReadsEnd:
    """Where the log ends."""
    row = books.get(LINES, END.encode())
    return FIRST if row is None else OwnReadsEnd.decode(row)


def lines_before(books: Books, number: int) -> Iterator[tuple[int, OwnRead]]:
    """The lines before that number with theirs, the newest first; raises StoreCorrupt for one that is missing."""
    for at in range(min(number, end_of(books).count) - 1, -1, -1):
        yield at, line(books, at)


def line(books: Books, number: int) -> OwnRead:
    """One line; raises StoreCorrupt."""
    row = books.get(LINES, uint(number))
    if row is None:
        raise StoreCorrupt(missing=LINES, number=number)
    return OwnRead.decode(row)


def check(books: Books) -> int:
    """Goes through the whole log; returns how many lines there are. Raises StoreCorrupt where one is missing, was
    changed, or was put in."""
    end, before = end_of(books), bytes(32)
    for number in range(end.count):
        found = line(books, number)
        if found.before != before:
            raise StoreCorrupt(what=LINES, number=number)
        before = found.digest()
    if before != end.last or books.get(LINES, uint(end.count)) is not None:
        raise StoreCorrupt(what=LINES, number=end.count)
    return end.count
