"""Whether a deposit may be kept: who signed it, in which session, under which epoch and ground, decided per item.

A deposit is judged at the fresh head and now; one that comes late with the proof of its anchoring is judged as at
the anchoring block, so that nobody has to sign again and nobody can backdate.
"""

from __future__ import annotations

from dataclasses import dataclass

from careledger.domain.categories import Compartment
from careledger.domain.consents import Consent, bound_alias
from careledger.domain.decisions import require
from careledger.domain.errors import EpochRefused, MalformedBytes, PatientNotFound, WritingRefused
from careledger.domain.facts import AliasFacts
from careledger.domain.matrix import VERSIONS, Matrix
from careledger.domain.parties import PartyId
from careledger.domain.questions import Writing
from careledger.domain.records import Ground, Post, RecordVersion, Source
from careledger.formats.deposits import DepositItem, DepositStatement, KeepRequest
from careledger.formats.patients import AliasStatement, EpochRecord, EpochStatement
from careledger.formats.signed import open_signed
from careledger.ports import LedgerView
from careledger.proofs.merkle import check_inclusion
from careledger.workflows.custodian import standing
from careledger.workflows.custodian.keep_epoch import check_current
from careledger.workflows.custodian.parts import Custody, known_alias

LATEST = 120  # seconds that a deposit may be on its way


@dataclass(frozen=True)
class Judged:
    """The facts by which a deposit is judged: at one block, at one second."""

    view: LedgerView
    at: int
    facts: AliasFacts
    depositor: Post | None
    matrix: Matrix
    by_controller: bool
    consent: Consent | None


def check_writing(
    custody: Custody,
    view: LedgerView,
    request: KeepRequest,
    deposit: DepositStatement,
    statement: AliasStatement,
) -> None:
    """Raises WritingRefused, EpochRefused, SessionExpired, SignatureRefused, MalformedBytes."""
    moment = view if request.anchor is None else _anchoring_view(custody, view, request, deposit)
    at = custody.time(view) if request.anchor is None else moment.head.time
    _check_epoch(custody, deposit, at)
    judged = _judged(custody, moment, at, request, deposit)
    taken = custody.rows.intakes(deposit.alias, deposit.compartment, deposit.depositor, deposit.source)
    used = not deposit.intake or bool(taken)  # a deposit is judged once, before it is kept
    authors = standing.Authors(moment)
    within = {item.handle: item for item in deposit.items}
    for item in deposit.items:
        require(_question(custody, judged, statement, deposit, item, used, authors, within))


def _anchoring_view(
    custody: Custody, view: LedgerView, request: KeepRequest, deposit: DepositStatement
) -> LedgerView:
    """The ledger as it was when this very deposit was anchored."""
    notice = request.anchor
    assert notice is not None
    known = view.anchor(notice.root)
    if known is None or known.count != notice.size or notice.deposit != deposit.id:
        raise WritingRefused(reason="not-anchored")
    places = {place.handle: place for place in notice.places}
    for item in deposit.items:
        if item.handle not in places:
            raise WritingRefused(reason="not-anchored")
        place = places[item.handle]
        check_inclusion(notice.root, notice.size, place.index, item.leaf, place.path)
        if view.erased_by(item.leaf):
            raise WritingRefused(reason="erased")  # late shares would bring it back
    return custody.ledger.at(known.block)


def _check_epoch(custody: Custody, deposit: DepositStatement, at: int) -> None:
    check_current(custody, deposit.alias, deposit.compartment, deposit.epoch, at)
    for kept in custody.rows.epochs(deposit.alias, deposit.compartment):
        if kept.number != deposit.epoch:
            continue
        if kept.digest != deposit.epoch_statement:
            raise EpochRefused(number=deposit.epoch, why="another statement")
        epoch = EpochStatement.decode(EpochRecord.decode(kept.signed).statement.body)
        if epoch.escrow != (deposit.escrow is not None):
            raise MalformedBytes(why="escrow is not as the epoch statement says")


def _judged(
    custody: Custody, view: LedgerView, at: int, request: KeepRequest, deposit: DepositStatement
) -> Judged:
    facts = known_alias(view, deposit.alias)
    certificate, deployment = request.certificate, custody.deployment
    consent = None if certificate is None else standing.consent(view, facts, certificate, deployment)
    matrix = VERSIONS[view.matrix_version()]
    if request.session is None:
        if deposit.ground != Ground.OWN.code or deposit.depositor or deposit.post:
            raise MalformedBytes(why="only the controller deposits without a session")
        open_signed(DepositStatement, request.statement, facts.controller, deployment)
        return Judged(view, at, facts, None, matrix, True, consent)
    session, post = standing.session(view, request.session, deployment)
    standing.check_time(session, deposit.made)
    standing.check_time(session, at)
    open_signed(DepositStatement, request.statement, session.session_key, deployment)
    if session.post != deposit.post or deposit.depositor not in (post.employer, post.number):
        raise WritingRefused(reason="depositor-mismatch")
    if not deposit.made - LATEST <= at:
        raise WritingRefused(reason="made-later")
    teams = (consent.grantee.number,) if consent else ()
    return Judged(view, at, facts, standing.post(view, post, teams), matrix, False, consent)


def _question(
    custody: Custody,
    judged: Judged,
    statement: AliasStatement,
    deposit: DepositStatement,
    item: DepositItem,
    intake_used: bool,
    authors: standing.Authors,
    within: dict[bytes, DepositItem],
) -> Writing:
    return Writing(
        version=_version(deposit, item, authors),
        patient=standing.patient(judged.facts, statement),
        matrix=judged.matrix,
        at=judged.at,
        depositor=judged.depositor,
        author=authors.post(item.author) if item.signed else None,
        by_controller=judged.by_controller,
        consent=judged.consent,
        intake_used=intake_used,
        predecessor=_predecessor(custody, deposit, item, authors, within),
        bound_to=bound_alias(judged.consent, item.author),
    )


def _version(deposit: DepositStatement, item: DepositItem, authors: standing.Authors) -> RecordVersion:
    employer = authors.employer(item.author)
    return RecordVersion(
        deposit.alias,
        item.handle,
        Compartment.numbered(deposit.compartment),
        Source.of(deposit.source),
        Ground.of(deposit.ground),
        PartyId(deposit.depositor) if deposit.depositor else None,
        PartyId(item.author) if item.author else None,
        PartyId(employer) if employer else None,
        item.signed,
        item.clinical_month,
        frozenset({item.handle} if item.predecessor is None else {item.handle, item.predecessor}),
    )


def _predecessor(
    custody: Custody,
    deposit: DepositStatement,
    item: DepositItem,
    authors: standing.Authors,
    within: dict[bytes, DepositItem],
) -> RecordVersion | None:
    """The version that this one follows, if it is known here; readers, who have all, decide again."""
    if item.predecessor is None:
        return None
    if item.predecessor in within:
        return _version(deposit, within[item.predecessor], authors)
    kept = custody.rows.version(item.predecessor)
    earlier = custody.rows.deposit(kept.deposit) if kept is not None else None
    if kept is None or earlier is None:
        return None
    if kept.alias != deposit.alias:
        raise PatientNotFound()
    return standing.record_version(kept, earlier, authors.employer(kept.author), frozenset({kept.handle}))
