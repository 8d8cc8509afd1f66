"""Leaves of a deposit are anchored: the root stands on the ledger and the leaves lead to it. Repeating is harmless."""

from __future__ import annotations

from collections.abc import Sequence

from careledger.domain.custody import Anchoring
from careledger.domain.errors import ProofRefused, RecordNotFound
from careledger.formats.deposits import AnchorNotice, AnchorNotices
from careledger.formats.digests import digest
from careledger.ports import LedgerView
from careledger.proofs.items import ItemTree, item_tree
from careledger.workflows.custodian.parts import Custody


def anchored(custody: Custody, body: bytes) -> bytes:
    """Takes AnchorNotices; returns a signed receipt about them.

    Raises RecordNotFound for a deposit that is not kept here, ProofRefused if the ledger does not have the root.
    """
    told = AnchorNotices.decode(body)
    view = custody.fresh_head()
    with custody.rows.transaction():
        count = place(custody, view, told.notices)
    return custody.receipt(view, AnchorNotices.TYPE, digest(AnchorNotices.TYPE, body), count)


def place(custody: Custody, view: LedgerView, notices: Sequence[AnchorNotice]) -> int:
    """Keeps where the leaves of deposits stand, after checking them; returns how many. Within a transaction."""
    anchors = _Anchors(custody, view)
    return sum(_place(custody, anchors, notice) for notice in notices)


class _Anchors:
    """What the ledger says of roots, each asked once: deposits that are told together stand under few."""

    def __init__(self, custody: Custody, view: LedgerView) -> None:
        self._custody, self._view = custody, view
        self._known: dict[tuple[bytes, int], tuple[int, int]] = {}

    def of(self, root: bytes, size: int) -> tuple[int, int]:
        """The block of a root over so many leaves, and the matrix in force there; raises ProofRefused."""
        if (root, size) not in self._known:
            anchor = self._view.anchor(root)
            if anchor is None or anchor.count != size:
                raise ProofRefused(why="the ledger does not have this root")
            matrix = self._custody.ledger.at(anchor.block).matrix_version()
            self._known[root, size] = anchor.block, matrix
        return self._known[root, size]


def _place(custody: Custody, anchors: _Anchors, notice: AnchorNotice) -> int:
    named, items = custody.just_kept.get(notice.deposit) or _kept(custody, notice.deposit)
    block, matrix = anchors.of(notice.root, notice.size)
    items.check_anchored(notice.root, notice.size, notice.first, notice.outside)
    at = Anchoring(notice.root, notice.size, notice.first, notice.outside, block, matrix)
    custody.rows.set_anchoring(named, at)
    custody.just_kept.pop(notice.deposit, None)
    return len(items.leaves)


def _kept(custody: Custody, id: bytes) -> tuple[bytes, ItemTree]:
    deposit = custody.rows.deposits_named((id,)).get(id)
    items = None if deposit is None else custody.rows.items(deposit.digest)
    if deposit is None or items is None:
        raise RecordNotFound(what="deposit")
    return deposit.digest, item_tree(items)
