"""The committed map from tag to leaf number: a Merkle trie over the bits of 256-bit tags.

A subtree without tags is 32 zero bytes, a subtree with one tag is ``H("map-leaf", tag, uint64 number)`` wherever
it stands, any other is ``H("map-node", left, right)``, left for bit 0; bits from the most significant on. So the
root depends on the set of (tag, number) alone, and proofs have about log₂ n siblings.
"""

from __future__ import annotations

import bisect
import hashlib
import hmac
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from careledger.domain.errors import MalformedBytes, ProofRefused
from careledger.formats.digests import framed, uint

EMPTY = bytes(32)
TAG, DEPTH = 32, 256
ROW = TAG + 8
MOST = 8
"""Rows that lie in one bucket: as branches of their own, tags would take three times as much memory."""
_Bucket = bytes
"""Tags with their numbers in 8 bytes each, in the order of tags; hashed when it is asked for."""


class _Branch:
    """Never changed after it was made; its hash is computed when first asked for."""

    __slots__ = ("_hash", "left", "right")

    def __init__(self, left: _Node, right: _Node) -> None:
        self.left, self.right = left, right
        self._hash: bytes | None = None

    def side(self, bit: int) -> _Node:
        """The left one for 0."""
        return self.right if bit else self.left

    def hash(self, depth: int) -> bytes:
        if self._hash is None:
            self._hash = map_node(_hash_of(self.left, depth + 1), _hash_of(self.right, depth + 1))
        return self._hash


_Node = _Bucket | _Branch


def map_leaf(tag: bytes, number: int) -> bytes:
    """``H("map-leaf", tag, uint64 number)`` of a tag of 32 bytes."""
    return _leaf_of(tag + uint(number))


def map_node(left: bytes, right: bytes) -> bytes:
    """``H("map-node", left, right)`` of hashes of 32 bytes."""
    return hashlib.sha256(_NODE + left + _OF_32 + right).digest()


# What ``H`` puts before each field, made once: a log that grows by a line hashes fifty times.
_OF_32, _OF_8 = uint(TAG, 4), uint(8, 4)
_NODE, _LEAF = framed("map-node") + _OF_32, framed("map-leaf") + _OF_32


def _leaf_of(row: bytes) -> bytes:
    return hashlib.sha256(_LEAF + row[:TAG] + _OF_8 + row[TAG:]).digest()


def _hash_of(node: _Node, depth: int) -> bytes:
    """The hash of the subtree at that depth."""
    return node.hash(depth) if isinstance(node, _Branch) else rows_hash(node, depth)


def rows_hash(rows: bytes, depth: int) -> bytes:
    """The hash of the subtree at that depth of rows that are sorted and share all bits before it."""
    if not rows:
        return EMPTY
    if len(rows) == ROW:
        return _leaf_of(rows)
    at = middle(rows, depth)
    return map_node(rows_hash(rows[:at], depth + 1), rows_hash(rows[at:], depth + 1))


def middle(rows: bytes, depth: int) -> int:
    """Where the first row with a 1 at that depth begins; all are alike before it."""
    byte, shift = depth >> 3, 7 - (depth & 7)
    starts = range(0, len(rows), ROW)
    return ROW * bisect.bisect_left(starts, 1, key=lambda at: rows[at + byte] >> shift & 1)


def _node(rows: bytes, depth: int) -> _Node:
    """The subtree at that depth of rows that are sorted and share all bits before it."""
    if len(rows) <= MOST * ROW:
        return rows
    at = middle(rows, depth)
    return _Branch(_node(rows[:at], depth + 1), _node(rows[at:], depth + 1))


def row_of(tag: bytes, number: int) -> bytes:
    """A tag of 32 bytes and its number; raises MalformedBytes for another length."""
    if len(tag) != TAG:
        raise MalformedBytes(why="a tag has 32 bytes")
    return tag + uint(number)


def parts(row: bytes) -> tuple[bytes, int]:
    """Tag and number."""
    return row[:TAG], int.from_bytes(row[TAG:], "big")


def bit_of(tag: bytes, depth: int) -> int:
    """The bit of a tag that a branch at that depth goes by."""
    return tag[depth >> 3] >> (7 - (depth & 7)) & 1


def _branch(bit: int, inner: _Node, other: _Node) -> _Branch:
    return _Branch(other, inner) if bit else _Branch(inner, other)


@dataclass(frozen=True, slots=True)
class MapProof:
    """What stands where a tag would: the siblings from the root down, and the tag met there, if any.

    ``met`` is None where the subtree is empty. ``met[0]`` equal to the tag asked for is presence.
    """

    siblings: tuple[bytes, ...]
    met: tuple[bytes, int] | None


