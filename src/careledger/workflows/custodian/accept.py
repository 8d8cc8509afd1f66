"""A treating doctor accepts what was deposited unasked; from then on whoever has a consent sees it.

Order of effects: journal (the acceptance and its log line), rows, receipt. The journal is replayed at every start. The
patient accepts by an order (orders). Either stays with the versions as a proof, because readers decide again.
"""

from __future__ import annotations

from dataclasses import replace

from careledger.domain.consents import Consent, Purpose
from careledger.domain.custody import KeptDeposit, KeptVersion
from careledger.domain.decisions import require
from careledger.domain.errors import (
    AccessRefused,
    DepositConflict,
    RecordNotFound,
    RequestRefused,
    SignatureRefused,
)
from careledger.domain.facts import AliasFacts, PartyFacts
from careledger.domain.matrix import VERSIONS
from careledger.domain.parties import PartyId
from careledger.domain.questions import Accepting, Action, Reading
from careledger.domain.reasons import Reason, Rule
from careledger.formats.patients import Certificate, Order
from careledger.formats.releases import Acceptance, AcceptanceProof
from careledger.formats.sessions import SessionStatement
from careledger.formats.signed import Signed, open_signed
from careledger.ports import LedgerView
from careledger.proofs.passkeys import person_proof
from careledger.workflows.custodian import asking, hear_revocation, logbook, standing
from careledger.workflows.custodian.logbook import Event
from careledger.workflows.custodian.parts import Custody, known_alias

KIND = "accept"
LATEST = 120  # seconds that an acceptance may be on its way


def accept(custody: Custody, body: bytes) -> bytes:
    """Takes a doctor's AcceptanceProof; returns a signed receipt about the acceptance.

    The same acceptance again changes nothing. Raises SignatureRefused, SessionExpired, PatientNotFound, RecordNotFound
    for a version that is not kept here for that alias, RequestRefused for one that comes late, DepositConflict for an
    id used before, AccessRefused unless the doctor treats the patient.
    """
    proof = AcceptanceProof.decode(body)
    view = custody.fresh_head()
    session, post, made = _authentic(custody, view, proof)
    known = custody.journal.act(KIND, made.id)
    if known is not None and known.digest != made.digest():
        raise DepositConflict(what="acceptance id")
    if known is None:
        consent = _checked(custody, view, proof, session, post, made)
        person = person_proof(session, post.controller, custody.deployment)
        number = _write(custody, view, made, proof, _event(session, person, made, consent))
        apply(custody, body, number)
    return custody.receipt(view, Acceptance.TYPE, made.digest(), len(made.handles))


def apply(custody: Custody, body: bytes, act: int) -> None:
    """What an accepted acceptance changes; also run when the journal is replayed. Repeating is harmless."""
    made = Acceptance.decode(AcceptanceProof.decode(body).statement.body)
    with custody.rows.transaction():
        custody.rows.accept(made.alias, made.handles, body)
        custody.rows.set_applied(act)


def by_order(signed: bytes) -> bytes:
    """The proof that the controller's signed order ``accept`` is."""
    return AcceptanceProof(Signed.decode(signed), None, None).encode()


def handles(proof: AcceptanceProof) -> tuple[bytes, ...]:
    """The versions that it accepts."""
    kind = Order if proof.session is None else Acceptance
    return kind.decode(proof.statement.body).handles


def _authentic(
    custody: Custody, view: LedgerView, proof: AcceptanceProof
) -> tuple[SessionStatement, PartyFacts, Acceptance]:
    """Session, post and acceptance, signed by a session of the post that it names."""
    if proof.session is None:
        raise SignatureRefused(why="no session")
    session, post = standing.session(view, proof.session, custody.deployment)
    made = open_signed(Acceptance, proof.statement, session.session_key, custody.deployment)
    if (session.post, post.employer) != (made.post, made.employer):
        raise SignatureRefused(why="another session")
    return session, post, made


def _checked(
    custody: Custody,
    view: LedgerView,
    proof: AcceptanceProof,
    session: SessionStatement,
    post: PartyFacts,
    made: Acceptance,
) -> Certificate:
    """Each version decided at this custodian's fresh head; returns the certificate of the consent that it is by."""
    at = custody.time(view)
    standing.check_time(session, at)
    if not made.made - LATEST <= at <= made.made + LATEST:
        raise RequestRefused(reason="another-time")
    asking.check_seen(custody, view, made.block, at)
    facts, statement = known_alias(view, made.alias), custody.statement(made.alias)
    certificate, consent = _consent(custody, view, facts, proof)
    reader = standing.post(view, post, (consent.grantee.number,))
    everything = custody.rows.versions(made.alias)
    records, present = standing.records(everything), VERSIONS[view.matrix_version()]
    authors = standing.Authors(view)
    for kept, deposit in _versions(custody, made):
        known = standing.record_version(kept, deposit, authors.employer(kept.author), records[kept.handle])
        seeing = Reading(
            Action.RELEASE, Rule.CONSENT, known, standing.patient(facts, statement), Purpose.of(made.purpose),
            present, VERSIONS[kept.anchoring.matrix] if kept.anchoring else present, at, reader, consent=consent,
        )  # fmt: skip
        require(Accepting(seeing, frozenset(PartyId(each) for each in (deposit.post, kept.author) if each)))
    return certificate


def _consent(
    custody: Custody, view: LedgerView, facts: AliasFacts, proof: AcceptanceProof
) -> tuple[Certificate, Consent]:
    """The consent that the doctor treats by; raises AccessRefused where none is shown."""
    if proof.certificate is None:
        raise AccessRefused(reason=Reason.NO_CONSENT.code)
    certificate = Certificate.decode(proof.certificate.body)
    consent = standing.consent(view, facts, proof.certificate, custody.deployment)
    heard = hear_revocation.was_heard(custody, certificate)
    return certificate, replace(consent, revoked=True) if heard else consent


def _versions(custody: Custody, made: Acceptance) -> list[tuple[KeptVersion, KeptDeposit]]:
    """All of them: what came later would otherwise be accepted undecided when the journal is replayed."""
    found, kept = [], custody.rows.named(made.alias, made.handles)
    for handle in made.handles:
        version = kept.get(handle)
        deposit = None if version is None else custody.rows.deposit(version.deposit)
        if version is None or deposit is None:
            raise RecordNotFound()
        found.append((version, deposit))
    if not found:
        raise RecordNotFound()
    return found


def _event(session: SessionStatement, person: str, made: Acceptance, certificate: Certificate) -> Event:
    return Event(
        "order",
        request=made.id,
        reader=made.post,
        employer=made.employer,
        session=session.digest(),
        person_proof=person,
        rule=Rule.CONSENT.code,
        commitment=certificate.commitment,
        purpose=made.purpose,
        reason=KIND,
        handles=made.handles,
    )


def _write(custody: Custody, view: LedgerView, made: Acceptance, proof: AcceptanceProof, event: Event) -> int:
    statement = custody.statement(made.alias)
    with custody.journal.transaction():
        number = custody.journal.add_act(KIND, made.id, made.digest(), proof.encode()).number
        logbook.write(custody, view, statement, event)
        if proof.session is not None:
            logbook.keep_session(custody, statement, proof.session, event.session)
    return number
