"""Shares are released: one request, all checks at one block, logged, then answered.

Order of effects: the log line with the request's id (and the alarm, the count), durable; only then the answer,
signed by the custodian and sealed to the request's one-time key. A refusal by one who could be named is logged too.
A custodian whose log is not anchored within 60 seconds answers nobody until it is, but for an emergency while the
ledger stands still (emergencies.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from careledger.domain.categories import Compartment
from careledger.domain.consents import Consent
from careledger.domain.custody import KeptDeposit, KeptVersion
from careledger.domain.decisions import decide
from careledger.domain.errors import AccessRefused, CareLedgerError, RecordNotFound, RequestRefused
from careledger.domain.matrix import VERSIONS, Matrix
from careledger.domain.questions import Action, BreakGlass, DeathDecision, GeneralUse, Reading
from careledger.domain.reasons import Permitted, Refused, Rule
from careledger.domain.records import Ground, Patient, RecordVersion, Source
from careledger.formats.deposits import sliced
from careledger.formats.releases import (
    WITHOUT_LEDGER,
    AcceptanceProof,
    Answer,
    DepositProof,
    ReleasedRow,
    SignedRequest,
)
from careledger.formats.signed import sign
from careledger.proofs.merkle import inclusion_path
from careledger.sealing.keys import wrap
from careledger.workflows.custodian import (
    after_death,
    checkpoint,
    emergencies,
    logbook,
    standing,
    stands,
)
from careledger.workflows.custodian.agreement import general_use
from careledger.workflows.custodian.asking import (
    DAY,
    Asking,
    authentic,
    broken_glass,
    check_rules,
    consent_of,
)
from careledger.workflows.custodian.logbook import Event
from careledger.workflows.custodian.parts import Custody, known_alias
from careledger.workflows.custodian.paths import Paths, paths

ESCROWED = (Rule.BREAK_GLASS, Rule.GENERAL, Rule.OFFICERS)
NAMING_ENTRIES = (Rule.BREAK_GLASS, Rule.OFFICERS)


@dataclass(frozen=True)
class Released:
    """What may be given out: versions with their deposits, and the officers without whom it may not."""

    versions: tuple[KeptVersion, ...]
    deposits: dict[bytes, KeptDeposit]
    officers: tuple[int, ...] = ()


def release(custody: Custody, body: bytes) -> bytes:
    """Takes a SignedRequest; returns the sealed, signed Answer (HPKE context ``answer``, request digest).

    Raises PatientNotFound, SignatureRefused, PartyNotFound, RequestRefused, SessionExpired, LedgerStale, AccessRefused
    (with ``reason``, a code, and ``because``), RecordNotFound, CustodianBehind.
    """
    signed = SignedRequest.decode(body)
    view, stood = emergencies.head_for(custody, signed)
    statement = custody.statement(signed.request.alias)
    asking = authentic(custody, view, signed, statement, known_alias(view, signed.request.alias))
    asking = replace(asking, stood=stood)
    if custody.journal.seen(asking.request.id):
        raise RequestRefused(reason="replayed")
    try:
        check_rules(custody, asking)
        if stood is None:  # a ledger that stands still takes no checkpoint either
            checkpoint.check_anchored_in_time(custody)
        released = permitted(custody, asking)
    except CareLedgerError as refusal:
        _log(custody, asking, "refused", reason=_code(refusal))
        raise
    entry = _log(custody, asking, "released", released)
    stands.remember(custody, asking, released.versions)
    return _answer(custody, asking, released, entry)


def permitted(custody: Custody, asking: Asking) -> Released:
    """The versions that this request may have; raises AccessRefused if nothing it asks for is open to it.

    An empty answer is one to a request that was permitted and found nothing.
    """
    basis = _Basis(
        standing.patient(asking.facts, asking.statement),
        VERSIONS[asking.view.matrix_version()],
        consent_of(custody, asking) if asking.rule is Rule.CONSENT else None,
        _glass(custody, asking) if asking.rule is Rule.BREAK_GLASS else None,
        general_use(custody, asking) if asking.rule is Rule.GENERAL else None,
        after_death.decision(custody, asking) if asking.rule is Rule.OFFICERS else None,
    )
    everything = _looked_at(custody, asking, basis.consent)
    asked = _asked(asking, everything)
    deposits = _deposits(custody, asked)
    records = standing.records(everything)
    authors = standing.Authors(asking.view)
    found, refusals = [], []
    for kept in asked:
        deposit = deposits[kept.deposit]
        version = standing.record_version(kept, deposit, authors.employer(kept.author), records[kept.handle])
        decision = decide(_question(asking, basis, version, kept))
        if isinstance(decision, Permitted):
            found.append(kept)
        else:
            refusals.append(decision)
    if not found:
        _check_open(asking, basis, refusals)
    return Released(tuple(found), deposits, basis.officers)


@dataclass(frozen=True)
class _Basis:
    """What all questions about a request share: the patient, the matrix, and what its rule stands on."""

    patient: Patient
    present: Matrix
    consent: Consent | None
    glass: BreakGlass | None
    general: GeneralUse | None
    decided: DeathDecision | None

    @property
    def officers(self) -> tuple[int, ...]:
        """Who agreed to what is not permitted otherwise."""
        if self.decided is not None:
            return tuple(officer.party.number for officer in self.decided.officers)
        agreed = self.general.agreement if self.general is not None else None
        return () if agreed is None else (agreed.officer.party.number,)


def _glass(custody: Custody, asking: Asking) -> BreakGlass | None:
    return broken_glass(asking) if asking.stood is None else emergencies.signed_glass(custody, asking)


def _looked_at(custody: Custody, asking: Asking, consent: Consent | None) -> list[KeptVersion]:
    """Those in the compartments that are asked for, so that what a reader may not see costs no work either; all where
    the request or the consent names records, whose versions may lie in any."""
    request = asking.request
    named = request.handles is not None or (consent is not None and consent.scope.exceptions)
    return custody.rows.versions(request.alias, None if named else sorted(request.compartments))


def _asked(asking: Asking, versions: Iterable[KeptVersion]) -> list[KeptVersion]:
    """Those that the request names, by their handles or their compartments, as of its block."""
    request = asking.request
    if request.handles is not None:
        handles = frozenset(request.handles)
        named = [kept for kept in versions if kept.handle in handles]
    else:
        named = [kept for kept in versions if kept.compartment in request.compartments]
    if not request.as_of:
        return named
    return [kept for kept in named if kept.anchoring is not None and kept.anchoring.block <= request.as_of]


def _deposits(custody: Custody, versions: Iterable[KeptVersion]) -> dict[bytes, KeptDeposit]:
    """The deposits that these versions came in, by their digests."""
    named = {kept.deposit: None for kept in versions}
    found = (custody.rows.deposit(digest) for digest in named)
    return {deposit.digest: deposit for deposit in found if deposit is not None}


def _question(
    asking: Asking, basis: _Basis, version: RecordVersion, kept: KeptVersion | None = None
) -> Reading:
    at = kept.anchoring if kept is not None else None
    return Reading(
        action=Action.RELEASE,
        rule=asking.rule,
        version=version,
        patient=basis.patient,
        purpose=asking.purpose,
        present=basis.present,
        anchored=basis.present if at is None else VERSIONS[at.matrix],
        at=asking.at,
        reader=asking.reader,
        by_controller=asking.rule is Rule.OWN,
        consent=basis.consent,
        general=basis.general,
        break_glass=basis.glass,
        decision=basis.decided,
    )


def _check_open(asking: Asking, basis: _Basis, refusals: list[Refused]) -> None:
    """Nothing is given out: raises unless one of the named compartments would be open to this request."""
    request = asking.request
    for number in request.compartments if request.handles is None else ():
        probe = RecordVersion(
            request.alias, bytes(32), Compartment.numbered(number), Source.SIGNED, Ground.OWN
        )
        decision = decide(_question(asking, basis, probe))
        if isinstance(decision, Permitted):
            return
        refusals.append(decision)
    if not refusals:
        raise RecordNotFound()
    raise AccessRefused(reason=refusals[0].reason.code, because=refusals[0].explanation)


def _code(refusal: CareLedgerError) -> str:
    return str(refusal.details.get("reason", type(refusal).__name__))[:64]


def _log(
    custody: Custody, asking: Asking, event: str, released: Released | None = None, reason: str = ""
) -> bytes:
    """The line (and the alarm, and the count) durable; returns the digest of the sealed entry."""
    request = asking.request
    versions = released.versions if released is not None else ()
    without = released is not None and asking.stood is not None
    line = Event(
        event,
        request=request.id,
        reader=request.reader,
        employer=request.employer,
        session=request.session,
        person_proof=asking.person_proof,
        rule=asking.rule.code,
        commitment=request.entry if asking.rule in NAMING_ENTRIES else request.commitment,
        purpose=request.purpose,
        reason=WITHOUT_LEDGER if without else reason,
        compartments=tuple(sorted({version.compartment for version in versions} | set(request.compartments))),
        handles=tuple(version.handle for version in versions),
        custodians=request.custodians,
        officers=released.officers if released is not None else (),
    )
    with custody.journal.transaction():
        custody.journal.remember(request.id, request.not_after)  # burnt for good, whatever became of it
        if asking.session is not None and asking.signed.session is not None:  # else nobody signed what came
            logbook.keep_session(custody, asking.statement, asking.signed.session, request.session)
        entry = logbook.write(custody, asking.view, asking.statement, line)
        if released is not None and asking.rule is Rule.BREAK_GLASS:
            alarm = Event("alarm", **{name: getattr(line, name) for name in _ALARMED})
            logbook.write(custody, asking.view, asking.statement, alarm)
        if released is not None and asking.rule is Rule.GENERAL:
            custody.journal.count_general(request.reader, asking.at // DAY, request.alias)
        if without:
            emergencies.keep(custody, asking)
    return entry


_ALARMED = tuple(name for name in Event.__dataclass_fields__ if name not in ("event", "handles"))


def _answer(custody: Custody, asking: Asking, released: Released, entry: bytes) -> bytes:
    used = {version.deposit: None for version in released.versions}
    shares = custody.rows.shares(asking.request.alias, used)
    leading = {digest: paths(custody, released.deposits[digest]) for digest in used}
    rows = tuple(
        _row(
            version,
            released.deposits[version.deposit],
            leading[version.deposit],
            shares,
            asking.rule in ESCROWED,
        )
        for version in released.versions
    )
    oldest: dict[int, int] = {}
    for version in released.versions:
        epoch = released.deposits[version.deposit].epoch
        oldest[version.compartment] = min(epoch, oldest.get(version.compartment, epoch))
    answer = Answer(
        request=asking.digest,
        custodian=custody.party,
        at_block=asking.view.head.number,
        at_time=asking.at,
        entry=entry,
        rows=rows,
        deposits=tuple(DepositProof.decode(released.deposits[digest].proof) for digest in used),
        epochs=tuple(
            kept.signed
            for compartment, first in oldest.items()
            for kept in custody.journal.epochs(asking.request.alias, compartment, first)
        ),
        acceptances=acceptances(released.versions),
        without_ledger=asking.stood is not None,
    )
    signed = sign(answer, custody.keys.signing, custody.deployment)
    return wrap(asking.request.ephemeral_key, signed.encode(), "answer", asking.digest)


def acceptances(versions: Iterable[KeptVersion]) -> tuple[AcceptanceProof, ...]:
    """Who accepted these, as far as they were deposited unasked; each proof once."""
    proofs = {version.acceptance: None for version in versions if version.acceptance is not None}
    return tuple(AcceptanceProof.decode(proof) for proof in proofs)


def _row(
    version: KeptVersion, deposit: KeptDeposit, leading: Paths, shares: dict[bytes, bytes], with_escrow: bool
) -> ReleasedRow:
    at, known = version.anchoring, sliced(version.all_commitments, 32)
    escrow, batch = shares.get(deposit.digest) if with_escrow else None, deposit.escrow
    return ReleasedRow(
        deposit=deposit.digest,
        position=version.position,
        handle=version.handle,
        compartment=version.compartment,
        epoch=deposit.epoch,
        header=version.header,
        manifest=version.manifest,
        body=version.body,
        commitments=version.commitments,
        predecessor=version.predecessor,
        author=version.author,
        signed=version.signed,
        clinical_month=version.clinical_month,
        item_path=leading.of_item(version),
        place=deposit.place,
        share=shares.get(version.handle),
        path=tuple(inclusion_path(known, deposit.place - 1)) if known else (),
        root=None if at is None else at.root,
        index=version.leaf_index,
        size=0 if at is None else at.size,
        anchor_path=leading.of_leaf(version),
        escrow=escrow,
        escrow_place=0 if escrow is None else deposit.place,
        escrow_path=tuple(inclusion_path(batch, deposit.place - 1)) if escrow is not None and batch else (),
        state=version.state,
        mark=version.mark,
        unasked=deposit.ground == Ground.UNASKED.code and not version.accepted,
    )
