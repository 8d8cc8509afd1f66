"""A deposit is kept: checked item by item, decided, durable, then acknowledged.

Order of effects: rows and shares of all its parts, journal (a log line), receipt. The same deposit again (same ids and
digests) adds what was missing, shares above all, and gives the receipt again; another deposit under a known id is
refused. One part that is refused keeps all of them out.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from careledger.domain.custody import KeptDeposit
from careledger.domain.errors import DepositConflict, MalformedBytes, ShareMismatch
from careledger.formats.cids import check_cid
from careledger.formats.deposits import (
    DepositItem,
    DepositStatement,
    KeepRequest,
    KeptPart,
    ShareRow,
    deposited,
    sliced,
)
from careledger.formats.digests import digest
from careledger.formats.patients import AliasStatement
from careledger.formats.releases import DepositProof
from careledger.ports import LedgerView
from careledger.proofs.anchors import commitment_roots, share_commitment, share_commitments
from careledger.proofs.items import ItemTree, item_tree
from careledger.proofs.runs import folded, leaf_hashes
from careledger.sealing.shamir import P
from careledger.workflows.custodian import anchored, logbook
from careledger.workflows.custodian.logbook import Event
from careledger.workflows.custodian.parts import Custody
from careledger.workflows.custodian.writing import Judging

KIND = "kept"
GONE = ("erased", "moved")
MOST_REMEMBERED = 128
_P = P.to_bytes(32, "big")


@dataclass(frozen=True)
class Part:
    """One batch of a request, read and checked in itself; ``named`` is the digest of the bytes that were signed."""

    sent: KeptPart
    deposit: DepositStatement
    named: bytes
    tree: ItemTree

    @property
    def leaves(self) -> list[bytes]:
        """What the ledger calls its versions."""
        return self.tree.leaves

    @cached_property
    def items(self) -> list[DepositItem]:
        """The items one by one."""
        return self.sent.items.rows()


def keep(custody: Custody, body: bytes) -> bytes:
    """Takes a KeepRequest; returns a signed receipt about its deposit statements (``deposited``).

    Raises PatientNotFound, SignatureRefused, SessionExpired, EpochRefused, WritingRefused, ShareMismatch,
    MalformedBytes, DepositConflict.
    """
    request = KeepRequest.decode(body)
    parts = [read_part(part.statement.body, part) for part in request.parts]
    if not parts or len({part.deposit.alias for part in parts}) != 1:
        raise MalformedBytes(why="not parts of one patient's deposit")
    view = custody.fresh_head()
    statement = custody.statement(parts[0].deposit.alias)
    place, places = custody.place(statement), len(statement.custodians)
    there = custody.rows.deposits_named([part.deposit.id for part in parts])
    known = [there.get(part.deposit.id) for part in parts]
    for part, before in zip(parts, known, strict=True):
        if before is not None and before.digest != part.named:
            raise DepositConflict()
        _check_shares(part, request.place, place, places)
    new = [part for part, before in zip(parts, known, strict=True) if before is None]
    judging = Judging(custody, view, request, statement)
    for part in new:
        judging.check(part)
    _check_handles(custody, statement.alias, new)
    with custody.rows.transaction():
        for part, before in zip(parts, known, strict=True):
            if before is None:
                _put(custody, request, part, place)
            else:
                _complete(custody, part, before)
        late = [part.sent.anchor for part in parts if part.sent.anchor is not None]
        anchored.place(custody, view, late)
    _remember(custody, new)
    subject = deposited(part.named for part in parts)
    _log(custody, view, statement, request, parts, subject)
    return custody.receipt(view, KeepRequest.TYPE, subject, sum(len(part.leaves) for part in parts))


def read_part(signed: bytes, part: KeptPart) -> Part:
    """A part whose items are those that its statement names; raises MalformedBytes."""
    deposit, handles = DepositStatement.decode(signed), part.items.columns.handles
    check_cid(part.items.header)
    tree = item_tree(part.items)
    if len(handles) != deposit.count or not hmac.compare_digest(tree.root, deposit.items):
        raise MalformedBytes(why="other items than the statement names")
    if len(set(handles)) != len(handles):
        raise MalformedBytes(why="a handle twice")
    return Part(part, deposit, digest(DepositStatement.TYPE, signed), tree)


def _check_shares(part: Part, stated: int, place: int, places: int) -> None:
    """Shares and escrow are what the statement commits to. Raises MalformedBytes, ShareMismatch."""
    deposit, sent = part.deposit, part.sent
    if stated != place:
        raise ShareMismatch(place=stated, why="another place")
    check_columns(sent.items.commitments, sent.shares, sent.commitments, place, places)
    if (deposit.escrow is None) != (sent.escrow is None):
        raise MalformedBytes(why="escrow is not as the statement says")
    if deposit.escrow is not None and sent.escrow is not None:
        check_share(deposit.escrow, sent.escrow, place, places)


def check_columns(roots: bytes, shares: bytes, commitments: bytes, place: int, places: int) -> None:
    """Raises MalformedBytes, ShareMismatch unless these are the shares of that place under the items' roots, or none
    at all; all three are columns."""
    if not shares and not commitments:
        return
    if len(shares) != len(roots) or len(commitments) != places * len(roots):
        raise MalformedBytes(why="not a share and its commitments for each item")
    values = sliced(shares, 32)
    if max(values) >= _P:
        raise ShareMismatch(place=place, why="not below p")
    right = share_commitments(place, values) == sliced(commitments, 32)[place - 1 :: places]
    if not right or commitment_roots(commitments, places) != roots:
        raise ShareMismatch(place=place)


def check_share(root: bytes, row: ShareRow, place: int, places: int) -> None:
    """Raises ShareMismatch unless this is the share of that place under that root of ``places`` commitments."""
    if row.place != place or len(row.commitments) != places:
        raise ShareMismatch(place=row.place, why="another place")
    if row.share >= _P:
        raise ShareMismatch(place=place, why="not below p")
    right = share_commitment(place, row.share) == row.commitments[place - 1]
    if not right or folded(leaf_hashes(row.commitments)) != root:
        raise ShareMismatch(place=place)


def _check_handles(custody: Custody, alias: bytes, parts: Sequence[Part]) -> None:
    """No handle stands in two deposits of a patient; raises DepositConflict."""
    taken = set(custody.rows.handles(alias)) if parts else set()
    for part in parts:
        handles = part.sent.items.columns.handles
        if not taken.isdisjoint(handles):
            raise DepositConflict(why="a handle of another deposit")
        taken.update(handles)


def _put(custody: Custody, request: KeepRequest, part: Part, place: int) -> None:
    proof = DepositProof(part.sent.statement, request.session, request.certificate)
    escrow = part.sent.escrow.commitments if part.sent.escrow else None
    kept = kept_deposit(part.deposit, part.named, place, month_of(custody.clock.now()), proof, escrow)
    custody.rows.put_deposit(kept, part.sent.items, part.sent.commitments)
    shares = _shares(part)
    if shares:
        custody.rows.put_shares(part.named, shares)


def _remember(custody: Custody, parts: Sequence[Part]) -> None:
    """The items of what is in the rows now: its anchor is mostly told next."""
    for part in parts[-MOST_REMEMBERED:]:
        custody.just_kept[part.deposit.id] = part.named, part.tree
    while len(custody.just_kept) > MOST_REMEMBERED:
        custody.just_kept.pop(next(iter(custody.just_kept)))


def _shares(part: Part) -> dict[bytes, bytes]:
    """Subject → share, of everything that this part brings."""
    handles = part.sent.items.columns.handles
    shares = dict(zip(handles, sliced(part.sent.shares, 32), strict=False))
    if part.sent.escrow is not None:
        shares[part.named] = part.sent.escrow.share
    return shares


def kept_deposit(
    deposit: DepositStatement,
    named: bytes,
    place: int,
    month: str,
    proof: DepositProof,
    escrow: tuple[bytes, ...] | None,
) -> KeptDeposit:
    """A new row for a deposit; ``named`` is its statement's digest."""
    return KeptDeposit(
        named, deposit.id, deposit.alias, deposit.compartment, deposit.epoch, deposit.depositor, deposit.post,
        deposit.ground, deposit.source, deposit.intake, place, month, proof.encode(), escrow,
    )  # fmt: skip


