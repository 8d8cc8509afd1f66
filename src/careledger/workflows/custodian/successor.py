"""What a successor takes over: deposits it did not have, and remade shares, each checked before it is kept.

A deposit is believed because its items are those that its depositor signed and its leaves stand under an anchored
root; of two helpers' words on a version's state the stricter one counts.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from careledger.domain.custody import KeptVersion
from careledger.domain.errors import (
    EpochRefused,
    MalformedBytes,
    NotTheController,
    SignatureRefused,
)
from careledger.formats.custody import KeptBatch, KeptMark, RepairOrder, RepairSums
from careledger.formats.deposits import (
    AnchorNotice,
    DepositItem,
    DepositStatement,
    Items,
    KeptPart,
    ShareRow,
    sliced,
)
from careledger.formats.patients import AliasStatement, EpochRecord, EpochStatement
from careledger.formats.releases import DepositProof
from careledger.ports import LedgerView
from careledger.sealing.keys import Secret
from careledger.sealing.shamir import remade_share
from careledger.workflows.custodian import accept, anchored, keep, keep_epoch, logbook
from careledger.workflows.custodian.logbook import Event
from careledger.workflows.custodian.parts import Custody

STRICTNESS = ("kept", "restricted", "retracted", "moved", "erased")


@dataclass
class _Batch:
    """One deposit as the helpers together tell it."""

    named: bytes
    deposit: DepositStatement
    items: list[DepositItem]
    columns: Items
    proofs: list[DepositProof] = field(default_factory=list)
    commitments: bytes = b""
    escrow: tuple[bytes, ...] | None = None
    anchor: AnchorNotice | None = None
    marks: dict[int, KeptMark] = field(default_factory=dict)
    accepting: Counter[int] = field(default_factory=Counter)

    @property
    def accepted(self) -> set[bytes]:
        """The handles that every helper which keeps the deposit calls accepted."""
        return {self.items[at].handle for at, told in self.accepting.items() if told == len(self.proofs)}


def take(
    custody: Custody,
    view: LedgerView,
    order: RepairOrder,
    statement: AliasStatement,
    messages: Sequence[RepairSums],
) -> int:
    """Keeps deposits and shares; returns for how many versions a share is held now. Raises ShareMismatch."""
    _take_epochs(custody, view, messages)
    batches = _united(order.alias, (batch for message in messages for batch in message.deposits))
    for batch in batches.values():
        _take_deposit(custody, view, order, batch)
    _take_acceptances(custody, order.alias, messages, batches)
    with custody.rows.transaction():
        custody.rows.set_erasures_seen(0)  # what it attested before it lost its rows is looked for again
    shares = _remade(order, messages)
    kept = _take_shares(custody, order, len(statement.custodians), shares, batches)
    event = Event("order", request=order.id, reason="repair", handles=tuple(sorted(kept)))
    with custody.journal.transaction():
        logbook.write(custody, view, statement, event)
    return len(kept)


def _united(alias: bytes, told: Iterable[KeptBatch]) -> dict[bytes, _Batch]:
    """By digest what all helpers say: the strictest marks, and commitments and anchors from those that have them."""
    found: dict[bytes, _Batch] = {}
    for batch in told:
        part = keep.read_part(
            batch.proof.statement.body, KeptPart(batch.proof.statement, batch.items, b"", b"", None, None)
        )
        if part.deposit.alias != alias:
            continue
        known = found.setdefault(part.named, _Batch(part.named, part.deposit, part.items, batch.items))
        known.proofs.append(batch.proof)
        known.commitments = known.commitments or batch.commitments
        known.escrow = known.escrow or batch.escrow_commitments
        known.anchor = known.anchor or batch.anchor
        for mark in batch.marks:
            if mark.state not in STRICTNESS or mark.position >= len(part.leaves):
                raise MalformedBytes(state=mark.state)
            known.marks[mark.position] = _stricter(known.marks.get(mark.position), mark)
            known.accepting[mark.position] += mark.accepted
    return found


def _stricter(one: KeptMark | None, other: KeptMark) -> KeptMark:
    return other if one is None else max(one, other, key=lambda mark: STRICTNESS.index(mark.state))


def _take_epochs(custody: Custody, view: LedgerView, messages: Sequence[RepairSums]) -> None:
    """Epoch records, newest first: each signed by the present controller or named by the next one; others not."""
    records = [
        EpochRecord.decode(each) for each in {record for message in messages for record in message.epochs}
    ]
    taking = keep_epoch.Taking(custody, view)
    for record in sorted(records, key=_epoch_number, reverse=True):
        with contextlib.suppress(SignatureRefused, EpochRefused, NotTheController):
            taking.add(record)
    taking.keep()


def _epoch_number(record: EpochRecord) -> int:
    return EpochStatement.decode(record.statement.body).number


def _take_deposit(custody: Custody, view: LedgerView, order: RepairOrder, batch: _Batch) -> None:
    """Adds the rows of a deposit that is anchored, all or nothing; one without an anchor is not believed."""
    deposit = batch.deposit
    if batch.anchor is None or custody.rows.deposit(batch.named) is not None:
        return
    escrow = None if deposit.escrow is None else (batch.escrow or ())
    month = keep.month_of(custody.clock.now())
    kept = keep.kept_deposit(deposit, batch.named, order.place, month, batch.proofs[0], escrow)
    with custody.rows.transaction():
        custody.rows.put_deposit(kept, batch.columns, b"")
        anchored.place(custody, view, (batch.anchor,))
        for mark in batch.marks.values():
            handles = (batch.items[mark.position].handle,)
            custody.rows.set_state(deposit.alias, handles, mark.state)
            custody.rows.set_mark(deposit.alias, handles, mark.mark)


def _take_acceptances(
    custody: Custody, alias: bytes, messages: Sequence[RepairSums], batches: dict[bytes, _Batch]
) -> None:
    """What every helper that keeps it calls accepted, with the proof of that."""
    proofs = {proof.encode(): proof for message in messages for proof in message.acceptances}
    said = {handle for batch in batches.values() for handle in batch.accepted}
    with custody.rows.transaction():
        for encoded, proof in proofs.items():
            custody.rows.accept(alias, [each for each in accept.handles(proof) if each in said], encoded)


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
    custody: Custody,
    order: RepairOrder,
    places: int,
    shares: dict[bytes, bytes],
    batches: dict[bytes, _Batch],
) -> set[bytes]:
    """Checks each share against its commitment and keeps those of live versions; returns their handles."""
    kept: set[bytes] = set()
    with custody.rows.transaction():
        for deposit in custody.rows.deposits(order.alias):
            batch = batches.get(deposit.digest)
            if batch is None:
                continue
            mine = _versions_shares(
                custody.rows.versions_of(deposit.digest), batch, order.place, places, shares
            )
            kept |= set(mine)
            if mine:
                custody.rows.set_commitments(deposit.digest, batch.commitments)
            share, committed = shares.get(deposit.digest), deposit.escrow or batch.escrow
            if share is not None and committed and batch.deposit.escrow is not None:
                row = ShareRow(order.place, share, committed)
                keep.check_share(batch.deposit.escrow, row, order.place, places)
                mine[deposit.digest] = share
            if mine:
                custody.rows.put_shares(deposit.digest, mine)
    return kept


def _versions_shares(
    versions: Sequence[KeptVersion], batch: _Batch, place: int, places: int, shares: dict[bytes, bytes]
) -> dict[bytes, bytes]:
    """The remade shares of a deposit's live versions, checked; raises ShareMismatch, MalformedBytes."""
    live = [version for version in versions if version.handle in shares and version.state not in keep.GONE]
    if not live:
        return {}
    if len(batch.commitments) != 32 * places * len(versions):
        raise MalformedBytes(why="not commitments for each version")
    committed = sliced(batch.commitments, 32 * places)
    for version in live:
        row = ShareRow(place, shares[version.handle], tuple(sliced(committed[version.position], 32)))
        keep.check_share(version.commitments, row, place, places)
    return {version.handle: shares[version.handle] for version in live}
