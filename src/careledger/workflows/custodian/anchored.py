"""Leaves of a deposit are anchored: the root stands on the ledger and each path leads to it. Repeating is harmless."""

from __future__ import annotations

from careledger.domain.custody import Anchoring
from careledger.domain.errors import ProofRefused, RecordNotFound
from careledger.formats.deposits import AnchorNotice
from careledger.ports import LedgerView
from careledger.proofs.merkle import check_inclusion
from careledger.workflows.custodian.parts import Custody


def anchored(custody: Custody, body: bytes) -> bytes:
    """Takes an AnchorNotice; returns a signed receipt about it.

    Raises RecordNotFound for a deposit that is not kept here, ProofRefused if the ledger does not have the root.
    """
    notice = AnchorNotice.decode(body)
    view = custody.fresh_head()
    place(custody, view, notice)
    return custody.receipt(view, AnchorNotice.TYPE, notice.digest(), len(notice.places))


def place(custody: Custody, view: LedgerView, notice: AnchorNotice) -> None:
    """Keeps where the leaves of a deposit stand, after checking each."""
    deposit = custody.rows.deposit_named(notice.deposit)
    if deposit is None:
        raise RecordNotFound(what="deposit")
    known = view.anchor(notice.root)
    if known is None or known.count != notice.size:
        raise ProofRefused(why="the ledger does not have this root")
    matrix = custody.ledger.at(known.block).matrix_version()
    versions = {version.handle: version for version in custody.rows.versions_of(deposit.digest)}
    with custody.rows.transaction():
        for each in notice.places:
            if each.handle not in versions:
                raise RecordNotFound(what="version")
            check_inclusion(notice.root, notice.size, each.index, versions[each.handle].leaf, each.path)
            at = Anchoring(notice.root, each.index, notice.size, each.path, known.block, matrix)
            custody.rows.set_anchoring(each.handle, at)