def _complete(custody: Custody, part: Part, known: KeptDeposit) -> None:
    """Adds the shares that this custodian has not or has lost; never those of what was erased."""
    held = custody.rows.shares(known.alias, (known.digest,))
    versions = custody.rows.versions_of(known.digest)
    wanted = {version.handle for version in versions if version.state not in GONE}
    if wanted:
        wanted.add(known.digest)
    missing = {
        subject: share
        for subject, share in _shares(part).items()
        if subject in wanted and subject not in held
    }
    if missing:
        custody.rows.put_shares(known.digest, missing)
    if part.sent.commitments and not all(version.all_commitments for version in versions):
        custody.rows.set_commitments(known.digest, part.sent.commitments)


def _log(
    custody: Custody,
    view: LedgerView,
    statement: AliasStatement,
    request: KeepRequest,
    parts: Sequence[Part],
    subject: bytes,
) -> None:
    """One line for the whole request; ``commitment`` is what the receipt is about and stands for the handles."""
    if custody.journal.act(KIND, request.id) is not None:
        return
    first = parts[0].deposit
    event = Event(
        "kept",
        request=request.id,
        reader=first.post,
        employer=first.depositor,
        reason=first.ground,
        commitment=subject,
        compartments=tuple(sorted({part.deposit.compartment for part in parts})),
    )
    with custody.journal.transaction():
        custody.journal.add_act(KIND, request.id, subject, b"")
        logbook.write(custody, view, statement, event)


def month_of(at: int) -> str:
    """The month (UTC) of a unix time, ``YYYY-MM``."""
    return time.strftime("%Y-%m", time.gmtime(at))
