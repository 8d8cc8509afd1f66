"""A run of neighbouring entries under one RFC 9162 root: one proof for all of them, and each one's path out of it.

The proof of the entries ``first`` to ``first + count − 1`` of a tree are the roots of the largest subtrees of the
tree's own division that hold none of them, from left to right.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Sequence

from careledger.domain.errors import ProofRefused
from careledger.proofs.merkle import MOST_PATH, Nodes, node_hash, range_root, split_size

_sha256 = hashlib.sha256


def folded(hashes: Sequence[bytes]) -> bytes:
    """The root over at least one leaf hash; quicker than ``merkle.root`` for what is at hand as a whole."""
    level = list(hashes)
    while len(level) > 1:
        odd = level[len(level) & ~1 :]
        level = [_sha256(b"\x01" + left + right).digest() for left, right in zip(level[::2], level[1::2])]  # noqa: B905
        level += odd
    return level[0]


def folded_columns(columns: Sequence[Sequence[bytes]]) -> list[bytes]:
    """``folded`` of many lists of one length at once; column i holds the i-th leaf hash of each of them."""
    level = [list(column) for column in columns]
    while len(level) > 1:
        odd = level[len(level) & ~1 :]
        pairs = zip(level[::2], level[1::2])  # noqa: B905
        level = [
            [_sha256(b"\x01" + left + right).digest() for left, right in zip(lefts, rights, strict=True)]
            for lefts, rights in pairs
        ]
        level += odd
    return level[0]


def leaf_hashes(entries: Sequence[bytes]) -> list[bytes]:
    """The leaf hashes of entries."""
    return [_sha256(b"\x00" + entry).digest() for entry in entries]


def outside(nodes: Nodes, first: int, count: int, size: int) -> tuple[bytes, ...]:
    """The proof of a run; raises ProofRefused if it is empty or not within the tree."""
    _check_within(first, count, size)
    end = first + count

    def walk(low: int, high: int) -> Iterator[bytes]:
        if high <= first or low >= end:
            yield range_root(nodes, low, high)
        elif low < first or high > end:
            middle = low + split_size(high - low)
            yield from walk(low, middle)
            yield from walk(middle, high)

    return tuple(walk(0, size))


class Run:
    """Known neighbouring entries of a tree; ``root`` is what they and the proof lead to."""

    def __init__(self, size: int, first: int, hashes: Sequence[bytes], proof: Sequence[bytes]) -> None:
        """``hashes`` are the run's leaf hashes. Raises ProofRefused for a proof of another form."""
        _check_within(first, len(hashes), size)
        if len(proof) > 2 * MOST_PATH or any(len(node) != 32 for node in (*proof, *hashes)):
            raise ProofRefused(why="form")
        self._size, self._first, self._hashes = size, first, hashes
        self._end = first + len(hashes)
        self._known: dict[tuple[int, int], bytes] = {}
        left = iter(proof)
        self.root = self._given(0, size, left)
        if next(left, None) is not None:
            raise ProofRefused(why="proof too long")

    def check(self, root: bytes) -> None:
        """Raises ProofRefused unless the run stands under this root."""
        if not hmac.compare_digest(self.root, root):
            raise ProofRefused(why="another root")

    def path(self, index: int) -> tuple[bytes, ...]:
        """The inclusion path of one entry of the run, leaf upwards; raises ProofRefused for another's."""
        if not self._first <= index < self._end:
            raise ProofRefused(why="no such leaf", index=index, size=self._size)
        path, known = [], self._known
        low, high = 0, self._size
        while high - low > 1:
            middle = low + (1 << (high - low - 1).bit_length() - 1)
            if index < middle:
                beside, high = (middle, high), middle
            else:
                beside, low = (low, middle), middle
            path.append(known.get(beside) or self._root(*beside))
        return tuple(path[::-1])

    def _given(self, low: int, high: int, proof: Iterator[bytes]) -> bytes:
        if high <= self._first or low >= self._end:
            made = next(proof, None)
            if made is None:
                raise ProofRefused(why="proof too short")
        elif self._first <= low and high <= self._end:
            return self._root(low, high)
        else:
            middle = low + split_size(high - low)
            made = node_hash(self._given(low, middle, proof), self._given(middle, high, proof))
        self._known[low, high] = made
        return made

    def _root(self, low: int, high: int) -> bytes:
        """A subtree of the tree's division: remembered, or made from entries of the run."""
        known = self._known.get((low, high))
        if known is None:
            known = folded(self._hashes[low - self._first : high - self._first])
            self._known[low, high] = known
        return known


def _check_within(first: int, count: int, size: int) -> None:
    if not 0 <= first < first + count <= size < 1 << 63:
        raise ProofRefused(why="not within the tree", first=first, count=count, size=size)
