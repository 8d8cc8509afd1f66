"""A lost place's shares are remade by enrolment: t helpers, masked terms, nobody reconstructs.

1. Each helper splits its Lagrange term for the place into random parts, one for each helper, sealed to it.
2. Each helper adds up the parts that it got and seals the sums to the successor, with the rows that all keep alike.
3. The successor adds up the sums, checks every share against its commitment, keeps them, and gives a receipt.

Subjects are handles and, for the batch secret's shares, digests of deposit statements. What fewer than all
helpers hold is passed over. Old shares are destroyed by the order ``retire``. Repeating from step 1 is harmless.
"""

from __future__ import annotations

from careledger.domain.custody import KeptDeposit
from careledger.domain.errors import MalformedBytes, RequestRefused, ShareMismatch, StoreCorrupt
from careledger.formats.custody import (
    KeptBatch,
    KeptMark,
    RepairAnswer,
    RepairOrder,
    RepairRequest,
    RepairSums,
    RepairTerm,
)
from careledger.formats.deposits import AnchorNotice
from careledger.formats.digests import uint
from careledger.formats.patients import AliasStatement
from careledger.formats.releases import DepositProof
from careledger.formats.signed import open_signed
from careledger.ports import LedgerView
from careledger.sealing.keys import Secret, check_sealing_key, unwrap, wrap
from careledger.sealing.shamir import Share, repair_sum, repair_terms
from careledger.workflows.custodian import release, successor
from careledger.workflows.custodian.orders import LONGEST
from careledger.workflows.custodian.parts import Custody, alias_facts

AS_IT_CAME = ("kept", "unconfirmed", False)


def ordered(custody: Custody, view: LedgerView, request: RepairRequest) -> tuple[RepairOrder, AliasStatement]:
    """The order, signed by the present controller, in time, about the newest list; raises RequestRefused."""
    claimed = RepairOrder.decode(request.order.body)
    facts = alias_facts(view, claimed.alias)
    order = open_signed(RepairOrder, request.order, facts.controller, custody.deployment)
    statement = custody.statement(order.alias)
    if not custody.time(view) <= order.not_after <= custody.time(view) + LONGEST:
        raise RequestRefused(reason="not-after")
    places = range(1, len(statement.custodians) + 1)
    helpers = set(order.helpers)
    if len(helpers) != len(order.helpers) or not helpers <= set(places) or order.place in helpers:
        raise RequestRefused(reason="helpers")
    if order.place not in places or statement.custodians[order.place - 1] != order.successor:
        raise RequestRefused(reason="another-successor")
    return order, statement


def _place(custody: Custody, order: RepairOrder, statement: AliasStatement) -> int:
    place = custody.place(statement)
    if place not in order.helpers:
        raise RequestRefused(reason="not-a-helper")
    return place


def terms(custody: Custody, body: bytes) -> bytes:
    """Step 1, at a helper: takes a RepairRequest with the helpers' sealing keys; returns a RepairAnswer for them.

    Raises RequestRefused, SignatureRefused, DigestMismatch for a key that is not the ledger's.
    """
    request = RepairRequest.decode(body)
    view = custody.fresh_head()
    order, statement = ordered(custody, view, request)
    place = _place(custody, order, statement)
    if len(request.keys) != len(order.helpers):
        raise MalformedBytes(why="not a key for each helper")
    shares = _shares(custody, order)
    subjects = tuple(sorted(shares))
    parts = [
        repair_terms(Share(place, Secret(shares[subject])), order.helpers, order.place)
        for subject in subjects
    ]
    sealed = []
    for helper, key in zip(order.helpers, request.keys, strict=True):
        check_key(view, statement.custodians[helper - 1], key)
        values = tuple(part[helper].reveal() for part in parts)
        term = RepairTerm(order.id, place, helper, subjects, values)
        sealed.append(wrap(key, term.encode(), "repair-term", order.id, uint(place), uint(helper)))
    return RepairAnswer(tuple(sealed)).encode()


def check_key(view: LedgerView, custodian: int, key: bytes) -> None:
    """Raises RequestRefused, DigestMismatch unless this is that custodian's sealing key."""
    facts = view.custodian(custodian)
    if facts is None:
        raise RequestRefused(reason="not-a-custodian")
    check_sealing_key(key, facts.sealing_key)


def _shares(custody: Custody, order: RepairOrder) -> dict[bytes, bytes]:
    """The shares held, without those of batch secrets unless ordered; the successor keeps those of live versions."""
    held = custody.rows.shares(order.alias)
    if order.escrow:
        return held
    batches = {deposit.digest for deposit in custody.rows.deposits(order.alias)}
    return {subject: share for subject, share in held.items() if subject not in batches}


