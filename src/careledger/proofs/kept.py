"""The tree and the map of a log whose lines are on a disk: in memory are only hashes above them, some ten bytes a line.

Nothing that is read from the disk is believed: whatever stands below a hash that is known has to hash to it.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol
from weakref import WeakValueDictionary

from careledger.domain.errors import ProofRefused, StoreCorrupt
from careledger.proofs.merkle import Tree, path_from, range_root
from careledger.proofs.tag_map import (
    DEPTH,
    EMPTY,
    ROW,
    TAG,
    MapProof,
    bit_of,
    map_node,
    middle,
    parts,
    row_of,
    rows_hash,
)
from careledger.proofs.tiles import HEIGHT, WIDTH

MOST = 32
"""Tags that lie under one hash: fewer take more memory, more take longer to read and hash."""
MOST_READ = 4
"""Bundles that were read lately, of which all hashes are kept: the line's own and the one at the end, twice."""


class Lines(Protocol):
    """A log's lines where they are durable; what was appended stays as it is."""

    def size(self) -> int:
        """How many there are."""
        ...

    def entries(self, start: int, end: int) -> Sequence[bytes]:
        """Those from one number to before another, of 64 bytes each."""
        ...

    def tags(self, first: bytes, last: bytes, below: int) -> bytes:
        """Tags from one to another, both included, of lines below that number: tag and number in 8 bytes, one after the
        other in the order of tags. Derived from the lines, so it may be wrong where a disk is."""
        ...

    def remake_tags(self) -> None:
        """Makes that again from the lines, or changes nothing."""
        ...


class KeptTree:
    """The tree of a log: in memory is the root of every 256 entries, what is above them, and the last entries' part."""

    def __init__(self, entries: Callable[[int, int], Sequence[bytes]]) -> None:
        """An empty one; ``entries`` reads them, from one number to before another, once they were added here."""
        self._entries = entries
        self._above, self._last = Tree(), Tree()
        self._read: OrderedDict[int, Tree] = OrderedDict()

    @property
    def size(self) -> int:
        """The number of entries."""
        return WIDTH * self._above.size + self._last.size

    def extend(self, entries: Sequence[bytes]) -> None:
        """Adds entries in order."""
        at = 0
        while at < len(entries):
            some = entries[at : at + WIDTH - self._last.size]
            self._last.extend(some)
            at += len(some)
            if self._last.size == WIDTH:
                self._above.append_hash(self._last.root())
                self._last = Tree()

    def node(self, level: int, index: int) -> bytes:
        """The root of a complete subtree, as ``merkle.Nodes`` says; raises StoreCorrupt for other entries than were
        added."""
        if level >= HEIGHT:
            return self._above.node(level - HEIGHT, index)
        number, within = divmod(index, 1 << HEIGHT - level)
        return (self._last if number == self._above.size else self._bundle(number)).node(level, within)

    def root(self, size: int) -> bytes:
        """The root of the first ``size`` entries."""
        return range_root(self.node, 0, size)

    def path(self, index: int, size: int) -> list[bytes]:
        """The inclusion path of one entry in the tree of the first ``size`` entries."""
        return path_from(self.node, index, size)

    def _bundle(self, number: int) -> Tree:
        known = self._read.pop(number, None)
        if known is None:
            root = self._above.node(0, number)
            known = Tree(self._entries(WIDTH * number, WIDTH * (number + 1)))
            if known.size != WIDTH or known.root() != root:
                raise StoreCorrupt(why="lines of a release log are not those that were written")
        self._read[number] = known  # the last one is the last to go
        if len(self._read) > MOST_READ:
            self._read.popitem(last=False)
        return known


class _Branch:
    """Never changed after it was made."""

    __slots__ = ("hash", "left", "right")

    def __init__(self, left: _Node, right: _Node) -> None:
        self.left, self.right = left, right
        self.hash = map_node(_hash_of(left), _hash_of(right))


_Node = bytes | _Branch
"""The hash of rows that are on the disk, or a branch."""


def _hash_of(node: _Node) -> bytes:
    return node.hash if isinstance(node, _Branch) else node


def _node(rows: bytes, depth: int) -> _Node:
    """The subtree at that depth of rows that are sorted and share all bits before it: a branch if there are many."""
    if len(rows) <= MOST * ROW:
        return rows_hash(rows, depth)
    at = middle(rows, depth)
    return _Branch(_node(rows[:at], depth + 1), _node(rows[at:], depth + 1))


