"""What a successor takes over: rows it did not have, and remade shares, each checked before it is kept.

A row is believed because its leaf is recomputed and stands under an anchored root; of two helpers' words on its state
the stricter one counts.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace

from careledger.domain.custody import KeptDeposit, KeptVersion
from careledger.domain.errors import (
    EpochRefused,
    MalformedBytes,
    NotTheController,
    ProofRefused,
    SignatureRefused,
)
from careledger.formats.custody import KeptRow, RepairOrder, RepairSums
from careledger.formats.deposits import AnchorNotice, AnchorPlace, DepositStatement, ShareRow
from careledger.formats.patients import AliasStatement, EpochRecord, EpochStatement
from careledger.formats.releases import DepositProof
from careledger.ports import LedgerView
from careledger.proofs.anchors import LeafOpening
from careledger.sealing.keys import Secret
from careledger.sealing.shamir import remade_share
from careledger.workflows.custodian import accept, anchored, keep, keep_epoch, logbook
from careledger.workflows.custodian.logbook import Event
from careledger.workflows.custodian.parts import Custody

STRICTNESS = ("kept", "restricted", "retracted", "moved", "erased")


def take(
    custody: Custody,
    view: LedgerView,
    order: RepairOrder,
    statement: AliasStatement,
    messages: Sequence[RepairSums],
) -> int:
    """Keeps rows and shares; returns for how many versions a share is held now. Raises ShareMismatch."""
    _take_epochs(custody, messages)
    rows = _rows(messages)
    for proof in {proof.encode(): proof for each in messages for proof in each.deposits}.values():
        _take_deposit(custody, view, order, proof, rows)
    _take_acceptances(custody, messages, rows)
    shares = _remade(order, messages)
    kept = _take_shares(custody, order, len(statement.custodians), shares, rows)
    event = Event("order", request=order.id, reason="repair", handles=tuple(sorted(kept)))
    with custody.journal.transaction():
        logbook.write(custody, view, statement, event)
    logbook.grow(custody)
    return len(kept)


def _rows(messages: Sequence[RepairSums]) -> dict[bytes, KeptRow]:
    """For each handle the strictest row, with commitments from a helper that has them."""
    found: dict[bytes, KeptRow] = {}
    for row in (row for message in messages for row in message.rows):
        if row.state not in STRICTNESS:
            raise MalformedBytes(state=row.state)
        known = found.setdefault(row.handle, row)
        if known is not row:
            found[row.handle] = _stricter(known, row)
    return found


def _stricter(one: KeptRow, other: KeptRow) -> KeptRow:
    first, second = sorted((one, other), key=lambda row: STRICTNESS.index(row.state), reverse=True)
    anchored_one = first if first.root else second
    return replace(
        first,
        commitments=first.commitments or second.commitments,
        escrow_commitments=first.escrow_commitments or second.escrow_commitments,
        root=anchored_one.root,
        index=anchored_one.index,
        size=anchored_one.size,
        anchor_path=anchored_one.anchor_path,
        accepted=first.accepted and second.accepted,
    )


def _take_epochs(custody: Custody, messages: Sequence[RepairSums]) -> None:
    """Epoch records, newest first: each signed by the present controller or named by the next one; others not."""
    records = {record for message in messages for record in message.epochs}
    for record in sorted(records, key=_epoch_number, reverse=True):
        with contextlib.suppress(SignatureRefused, EpochRefused, NotTheController):
            keep_epoch.keep_epoch(custody, record)


def _epoch_number(record: bytes) -> int:
    return EpochStatement.decode(EpochRecord.decode(record).statement.body).number


def _take_deposit(
    custody: Custody, view: LedgerView, order: RepairOrder, proof: DepositProof, rows: dict[bytes, KeptRow]
) -> None:
    """Adds the index rows of a deposit that is anchored; a row without an anchor is not believed."""
    deposit = DepositStatement.decode(proof.statement.body)
    digest = deposit.digest()
    if deposit.alias != order.alias or custody.rows.deposit(digest) is not None:
        return
    mine = [rows[item.handle] for item in deposit.items if item.handle in rows]
    if len(mine) != len(deposit.items) or any(row.root is None for row in mine):
        return
    for item in deposit.items:
        opening = LeafOpening(item.handle, item.header, item.manifest, item.body, item.commitments)
        if opening.leaf != item.leaf:
            raise MalformedBytes(why="another leaf")
    kept = KeptDeposit(
        digest, deposit.id, deposit.alias, deposit.compartment, deposit.epoch, deposit.depositor, deposit.post,
        deposit.ground, deposit.source, deposit.intake, order.place, keep.month_of(custody.clock.now()),
        proof.encode(), None if deposit.escrow is None else (mine[0].escrow_commitments or ()),
    )  # fmt: skip
    versions = [
        keep.kept_version(item, deposit, digest, row.commitments)
        for item, row in zip(deposit.items, mine, strict=True)
    ]
    _put(custody, view, kept, versions, mine)


def _put(
    custody: Custody,
    view: LedgerView,
    kept: KeptDeposit,
    versions: Sequence[KeptVersion],
    rows: Sequence[KeptRow],
) -> None:
    """Writes the rows of one deposit with their anchoring and state, all or nothing."""
    with custody.rows.transaction():
        custody.rows.put_deposit(kept, versions, ())
        for row in rows:
            place = AnchorPlace(row.handle, row.index, row.anchor_path)
            if row.root is None:
                raise ProofRefused(why="not anchored")
            anchored.place(custody, view, AnchorNotice(kept.id, row.root, row.size, (place,)))
            custody.rows.set_state([row.handle], row.state)
            custody.rows.set_mark([row.handle], row.mark)


def _take_acceptances(custody: Custody, messages: Sequence[RepairSums], rows: dict[bytes, KeptRow]) -> None:
    """What every helper that keeps it calls accepted, with the proof of that."""
    proofs = {proof.encode(): proof for message in messages for proof in message.acceptances}
    with custody.rows.transaction():
        for encoded, proof in proofs.items():
            accepted = [each for each in accept.handles(proof) if each in rows and rows[each].accepted]
            custody.rows.accept(accepted, encoded)


def _remade(order: RepairOrder, messages: Sequence[RepairSums]) -> dict[bytes, bytes]:
    """Subject → share of the place, of what all helpers summed up."""
    sums = [
        dict(zip(message.terms.subjects, message.terms.terms, strict=True))
        for message in messages
        if len(message.terms.subjects) == len(message.terms.terms)
    ]
    if len(sums) != len(messages):
        raise MalformedBytes(why="not a sum for each subject")
    common = set.intersection(*(set(each) for each in sums))
    return {
        subject: remade_share(order.place, [Secret(each[subject]) for each in sums]).value.reveal()
        for subject in common
    }


def _take_shares(
    custody: Custody, order: RepairOrder, places: int, shares: dict[bytes, bytes], rows: dict[bytes, KeptRow]
) -> set[bytes]:
    """Checks each share against its commitment and keeps those of live versions; returns their handles."""
    by_month: dict[str, list[tuple[bytes, bytes]]] = {}
    kept: set[bytes] = set()
    for deposit in custody.rows.deposits(order.alias):
        batch = shares.get(deposit.digest)
        committed = deposit.escrow or next(
            (row.escrow_commitments for row in rows.values() if row.deposit == deposit.digest), None
        )
        root = DepositStatement.decode(DepositProof.decode(deposit.proof).statement.body).escrow
        month = by_month.setdefault(deposit.month, [])
        if batch is not None and committed and root is not None:
            keep.check_share(root, ShareRow(order.place, batch, committed), order.place, places)
            month.append((deposit.digest, batch))
        for version in custody.rows.versions_of(deposit.digest):
            share, row = shares.get(version.handle), rows.get(version.handle)
            if share is None or row is None or version.state in keep.GONE:
                continue
            known = version.all_commitments or row.commitments
            keep.check_share(version.commitments, ShareRow(order.place, share, known), order.place, places)
            month.append((version.handle, share))
            kept.add(version.handle)
    with custody.rows.transaction():
        for month_name, found in by_month.items():
            custody.rows.put_shares(order.alias, month_name, found)
        for handle in kept:
            custody.rows.set_commitments(handle, rows[handle].commitments)
    return kept
