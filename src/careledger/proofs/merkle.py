"""RFC 9162 §2.1 Merkle trees over SHA-256: roots, inclusion and consistency.

An *entry* is any byte string; its leaf hash is SHA-256(0x00 ‖ entry), an inner node is
SHA-256(0x01 ‖ left ‖ right). Hashes are 32 bytes. Every check raises ProofRefused and returns
nothing.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable, Sequence

from careledger.domain.errors import MalformedBytes, ProofRefused

EMPTY_ROOT = hashlib.sha256(b"").digest()
MOST_PATH = 64
HASH = 32

Nodes = Callable[[int, int], bytes]
"""``nodes(level, i)`` is the root of the entries from i·2^level to (i + 1)·2^level."""


def leaf_hash(entry: bytes) -> bytes:
    """SHA-256(0x00 ‖ entry)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 ‖ left ‖ right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


# Making proofs ----------------------------------------------------------------------------------


def split_size(size: int) -> int:
    """The largest power of two smaller than size (size at least 2)."""
    return 1 << ((size - 1).bit_length() - 1)


def range_root(nodes: Nodes, start: int, end: int) -> bytes:
    """The root of the entries start to end − 1, where start is a multiple of a power of two ≥ their number."""
    size = end - start
    if size == 0:
        return EMPTY_ROOT
    if size & (size - 1) == 0:
        level = size.bit_length() - 1
        return nodes(level, start >> level)
    middle = start + split_size(size)
    return node_hash(range_root(nodes, start, middle), range_root(nodes, middle, end))


def path_from(nodes: Nodes, index: int, size: int) -> list[bytes]:
    """PATH(index, D[size]) of RFC 9162 §2.1.3.1, leaf upwards; raises ProofRefused outside the tree."""
    if not 0 <= index < size:
        raise ProofRefused(why="no such leaf", index=index, size=size)
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + split_size(end - start)
        if index < middle:
            path.append(range_root(nodes, middle, end))
            end = middle
        else:
            path.append(range_root(nodes, start, middle))
            start = middle
    return path[::-1]


def consistency_from(nodes: Nodes, old: int, new: int) -> list[bytes]:
    """PROOF(old, D[new]) of RFC 9162 §2.1.4.1; empty for old 0 and for old = new."""
    if not 0 <= old <= new:
        raise ProofRefused(why="sizes do not grow", old=old, new=new)
    if old in (0, new):
        return []
    proof: list[bytes] = []
    start, end, whole = 0, new, True
    while old != end:
        middle = start + split_size(end - start)
        if old <= middle:
            proof.append(range_root(nodes, middle, end))
            end = middle
        else:
            proof.append(range_root(nodes, start, middle))
            start, whole = middle, False
    if not whole:
        proof.append(range_root(nodes, start, end))
    return proof[::-1]


class Tree:
    """A tree in memory that only grows; every complete subtree is kept, so proofs cost O(log² n).

    About 64 bytes of hashes for each entry.
    """

    def __init__(self, entries: Iterable[bytes] = ()) -> None:
        self._levels = [bytearray()]  # hashes one after the other: as objects they would take twice as much
        self.extend(entries)

    @classmethod
    def of_hashes(cls, hashes: Iterable[bytes]) -> Tree:
        """The tree of entries of which only the leaf hashes are known."""
        tree = cls()
        for known in hashes:
            tree.append_hash(known)
        return tree

    @property
    def size(self) -> int:
        """The number of entries."""
        return len(self._levels[0]) // HASH

    def append(self, entry: bytes) -> int:
        """Adds an entry; returns its index."""
        return self.append_hash(leaf_hash(entry))

    def extend(self, entries: Iterable[bytes]) -> None:
        """Adds entries in order."""
        hashes = [leaf_hash(entry) for entry in entries]
        if self.size:
            for hashed in hashes:
                self.append_hash(hashed)
        else:
            self._fill(hashes)

    def _fill(self, level: list[bytes]) -> None:
        """Makes an empty tree of leaf hashes, level by level, which is quicker than one by one."""
        self._levels[-1] += b"".join(level)
        while len(level) > 1:
            level = [node_hash(left, right) for left, right in zip(level[::2], level[1::2], strict=False)]
            self._levels.append(bytearray(b"".join(level)))

    def append_hash(self, hashed: bytes) -> int:
        """Adds an entry by its leaf hash; returns its index."""
        index, level = self.size, 0
        self._levels[0] += hashed
        while len(self._levels[level]) % (2 * HASH) == 0:
            if level + 1 == len(self._levels):
                self._levels.append(bytearray())
            last = bytes(self._levels[level][-2 * HASH :])
            self._levels[level + 1] += node_hash(last[:HASH], last[HASH:])
            level += 1
        return index

    def node(self, level: int, index: int) -> bytes:
        """The root of a complete subtree, as Nodes says."""
        if index < 0 or len(found := self._levels[level][HASH * index : HASH * (index + 1)]) < HASH:
            raise IndexError(index)
        return bytes(found)

    def root(self, size: int | None = None) -> bytes:
        """The root of the first ``size`` entries (all)."""
        return range_root(self.node, 0, self._sized(size))

    def path(self, index: int, size: int | None = None) -> list[bytes]:
        """The inclusion path of one entry in the tree of the first ``size`` entries (all)."""
        return path_from(self.node, index, self._sized(size))

    def consistency(self, old: int, new: int | None = None) -> list[bytes]:
        """The proof that the tree of ``new`` entries (all) continues that of ``old``."""
        return consistency_from(self.node, old, self._sized(new))

    def _sized(self, size: int | None) -> int:
        if size is None:
            return self.size
        if not 0 <= size <= self.size:
            raise ProofRefused(why="larger than the tree", size=size)
        return size