class KeptMap:
    """The map from tag to number of a log's lines (``tag_map``), whose rows are read where they are kept."""

    def __init__(self, lines: Lines) -> None:
        """The empty map."""
        self._lines = lines
        self._top: _Node = EMPTY
        self._read = EMPTY, b""
        self.size = 0

    def copy(self) -> KeptMap:
        """The map as it is now; later extensions of either do not change the other."""
        made = KeptMap(self._lines)
        made._top, made.size = self._top, self.size
        return made

    def extend(self, pairs: Iterable[tuple[bytes, int]]) -> None:
        """Adds the tags of the lines from number ``size`` on, which need not be kept yet; what was added before has to
        be. Raises ProofRefused for a tag that is there, MalformedBytes for one of another length, StoreCorrupt; and
        adds nothing then."""
        fresh = _joined(sorted(row_of(tag, number) for tag, number in pairs))
        self._top = self._grown(self._top, fresh, 0, 0)
        self.size += len(fresh) // ROW

    def root(self) -> bytes:
        """The map's root, 32 bytes; zeros for the empty map."""
        return _hash_of(self._top)

    def proof(self, tag: bytes) -> MapProof:
        """Presence or absence of a tag, as the map has it; raises StoreCorrupt."""
        above: list[bytes] = []
        node, prefix = self._top, 0
        while isinstance(node, _Branch):
            bit = bit_of(tag, len(above))
            above.append(_hash_of(node.left if bit else node.right))
            node, prefix = node.right if bit else node.left, prefix << 1 | bit
        rows = self._rows(node, len(above), prefix)
        while len(rows) > ROW:
            at, bit = middle(rows, len(above)), bit_of(tag, len(above))
            other, rows = (rows[:at], rows[at:]) if bit else (rows[at:], rows[:at])
            above.append(rows_hash(other, len(above) + 1))
        return MapProof(tuple(above), parts(rows) if rows else None)

    def lie_together(self) -> None:
        """From now on this map lies in memory once with those of this process that have the same root: a log's own and
        those of all who follow it."""
        known = _TOGETHER.setdefault(self.root(), self)
        top = known._top  # it may grow beside us: what does not have the root is another one by now
        if _hash_of(top) == self.root():
            self._top = top
        else:
            _TOGETHER[self.root()] = self

    def _grown(self, node: _Node, fresh: bytes, depth: int, prefix: int) -> _Node:
        if not fresh:
            return node
        if isinstance(node, _Branch):
            at = middle(fresh, depth)
            left = self._grown(node.left, fresh[:at], depth + 1, prefix << 1)
            return _Branch(left, self._grown(node.right, fresh[at:], depth + 1, prefix << 1 | 1))
        return _node(_united(self._rows(node, depth, prefix), fresh), depth)

    def _rows(self, node: bytes, depth: int, prefix: int) -> bytes:
        """The rows under a hash, as they are kept; made again from the lines if they are not those."""
        if node == self._read[0]:  # the last one again, at first the empty one
            return self._read[1]
        first, rest = prefix << DEPTH - depth, (1 << DEPTH - depth) - 1
        asked = first.to_bytes(TAG, "big"), (first | rest).to_bytes(TAG, "big"), self.size
        if rows_hash(rows := self._lines.tags(*asked), depth) != node:
            self._lines.remake_tags()
            if rows_hash(rows := self._lines.tags(*asked), depth) != node:
                raise StoreCorrupt(why="tags of a release log are not those of its lines")
        self._read = node, rows
        return rows


_TOGETHER: WeakValueDictionary[bytes, KeptMap] = WeakValueDictionary()
"""Maps by the root that they had."""


def _united(kept: bytes, fresh: bytes) -> bytes:
    """All rows in order; raises ProofRefused for a tag that is in both."""
    return _joined(sorted(some[at : at + ROW] for some in (kept, fresh) for at in range(0, len(some), ROW)))


def _joined(rows: Sequence[bytes]) -> bytes:
    """Rows that are in order, one after the other; raises ProofRefused for a tag that is there twice."""
    for row, following in itertools.pairwise(rows):
        if row[:TAG] == following[:TAG]:
            raise ProofRefused(why="a tag appears twice", leaf=parts(following)[1])
    return b"".join(rows)