class TagMap:
    """The map in memory: inserting costs O(log n), the root hashes only what is new, ``copy`` is free.

    About 80 bytes for each tag.
    """

    def __init__(self) -> None:
        self._top: _Node = b""
        self.size = 0

    def copy(self) -> TagMap:
        """The map as it is now; later insertions into either do not change the other."""
        made = TagMap()
        made._top, made.size = self._top, self.size
        return made

    def insert(self, tag: bytes, number: int) -> None:
        """Adds a tag (32 bytes); raises ProofRefused if the map has it, MalformedBytes for another length."""
        if len(tag) != TAG:
            raise MalformedBytes(why="a tag has 32 bytes")
        above, bucket = self._walk(tag)
        rows = [bucket[at : at + ROW] for at in range(0, len(bucket), ROW)]
        at = bisect.bisect_left(rows, tag)
        if at < len(rows) and rows[at].startswith(tag):
            raise ProofRefused(why="a tag appears twice", leaf=number)
        rows.insert(at, row_of(tag, number))
        made = _node(b"".join(rows), len(above))
        for depth in range(len(above) - 1, -1, -1):
            made = _branch(bit_of(tag, depth), made, above[depth])
        self._top = made
        self.size += 1

    def extend(self, pairs: Sequence[tuple[bytes, int]]) -> None:
        """Adds many pairs, into an empty map much faster than one by one; raises as insert does."""
        if self._top or any(len(tag) != TAG for tag, _ in pairs):
            for tag, number in pairs:
                self.insert(tag, number)
            return
        ordered = sorted(pairs)
        for (tag, _), (following, number) in itertools.pairwise(ordered):
            if tag == following:
                raise ProofRefused(why="a tag appears twice", leaf=number)
        self._top = _node(b"".join(row_of(tag, number) for tag, number in ordered), 0)
        self.size = len(ordered)

    def root(self) -> bytes:
        """The map's root, 32 bytes; zeros for the empty map."""
        return _hash_of(self._top, 0)

    def proof(self, tag: bytes) -> MapProof:
        """Presence or absence of a tag, as the map has it."""
        above, rows = self._walk(tag)
        while len(rows) > ROW:
            at = middle(rows, len(above))
            sides = (rows[:at], rows[at:])
            bit = bit_of(tag, len(above))
            above.append(sides[1 - bit])
            rows = sides[bit]
        siblings = tuple(_hash_of(sibling, depth) for depth, sibling in enumerate(above, 1))
        return MapProof(siblings, parts(rows) if rows else None)

    def _walk(self, tag: bytes) -> tuple[list[_Node], _Bucket]:
        """The siblings passed on the way down, and the bucket at the end of it."""
        above: list[_Node] = []
        node = self._top
        while isinstance(node, _Branch):
            bit = bit_of(tag, len(above))
            above.append(node.side(1 - bit))
            node = node.side(bit)
        return above, node


def _led_to(tag: bytes, bottom: bytes, siblings: Sequence[bytes]) -> bytes:
    if len(tag) != 32 or len(siblings) > DEPTH or any(len(sibling) != 32 for sibling in siblings):
        raise ProofRefused(why="form")
    for depth in range(len(siblings) - 1, -1, -1):
        sides = (siblings[depth], bottom) if bit_of(tag, depth) else (bottom, siblings[depth])
        bottom = map_node(*sides)
    return bottom


def check_present(root: bytes, tag: bytes, number: int, proof: MapProof) -> None:
    """Raises ProofRefused unless the map with this root leads this tag to that leaf number."""
    if proof.met != (tag, number) or not 0 <= number < 1 << 63:
        raise ProofRefused(why="another tag or leaf")
    if not hmac.compare_digest(_led_to(tag, map_leaf(tag, number), proof.siblings), root):
        raise ProofRefused(why="another map")


def check_absent(root: bytes, tag: bytes, proof: MapProof) -> None:
    """Raises ProofRefused unless the map with this root does not hold this tag.

    Relies on the map being well formed, which every cosigner checks by making it again from the leaves.
    """
    bottom = EMPTY
    if proof.met is not None:
        other, number = proof.met
        if len(other) != 32 or other == tag or not 0 <= number < 1 << 63:
            raise ProofRefused(why="the tag is there")
        _check_shared(tag, other, len(proof.siblings))
        bottom = map_leaf(other, number)
    if not hmac.compare_digest(_led_to(tag, bottom, proof.siblings), root):
        raise ProofRefused(why="another map")


def _check_shared(tag: bytes, other: bytes, bits: int) -> None:
    if len(tag) != 32 or bits > DEPTH or any(bit_of(tag, at) != bit_of(other, at) for at in range(bits)):
        raise ProofRefused(why="the tag met stands elsewhere")
