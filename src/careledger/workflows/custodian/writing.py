"""Whether a deposit may be kept: who signed it, in which session, under which epoch and ground, decided per item.

A deposit is judged at the fresh head and now; one that comes late with the proof of its anchoring is judged as at
the anchoring block, so that nobody has to sign again and nobody can backdate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from careledger.domain.categories import Compartment
from careledger.domain.consents import Consent, bound_alias
from careledger.domain.decisions import require
from careledger.domain.errors import EpochRefused, MalformedBytes, WritingRefused
from careledger.domain.facts import AliasFacts, PartyFacts
from careledger.domain.matrix import VERSIONS, Matrix
from careledger.domain.parties import PartyId
from careledger.domain.questions import Writing
from careledger.domain.records import Ground, Post, RecordVersion, Source
from careledger.formats.deposits import DepositItem, DepositStatement, KeepRequest, KeptPart
from careledger.formats.patients import AliasStatement, EpochRecord, EpochStatement
from careledger.formats.sessions import SessionStatement
from careledger.formats.signatures import Address
from careledger.formats.signed import check_signed
from careledger.ports import LedgerView
from careledger.proofs.runs import Run, leaf_hashes
from careledger.workflows.custodian import standing
from careledger.workflows.custodian.keep_epoch import check_current
from careledger.workflows.custodian.parts import Custody, known_alias

LATEST = 120  # seconds that a deposit may be on its way


@dataclass(frozen=True)
class Judged:
    """The facts by which deposits of one request are judged: at one block, at one second."""

    at: int
    facts: AliasFacts
    session: SessionStatement | None
    post: PartyFacts | None
    depositor: Post | None
    matrix: Matrix
    consent: Consent | None
    authors: standing.Authors

    @property
    def signer(self) -> Address:
        """Whose signature the deposit statement needs: the session's, or without one the controller's."""
        return self.facts.controller if self.session is None else self.session.session_key


class Sent(Protocol):
    """A part of a request, read and checked in itself."""

    @property
    def sent(self) -> KeptPart: ...
    @property
    def deposit(self) -> DepositStatement: ...
    @property
    def items(self) -> list[DepositItem]: ...
    @property
    def leaves(self) -> list[bytes]: ...


class Judging:
    """The parts of one request, judged one after the other; what they have in common is looked up once."""

    def __init__(
        self, custody: Custody, view: LedgerView, request: KeepRequest, statement: AliasStatement
    ) -> None:
        self._custody, self._view, self._request, self._statement = custody, view, request, statement
        self._known: dict[tuple[bytes, int], Judged] = {}

    def check(self, part: Sent) -> None:
        """Raises WritingRefused, EpochRefused, SessionExpired, SignatureRefused, MalformedBytes."""
        custody, deposit, late = self._custody, part.deposit, part.sent.anchor is not None
        moment = _anchoring_view(custody, self._view, part) if late else self._view
        at = moment.head.time if late else custody.time(self._view)
        _check_epoch(custody, deposit, at)
        judged = self._judged(moment, at, deposit.alias)
        _check_signed(custody, judged, part)
        used = not deposit.intake or _intake_taken(custody, deposit)
        earlier = _earlier(custody, part, judged.authors)
        for item in _differing(part, judged.consent):
            require(_question(judged, self._statement, deposit, item, used, earlier))

    def _judged(self, view: LedgerView, at: int, alias: bytes) -> Judged:
        known = self._known.get((alias, view.head.number))
        if known is None or known.at != at:
            known = _judged(self._custody, view, at, self._request, alias)
            self._known[alias, view.head.number] = known
        return known


def _intake_taken(custody: Custody, deposit: DepositStatement) -> bool:
    """Whether the depositor has had its one intake; a deposit is judged once, before it is kept."""
    where = deposit.alias, deposit.compartment, deposit.depositor, deposit.source
    return bool(custody.rows.intakes(*where))


def _differing(part: Sent, consent: Consent | None) -> list[DepositItem]:
    """Those that the decision could tell apart: first versions of one author and signature are alike, under a consent
    of one month too, unless it names single records."""
    if consent is None and not part.sent.items.words:
        return [part.sent.items.plain(0)]
    single = consent is not None and (consent.scope.handles is not None or bool(consent.scope.exceptions))
    first: dict[object, DepositItem] = {}
    for item in part.items:
        own = item.handle if single or item.predecessor is not None else None
        month = None if consent is None else item.clinical_month
        first.setdefault((item.author, item.signed, month, own), item)
    return list(first.values())


def _anchoring_view(custody: Custody, view: LedgerView, part: Sent) -> LedgerView:
    """The ledger as it was when this very deposit was anchored."""
    notice = part.sent.anchor
    assert notice is not None
    known = view.anchor(notice.root)
    if known is None or known.count != notice.size or notice.deposit != part.deposit.id:
        raise WritingRefused(reason="not-anchored")
    Run(notice.size, notice.first, leaf_hashes(part.leaves), notice.outside).check(notice.root)
    if any(view.erased_by(leaf) for leaf in part.leaves):
        raise WritingRefused(reason="erased")  # late shares would bring it back
    return custody.ledger.at(known.block)


def _check_epoch(custody: Custody, deposit: DepositStatement, at: int) -> None:
    epochs = custody.journal.epochs(deposit.alias, deposit.compartment, deposit.epoch)
    check_current(epochs, deposit.epoch, at)
    for kept in epochs:
        if kept.number != deposit.epoch:
            continue
        if kept.digest != deposit.epoch_statement:
            raise EpochRefused(number=deposit.epoch, why="another statement")
        if _leaves_escrow(kept.signed) != (deposit.escrow is not None):
            raise MalformedBytes(why="escrow is not as the epoch statement says")


@lru_cache(maxsize=256)
def _leaves_escrow(record: bytes) -> bool:
    """What an encoded epoch record says of escrow."""
    return EpochStatement.decode(EpochRecord.decode(record).statement.body).escrow


def _judged(custody: Custody, view: LedgerView, at: int, request: KeepRequest, alias: bytes) -> Judged:
    facts = known_alias(view, alias)
    certificate, deployment = request.certificate, custody.deployment
    consent = None if certificate is None else standing.consent(view, facts, certificate, deployment)
    matrix, authors = VERSIONS[view.matrix_version()], standing.Authors(view)
    if request.session is None:
        return Judged(at, facts, None, None, None, matrix, consent, authors)
    session, post = standing.session(view, request.session, deployment)
    teams = (consent.grantee.number,) if consent else ()
    depositor = standing.post(view, post, teams)
    return Judged(at, facts, session, post, depositor, matrix, consent, authors)


def _check_signed(custody: Custody, judged: Judged, part: Sent) -> None:
    """The deposit statement is signed by who says so, in a session that lives."""
    deposit, session, post = part.deposit, judged.session, judged.post
    if session is None or post is None:
        if deposit.ground != Ground.OWN.code or deposit.depositor or deposit.post:
            raise MalformedBytes(why="only the controller deposits without a session")
        check_signed(DepositStatement, part.sent.statement, judged.signer, custody.deployment)
        return
    standing.check_time(session, deposit.made)
    standing.check_time(session, judged.at)
    check_signed(DepositStatement, part.sent.statement, judged.signer, custody.deployment)
    if session.post != deposit.post or deposit.depositor not in (post.employer, post.number):
        raise WritingRefused(reason="depositor-mismatch")
    if not deposit.made - LATEST <= judged.at:
        raise WritingRefused(reason="made-later")


def _question(
    judged: Judged,
    statement: AliasStatement,
    deposit: DepositStatement,
    item: DepositItem,
    intake_used: bool,
    earlier: Mapping[bytes, RecordVersion],
) -> Writing:
    authors = judged.authors
    return Writing(
        version=_version(deposit, item, authors),
        patient=standing.patient(judged.facts, statement),
        matrix=judged.matrix,
        at=judged.at,
        depositor=judged.depositor,
        author=authors.post(item.author) if item.signed else None,
        by_controller=judged.session is None,
        consent=judged.consent,
        intake_used=intake_used,
        predecessor=None if item.predecessor is None else earlier.get(item.predecessor),
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


def _earlier(custody: Custody, part: Sent, authors: standing.Authors) -> dict[bytes, RecordVersion]:
    """The versions that those of a part follow, by handle, as far as they are known here; readers, who have all, decide
    again."""
    wanted = {said.predecessor for said in part.sent.items.words if said.predecessor is not None}
    within = {each.handle: each for each in part.items if each.handle in wanted} if wanted else {}
    found = {handle: _version(part.deposit, each, authors) for handle, each in within.items()}
    kept = custody.rows.named(part.deposit.alias, wanted - within.keys())
    deposits = {each: custody.rows.deposit(each) for each in {version.deposit for version in kept.values()}}
    for handle, version in kept.items():
        if (deposit := deposits[version.deposit]) is not None:
            employer = authors.employer(version.author)
            found[handle] = standing.record_version(version, deposit, employer, frozenset({handle}))
    return found
