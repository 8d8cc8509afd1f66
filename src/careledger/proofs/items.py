"""What a deposit commits to, item by item: leaves for the anchor, and the root over items that the depositor signs.

An item's digest is ``H("deposit-item", leaf, predecessor or nothing, author as uint64, 1 or 0 for signed, month in two
bytes)``; the root that a deposit statement names is over the digests in the items' order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property, lru_cache

from careledger.formats.deposits import Committed, Items, packed_month
from careledger.formats.digests import framed
from careledger.proofs.merkle import check_inclusion
from careledger.proofs.runs import Run, folded, leaf_hashes

MOST_REMEMBERED = 64
_sha256 = hashlib.sha256
_LEAF, _ITEM = framed("leaf"), framed("deposit-item")
_NONE, _L1, _L2, _L8, _L32, _L36 = (size.to_bytes(4, "big") for size in (0, 1, 2, 8, 32, 36))


def leaf_of(item: Committed) -> bytes:
    """The leaf of an item whose lengths were checked: as ``anchors.LeafOpening`` makes it."""
    fields = (
        _LEAF, _L32, item.handle, _L36, item.header, _L36, item.manifest, _L36, item.body, _L32, item.commitments,
    )  # fmt: skip
    return _sha256(b"".join(fields)).digest()


def item_digest(item: Committed, leaf: bytes) -> bytes:
    """The digest of an item with its leaf."""
    before = _NONE if item.predecessor is None else _L32 + item.predecessor
    fields = (
        _ITEM, _L32, leaf, before, _L8, item.author.to_bytes(8, "big"), _L1, b"\x01" if item.signed else b"\x00",
        _L2, packed_month(item.clinical_month),
    )  # fmt: skip
    return _sha256(b"".join(fields)).digest()


def leaves_of(items: Items) -> list[bytes]:
    """The leaves of all items, straight from their columns; raises MalformedBytes where these do not fit."""
    before, header = _LEAF + _L32, _L36 + items.header + _L36
    return [
        _sha256(b"".join((before, handle, header, manifest, _L36, body, _L32, root))).digest()
        for handle, manifest, body, root, _ in zip(*items.columns, strict=True)
    ]


def digests_of(items: Items, leaves: Sequence[bytes]) -> list[bytes]:
    """The digests of all items, whose leaves these are."""
    months, begin = items.columns.months, _ITEM + _L32
    tail = b"".join((_NONE, _L8, bytes(8), _L1, b"\x00", _L2))
    digests = [
        _sha256(b"".join((begin, leaf, tail, month))).digest()
        for leaf, month in zip(leaves, months, strict=True)
    ]
    for said in items.words:
        before = _NONE if said.predecessor is None else _L32 + said.predecessor
        signed = b"\x01" if said.signed else b"\x00"
        fields = (
            begin, leaves[said.position], before, _L8, said.author.to_bytes(8, "big"), _L1, signed, _L2,
            months[said.position],
        )  # fmt: skip
        digests[said.position] = _sha256(b"".join(fields)).digest()
    return digests


class ItemTree:
    """The leaves and digests of all items of a deposit, and the root over them."""

    def __init__(self, items: Items) -> None:
        """Raises MalformedBytes where the columns do not fit together."""
        self.leaves = leaves_of(items)
        self._hashes = leaf_hashes(digests_of(items, self.leaves))
        self.root = folded(self._hashes)
        self._run: Run | None = None

    @cached_property
    def leaf_hashes(self) -> list[bytes]:
        """The leaf hashes of the leaves, under which they stand in an anchor batch."""
        return leaf_hashes(self.leaves)

    def check_anchored(self, root: bytes, size: int, first: int, outside: tuple[bytes, ...]) -> None:
        """Raises ProofRefused unless the leaves stand from ``first`` on under this root over ``size``."""
        _run_of(self, size, first, outside).check(root)

    def path(self, position: int) -> tuple[bytes, ...]:
        """The path of one item under the root."""
        if self._run is None:
            self._run = Run(len(self._hashes), 0, self._hashes, ())
        return self._run.path(position)


@lru_cache(maxsize=MOST_REMEMBERED)
def item_tree(items: Items) -> ItemTree:
    """The tree of these items; raises as it does.

    The last few are remembered: a deposit's are the same for its depositor and at several custodians of a process.
    """
    return ItemTree(items)


@lru_cache(maxsize=MOST_REMEMBERED)
def _run_of(tree: ItemTree, size: int, first: int, outside: tuple[bytes, ...]) -> Run:
    return Run(size, first, tree.leaf_hashes, outside)


def check_item(
    root: bytes, count: int, position: int, item: Committed, leaf: bytes, path: Sequence[bytes]
) -> None:
    """Raises ProofRefused unless this is the item at that position of a deposit statement."""
    check_inclusion(root, count, position, item_digest(item, leaf), path)
