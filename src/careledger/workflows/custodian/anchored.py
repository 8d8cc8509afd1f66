"""Leaves of a deposit are anchored: the root stands on the ledger and the leaves lead to it. Repeating is harmless."""

from __future__ import annotations

from careledger.domain.custody import Anchoring
from careledger.domain.errors import ProofRefused, RecordNotFound
from careledger.formats.deposits import AnchorNotice, AnchorNotices
from careledger.ports import LedgerView
from careledger.proofs.items import leaf_of
from careledger.proofs.runs import Run, leaf_hashes
from careledger.workflows.custodian.parts import Custody


def anchored(custody: Custody, body: bytes) -> bytes:
    """Takes AnchorNotices; returns a signed receipt about them.

    Raises RecordNotFound for a deposit that is not kept here, ProofRefused if the ledger does not have the root.
    """
    told = AnchorNotices.decode(body)
    view = custody.fresh_head()
    with custody.rows.transaction():
        count = sum(place(custody, view, notice) for notice in told.notices)
    return custody.receipt(view, AnchorNotices.TYPE, told.digest(), count)


def place(custody: Custody, view: LedgerView, notice: AnchorNotice) -> int:
    """Keeps where the leaves of a deposit stand, after checking them; returns how many. Within a transaction."""
    deposit = custody.rows.deposit_named(notice.deposit)
    if deposit is None:
        raise RecordNotFound(what="deposit")
    known = view.anchor(notice.root)
    if known is None or known.count != notice.size:
        raise ProofRefused(why="the ledger does not have this root")
    leaves = [leaf_of(version) for version in custody.rows.versions_of(deposit.digest)]
    Run(notice.size, notice.first, leaf_hashes(leaves), notice.outside).check(notice.root)
    matrix = custody.ledger.at(known.block).matrix_version()
    at = Anchoring(notice.root, notice.size, notice.first, notice.outside, known.block, matrix)
    custody.rows.set_anchoring(deposit.digest, at)
    return len(leaves)
