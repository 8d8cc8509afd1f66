"""What an anchored root commits to: leaves of record versions and, in each, the shares of its custodians.

A leaf is ``H("leaf", handle, header CID, manifest CID, body CID, root of the N share commitments)``. Leaves are
the entries of one RFC 9162 tree per anchor batch, commitments the entries of one small tree per version.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from careledger.domain.errors import MalformedBytes, ProofRefused, ShareMismatch
from careledger.formats.cids import Cid, check_cid
from careledger.formats.deposits import sliced
from careledger.formats.digests import digest, framed, uint
from careledger.proofs.merkle import Tree, check_inclusion
from careledger.proofs.runs import folded_columns, leaf_hashes, outside

MOST_PLACES = 64
MOST_REMEMBERED = 64


def share_commitment(place: int, share: bytes) -> bytes:
    """``H("share", place, share)``: place 1…N as uint64, the share in 32; no blind, shares are uniform."""
    return share_commitments(place, (share,))[0]


def share_commitments(place: int, shares: Sequence[bytes]) -> list[bytes]:
    """The same of many versions' shares of one place."""
    if not 1 <= place <= MOST_PLACES or any(len(share) != 32 for share in shares):
        raise MalformedBytes(why="not a share of a place")
    before, sha256 = _place(place), hashlib.sha256
    return [sha256(before + share).digest() for share in shares]


@lru_cache(maxsize=MOST_REMEMBERED)
def commitment_roots(commitments: bytes, places: int) -> bytes:
    """The root of each version's commitments (32 bytes for each of its places, version after version), joined.

    The last few are remembered: a deposit's are the same at several custodians of a process.
    """
    leaves = leaf_hashes(sliced(commitments, 32))
    return b"".join(folded_columns([leaves[place::places] for place in range(places)]))


@lru_cache(maxsize=MOST_PLACES)
def _place(place: int) -> bytes:
    return framed("share", uint(place)) + (32).to_bytes(4, "big")


class Commitments:
    """The commitments to the shares of places 1…N of one version, in that order."""

    def __init__(self, shares: Sequence[bytes]) -> None:
        if not 1 <= len(shares) <= MOST_PLACES:
            raise MalformedBytes(shares=len(shares))
        self._tree = Tree(share_commitment(place, share) for place, share in enumerate(shares, start=1))
        self.root = self._tree.root()

    def path(self, place: int) -> list[bytes]:
        """What the custodian at this place gets beside its share; raises ProofRefused for no place."""
        return self._tree.path(place - 1)


def check_share(root: bytes, places: int, place: int, share: bytes, path: Sequence[bytes]) -> None:
    """Raises ShareMismatch unless this is the share committed to for this place of ``places``."""
    try:
        check_inclusion(root, places, place - 1, share_commitment(place, share), path)
    except (MalformedBytes, ProofRefused):
        raise ShareMismatch(place=place) from None


@dataclass(frozen=True, slots=True)
class LeafOpening:
    """What a leaf commits to. The handle is secret (who has it and the epoch key opens the manifest)."""

    handle: bytes
    header: Cid
    manifest: Cid
    body: Cid
    commitments: bytes

    def __post_init__(self) -> None:
        if len(self.handle) != 32 or len(self.commitments) != 32:
            raise MalformedBytes(why="a handle and a commitment root have 32 bytes")
        for cid in (self.header, self.manifest, self.body):
            check_cid(cid)

    def __repr__(self) -> str:
        return f"LeafOpening(leaf={self.leaf.hex()})"

    @property
    def leaf(self) -> bytes:
        """The leaf, 32 bytes."""
        return digest("leaf", self.handle, self.header, self.manifest, self.body, self.commitments)


@dataclass(frozen=True, slots=True)
class Inclusion:
    """Where a leaf stands in an anchor batch: the batch's root and size, the leaf's index and path."""

    root: bytes
    size: int
    index: int
    path: tuple[bytes, ...]

    def check(self, leaf: bytes) -> None:
        """Raises ProofRefused unless that leaf stands there."""
        if len(leaf) != 32:
            raise ProofRefused(why="a leaf has 32 bytes")
        check_inclusion(self.root, self.size, self.index, leaf, self.path)


class AnchorBatch:
    """The leaves that one anchored root commits to, of any depositors and batches."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        """Raises MalformedBytes for no leaves or leaves that are not 32 bytes."""
        if not leaves or any(len(leaf) != 32 for leaf in leaves):
            raise MalformedBytes(why="an anchor batch is a list of leaves of 32 bytes")
        self._tree = Tree(leaves)
        self.root = self._tree.root()
        self.size = self._tree.size

    def inclusion(self, index: int) -> Inclusion:
        """The proof for one leaf; raises ProofRefused outside the batch."""
        return Inclusion(self.root, self.size, index, tuple(self._tree.path(index)))

    def outside(self, first: int, count: int) -> tuple[bytes, ...]:
        """The proof for a run of leaves (proofs.runs); raises ProofRefused outside the batch."""
        return outside(self._tree.node, first, count, self.size)