def sums(custody: Custody, body: bytes) -> bytes:
    """Step 2, at a helper: takes a RepairRequest with the parts sealed to it and the successor's key; returns a
    RepairAnswer with the one message for the successor. Raises as ``terms``, and CannotOpen."""
    request = RepairRequest.decode(body)
    view = custody.fresh_head()
    order, statement = ordered(custody, view, request)
    place = _place(custody, order, statement)
    if len(request.keys) != 1 or len(request.sealed) != len(order.helpers):
        raise MalformedBytes(why="not a part of each helper")
    check_key(view, order.successor, request.keys[0])
    parts = [
        _opened(custody, order, helper, place, sealed)
        for helper, sealed in zip(order.helpers, request.sealed, strict=True)
    ]
    common = sorted(set.intersection(*(set(part) for part in parts)))
    added = tuple(repair_sum(Secret(part[subject]) for part in parts).reveal() for subject in common)
    term = RepairTerm(order.id, place, order.place, tuple(common), added)
    made = _message(custody, order.alias, term)
    sealed = wrap(request.keys[0], made.encode(), "repair-sums", order.id, uint(place))
    return RepairAnswer((sealed,)).encode()


def _opened(
    custody: Custody, order: RepairOrder, sender: int, receiver: int, sealed: bytes
) -> dict[bytes, bytes]:
    opened = unwrap(custody.keys.sealing, sealed, "repair-term", order.id, uint(sender), uint(receiver))
    term = RepairTerm.decode(opened)
    if (term.order, term.sender, term.receiver) != (order.id, sender, receiver):
        raise MalformedBytes(why="a part of another repair")
    if len(term.subjects) != len(term.terms):
        raise MalformedBytes(why="not a term for each subject")
    return dict(zip(term.subjects, term.terms, strict=True))


def _message(custody: Custody, alias: bytes, term: RepairTerm) -> RepairSums:
    deposits = custody.rows.deposits(alias)
    compartments = sorted({deposit.compartment for deposit in deposits})
    epochs = tuple(kept.signed for each in compartments for kept in custody.journal.epochs(alias, each))
    batches = tuple(_batch(custody, each) for each in deposits)
    return RepairSums(term, batches, epochs, release.acceptances(custody.rows.versions(alias)))


def _batch(custody: Custody, deposit: KeptDeposit) -> KeptBatch:
    items, versions, at = (
        custody.rows.items(deposit.digest),
        custody.rows.versions_of(deposit.digest),
        deposit.anchoring,
    )
    if items is None:
        raise StoreCorrupt(what="the items of a deposit")
    return KeptBatch(
        DepositProof.decode(deposit.proof),
        items,
        b"".join(version.all_commitments for version in versions),
        deposit.escrow,
        None if at is None else AnchorNotice(deposit.id, at.root, at.size, at.first, at.outside),
        tuple(
            KeptMark(version.position, version.state, version.mark, version.accepted)
            for version in versions
            if (version.state, version.mark, version.accepted) != AS_IT_CAME
        ),
    )


def finish(custody: Custody, body: bytes) -> bytes:
    """Step 3, at the successor: takes a RepairRequest with the helpers' messages; returns a signed receipt about the
    order, counting the versions whose shares are held now.

    Raises RequestRefused, CannotOpen, MalformedBytes, and ShareMismatch if a helper lied (kept as evidence).
    """
    request = RepairRequest.decode(body)
    view = custody.fresh_head()
    order, statement = ordered(custody, view, request)
    if order.successor != custody.party or len(request.sealed) != len(order.helpers):
        raise RequestRefused(reason="another-successor")
    messages = [
        RepairSums.decode(unwrap(custody.keys.sealing, sealed, "repair-sums", order.id, uint(helper)))
        for helper, sealed in zip(order.helpers, request.sealed, strict=True)
    ]
    for helper, message in zip(order.helpers, messages, strict=True):
        said = (message.terms.order, message.terms.sender, message.terms.receiver)
        if said != (order.id, helper, order.place):
            raise MalformedBytes(why="sums of another repair")
    try:
        count = successor.take(custody, view, order, statement, messages)
    except ShareMismatch:
        with custody.journal.transaction():
            custody.journal.add_evidence("repair", body)
        raise
    return custody.receipt(view, RepairOrder.TYPE, order.digest(), count)
