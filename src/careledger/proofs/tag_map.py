"""The committed map from tag to leaf number: a Merkle trie over the bits of 256-bit tags.

A subtree without tags is 32 zero bytes, a subtree with one tag is ``H("map-leaf", tag, uint64 number)`` wherever
it stands, any other is ``H("map-node", left, right)``, left for bit 0; bits from the most significant on. So the
root depends on the set of (tag, number) alone, and proofs have about log₂ n siblings.
"""

from __future__ import annotations

import bisect
import hmac
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from careledger.domain.errors import MalformedBytes, ProofRefused
from careledger.formats.digests import digest, uint

EMPTY = bytes(32)
DEPTH = 256


class _Leaf:
    __slots__ = ("_hash", "number", "tag")

    def __init__(self, tag: bytes, number: int) -> None:
        self.tag = tag
        self.number = number
        self._hash: bytes | None = None

    @property
    def hash(self) -> bytes:
        if self._hash is None:
            self._hash = map_leaf(self.tag, self.number)
        return self._hash


class _Branch:
    """Never changed after it was made; its hash is computed when first asked for."""

    __slots__ = ("_hash", "sides")

    def __init__(self, left: _Node, right: _Node) -> None:
        self.sides = (left, right)
        self._hash: bytes | None = None

    @property
    def hash(self) -> bytes:
        if self._hash is None:
            self._hash = map_node(*(_hash_of(side) for side in self.sides))
        return self._hash


_Node = _Leaf | _Branch | None


def map_leaf(tag: bytes, number: int) -> bytes:
    """``H("map-leaf", tag, uint64 number)``."""
    return digest("map-leaf", tag, uint(number))


def map_node(left: bytes, right: bytes) -> bytes:
    """``H("map-node", left, right)``."""
    return digest("map-node", left, right)


def _hash_of(node: _Node) -> bytes:
    return EMPTY if node is None else node.hash


def _bit(tag: bytes, depth: int) -> int:
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
    """The map in memory: inserting costs O(log n), the root hashes only what is new, ``copy`` is free."""

    def __init__(self) -> None:
        self._top: _Node = None
        self.size = 0

    def copy(self) -> TagMap:
        """The map as it is now; later insertions into either do not change the other."""
        made = TagMap()
        made._top, made.size = self._top, self.size
        return made

    def insert(self, tag: bytes, number: int) -> None:
        """Adds a tag (32 bytes); raises ProofRefused if the map has it, MalformedBytes for another length."""
        if len(tag) != 32:
            raise MalformedBytes(why="a tag has 32 bytes")
        above, node = self._walk(tag)
        made: _Node = _Leaf(tag, number)
        if isinstance(node, _Leaf):
            if node.tag == tag:
                raise ProofRefused(why="a tag appears twice", leaf=number)
            made = _fork(tag, made, node, len(above))
        for depth in range(len(above) - 1, -1, -1):
            made = _branch(_bit(tag, depth), made, above[depth])
        self._top = made
        self.size += 1

    def extend(self, pairs: Sequence[tuple[bytes, int]]) -> None:
        """Adds many pairs, into an empty map much faster than one by one; raises as insert does."""
        if self._top is not None or any(len(tag) != 32 for tag, _ in pairs):
            for tag, number in pairs:
                self.insert(tag, number)
            return
        ordered = sorted(pairs)
        for (tag, _), (following, number) in itertools.pairwise(ordered):
            if tag == following:
                raise ProofRefused(why="a tag appears twice", leaf=number)
        self._top, self.size = _subtree(ordered, 0, len(ordered), 0), len(ordered)

    def root(self) -> bytes:
        """The map's root, 32 bytes; zeros for the empty map."""
        return _hash_of(self._top)

    def proof(self, tag: bytes) -> MapProof:
        """Presence or absence of a tag, as the map has it."""
        above, node = self._walk(tag)
        met = (node.tag, node.number) if isinstance(node, _Leaf) else None
        return MapProof(tuple(_hash_of(sibling) for sibling in above), met)

    def _walk(self, tag: bytes) -> tuple[list[_Node], _Leaf | None]:
        """The siblings passed on the way down, and what stands at the end of it."""
        above: list[_Node] = []
        node = self._top
        while isinstance(node, _Branch):
            bit = _bit(tag, len(above))
            above.append(node.sides[1 - bit])
            node = node.sides[bit]
        return above, node


def _subtree(ordered: Sequence[tuple[bytes, int]], start: int, end: int, depth: int) -> _Node:
    """The subtree at this depth of pairs that are sorted and share all bits before it."""
    if end - start < 2:
        return _Leaf(*ordered[start]) if start < end else None
    middle = bisect.bisect_left(ordered, 1, start, end, key=lambda pair: _bit(pair[0], depth))
    return _Branch(_subtree(ordered, start, middle, depth + 1), _subtree(ordered, middle, end, depth + 1))


def _fork(tag: bytes, leaf: _Node, known: _Leaf, depth: int) -> _Node:
    """The smallest subtree at this depth that holds both leaves."""
    common = depth
    while _bit(tag, common) == _bit(known.tag, common):
        common += 1
    node: _Node = _branch(_bit(tag, common), leaf, known)
    for at in range(common - 1, depth - 1, -1):
        node = _branch(_bit(tag, at), node, None)
    return node


def _led_to(tag: bytes, bottom: bytes, siblings: Sequence[bytes]) -> bytes:
    if len(tag) != 32 or len(siblings) > DEPTH or any(len(sibling) != 32 for sibling in siblings):
        raise ProofRefused(why="form")
    for depth in range(len(siblings) - 1, -1, -1):
        sides = (siblings[depth], bottom) if _bit(tag, depth) else (bottom, siblings[depth])
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
    if len(tag) != 32 or bits > DEPTH or any(_bit(tag, at) != _bit(other, at) for at in range(bits)):
        raise ProofRefused(why="the tag met stands elsewhere")
