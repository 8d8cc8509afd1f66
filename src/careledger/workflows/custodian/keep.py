"""A deposit is kept: checked item by item, decided, durable, then acknowledged.

Order of effects: rows and shares, journal (a log line), receipt. The same deposit again (same id and digest) adds
what was missing, shares above all, and gives the receipt again; another deposit under the same id is refused.
"""

from __future__ import annotations

import hmac
import time

from careledger.domain.custody import KeptDeposit, KeptVersion
from careledger.domain.errors import DepositConflict, MalformedBytes, ShareMismatch
from careledger.formats.deposits import DepositItem, DepositStatement, KeepRequest, ShareRow
from careledger.formats.digests import digest
from careledger.formats.patients import AliasStatement
from careledger.formats.releases import DepositProof
from careledger.ports import LedgerView
from careledger.proofs.anchors import LeafOpening, share_commitment
from careledger.proofs.merkle import root as merkle_root
from careledger.sealing.shamir import P
from careledger.workflows.custodian import anchored, logbook
from careledger.workflows.custodian.logbook import Event
from careledger.workflows.custodian.parts import Custody
from careledger.workflows.custodian.writing import check_writing

KIND = "kept"
GONE = ("erased", "moved")


def keep(custody: Custody, body: bytes) -> bytes:
    """Takes a KeepRequest; returns a signed receipt about the deposit statement.

    Raises PatientNotFound, SignatureRefused, SessionExpired, EpochRefused, WritingRefused, ShareMismatch,
    MalformedBytes, DepositConflict.
    """
    request = KeepRequest.decode(body)
    deposit = DepositStatement.decode(request.statement.body)
    view = custody.fresh_head()
    statement = custody.statement(deposit.alias)
    place = custody.place(statement)
    named = digest(DepositStatement.TYPE, request.statement.body)  # of the very bytes that were signed
    known = custody.rows.deposit_named(deposit.id)
    if known is not None and known.digest != named:
        raise DepositConflict()
    _check_parts(request, deposit, place, len(statement.custodians))
    if known is None:
        check_writing(custody, view, request, deposit, statement)
        _put(custody, request, deposit, named, place)
    else:
        _complete(custody, request, deposit, known)
    if request.anchor is not None:
        anchored.place(custody, view, request.anchor)
    _log(custody, view, statement, deposit, named)
    return custody.receipt(view, DepositStatement.TYPE, named, len(deposit.items))


def _check_parts(request: KeepRequest, deposit: DepositStatement, place: int, places: int) -> None:
    """Leaves, shares and escrow are what the statement commits to."""
    if not deposit.items or len(request.rows) not in (0, len(deposit.items)):
        raise MalformedBytes(why="not a row for each item")
    if len({item.handle for item in deposit.items}) != len(deposit.items):
        raise MalformedBytes(why="a handle twice")
    for item in deposit.items:
        opening = LeafOpening(item.handle, item.header, item.manifest, item.body, item.commitments)
        if not hmac.compare_digest(opening.leaf, item.leaf):
            raise MalformedBytes(why="another leaf")
    for item, row in zip(deposit.items, request.rows, strict=False):
        check_share(item.commitments, row, place, places)
    if (deposit.escrow is None) != (request.escrow is None):
        raise MalformedBytes(why="escrow is not as the statement says")
    if deposit.escrow is not None and request.escrow is not None:
        check_share(deposit.escrow, request.escrow, place, places)


def check_share(root: bytes, row: ShareRow, place: int, places: int) -> None:
    """Raises ShareMismatch unless this is the share of that place under that root of ``places`` commitments."""
    if row.place != place or len(row.commitments) != places:
        raise ShareMismatch(place=row.place, why="another place")
    if int.from_bytes(row.share, "big") >= P:
        raise ShareMismatch(place=place, why="not below p")
    committed = row.commitments[place - 1]
    if merkle_root(row.commitments) != root or share_commitment(place, row.share) != committed:
        raise ShareMismatch(place=place)


def _put(custody: Custody, request: KeepRequest, deposit: DepositStatement, named: bytes, place: int) -> None:
    proof = DepositProof(request.statement, request.session, request.certificate)
    escrow = request.escrow.commitments if request.escrow else None
    kept = KeptDeposit(
        named, deposit.id, deposit.alias, deposit.compartment, deposit.epoch, deposit.depositor, deposit.post,
        deposit.ground, deposit.source, deposit.intake, place, month_of(custody.clock.now()), proof.encode(), escrow,
    )  # fmt: skip
    commitments = [row.commitments for row in request.rows] or [()] * len(deposit.items)
    versions = [
        kept_version(item, deposit, named, known)
        for item, known in zip(deposit.items, commitments, strict=True)
    ]
    if any(custody.rows.version(version.handle) for version in versions):
        raise DepositConflict(why="a handle of another deposit")
    shares = [(item.handle, row.share) for item, row in zip(deposit.items, request.rows, strict=False)]
    if request.escrow is not None:
        shares.append((named, request.escrow.share))
    with custody.rows.transaction():
        custody.rows.put_deposit(kept, versions, shares)


def kept_version(
    item: DepositItem, deposit: DepositStatement, named: bytes, commitments: tuple[bytes, ...]
) -> KeptVersion:
    """A new row for an item; ``named`` is the deposit's digest, ``commitments`` are empty at a stand-in."""
    return KeptVersion(
        item.handle, named, deposit.alias, deposit.compartment, item.header, item.manifest, item.body, item.leaf,
        item.commitments, commitments, item.predecessor, item.author, item.signed, item.clinical_month,
    )  # fmt: skip


def _complete(custody: Custody, request: KeepRequest, deposit: DepositStatement, known: KeptDeposit) -> None:
    """Adds the shares that this custodian has not or has lost; never those of what was erased."""
    held = custody.rows.shares(deposit.alias)
    versions = {version.handle: version for version in custody.rows.versions_of(known.digest)}
    missing = [
        (item, row)
        for item, row in zip(deposit.items, request.rows, strict=False)
        if item.handle not in held and versions[item.handle].state not in GONE
    ]
    shares = [(item.handle, row.share) for item, row in missing]
    live = any(version.state not in GONE for version in versions.values())
    if request.escrow is not None and known.digest not in held and live:
        shares.append((known.digest, request.escrow.share))
    if not shares:
        return
    with custody.rows.transaction():
        custody.rows.put_shares(deposit.alias, known.month, shares)
        for item, row in missing:
            custody.rows.set_commitments(item.handle, row.commitments)


def _log(
    custody: Custody, view: LedgerView, statement: AliasStatement, deposit: DepositStatement, named: bytes
) -> None:
    if custody.journal.act(KIND, deposit.id) is not None:
        return
    event = Event(
        "kept",
        request=deposit.id,
        reader=deposit.post,
        employer=deposit.depositor,
        reason=deposit.ground,
        compartments=(deposit.compartment,),
        handles=tuple(item.handle for item in deposit.items),
    )
    with custody.journal.transaction():
        custody.journal.add_act(KIND, deposit.id, named, b"")
        logbook.write(custody, view, statement, event)
    logbook.grow(custody)


def month_of(at: int) -> str:
    """The month (UTC) of a unix time, ``YYYY-MM``."""
    return time.strftime("%Y-%m", time.gmtime(at))