class Frontier:
    """The right edge of a tree: enough to append and to know the root, 32 bytes for each level."""

    def __init__(self, size: int = 0, edge: Sequence[bytes] = ()) -> None:
        """An empty tree, or the one of which size and edge were kept; raises MalformedBytes."""
        if size < 0 or len(edge) != size.bit_count() or any(len(node) != 32 for node in edge):
            raise MalformedBytes(why="not the edge of a tree of this size")
        self.size = size
        self._edge = list(edge)

    @property
    def edge(self) -> tuple[bytes, ...]:
        """The roots of the complete subtrees, largest first."""
        return tuple(self._edge)

    def append(self, entry: bytes) -> int:
        """Adds an entry; returns its index."""
        return self.append_hash(leaf_hash(entry))

    def append_hash(self, hashed: bytes) -> int:
        """Adds an entry by its leaf hash; returns its index."""
        index = self.size
        merging = index
        while merging & 1:
            hashed = node_hash(self._edge.pop(), hashed)
            merging >>= 1
        self._edge.append(hashed)
        self.size += 1
        return index

    def root(self) -> bytes:
        """The root of the whole tree."""
        if not self._edge:
            return EMPTY_ROOT
        right = self._edge[-1]
        for left in reversed(self._edge[:-1]):
            right = node_hash(left, right)
        return right


def root(entries: Iterable[bytes]) -> bytes:
    """MTH(D) of RFC 9162 §2.1.1."""
    frontier = Frontier()
    for entry in entries:
        frontier.append(entry)
    return frontier.root()


def inclusion_path(entries: Sequence[bytes], index: int) -> list[bytes]:
    """The path of one entry; for many paths of one tree use Tree. Raises ProofRefused outside the entries."""
    if not 0 <= index < len(entries):
        raise ProofRefused(why="no such leaf", index=index, size=len(entries))
    path, level = [], [leaf_hash(entry) for entry in entries]
    while len(level) > 1:
        if index ^ 1 < len(level):
            path.append(level[index ^ 1])
        odd = level[len(level) & ~1 :]
        level = [node_hash(left, right) for left, right in zip(level[::2], level[1::2], strict=False)] + odd
        index >>= 1
    return path


# Checking proofs --------------------------------------------------------------------------------


def _well_formed(size: int, path: Sequence[bytes], *roots: bytes) -> None:
    if not 0 <= size < 1 << 63 or len(path) > MOST_PATH:
        raise ProofRefused(why="form")
    if any(len(node) != 32 for node in (*path, *roots)):
        raise ProofRefused(why="a hash is not 32 bytes")


def _equal(left: bytes, right: bytes) -> bool:
    return hmac.compare_digest(left, right)


def root_from_path(hashed: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root that a leaf hash and its path lead to (RFC 9162 §2.1.3.2); raises ProofRefused for a
    path that does not fit index and size."""
    _well_formed(size, path, hashed)
    if not 0 <= index < size:
        raise ProofRefused(why="no such leaf", index=index, size=size)
    at, last, result = index, size - 1, hashed
    for node in path:
        if last == 0:
            raise ProofRefused(why="path too long")
        if at & 1 or at == last:
            result = node_hash(node, result)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            result = node_hash(result, node)
        at, last = at >> 1, last >> 1
    if last:
        raise ProofRefused(why="path too short")
    return result


def check_inclusion(root: bytes, size: int, index: int, entry: bytes, path: Sequence[bytes]) -> None:
    """Raises ProofRefused unless entry number ``index`` of the tree with this root and size is ``entry``."""
    check_inclusion_of_hash(root, size, index, leaf_hash(entry), path)


def check_inclusion_of_hash(root: bytes, size: int, index: int, hashed: bytes, path: Sequence[bytes]) -> None:
    """As check_inclusion, for an entry known by its leaf hash."""
    if not _equal(root_from_path(hashed, index, size, path), root):
        raise ProofRefused(why="another root")


def check_consistency(
    old_size: int, old_root: bytes, new_size: int, new_root: bytes, path: Sequence[bytes]
) -> None:
    """Raises ProofRefused unless the new tree continues the old one (RFC 9162 §2.1.4.2).

    Everything continues the empty tree; its root must be EMPTY_ROOT.
    """
    _well_formed(new_size, path, old_root, new_root)
    if not 0 <= old_size <= new_size:
        raise ProofRefused(why="sizes do not grow", old=old_size, new=new_size)
    if old_size in (0, new_size):
        expected = EMPTY_ROOT if old_size == 0 else new_root
        if path or not _equal(old_root, expected):
            raise ProofRefused(why="another root")
        return
    old, new = _consistent_roots(old_size, old_root, new_size, path)
    if not (_equal(old, old_root) and _equal(new, new_root)):
        raise ProofRefused(why="another root")


def _consistent_roots(
    old_size: int, old_root: bytes, new_size: int, path: Sequence[bytes]
) -> tuple[bytes, bytes]:
    nodes = [old_root, *path] if old_size & (old_size - 1) == 0 else list(path)
    if not path:
        raise ProofRefused(why="path too short")
    at, last = old_size - 1, new_size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    old = new = nodes[0]
    for node in nodes[1:]:
        if last == 0:
            raise ProofRefused(why="path too long")
        if at & 1 or at == last:
            old, new = node_hash(node, old), node_hash(node, new)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            new = node_hash(new, node)
        at, last = at >> 1, last >> 1
    if last:
        raise ProofRefused(why="path too short")
    return old, new
