"""A lease: what one release opened, kept in memory for at most fifteen minutes and checked at every look.

Nothing of it is durable. Revocation, expiry, the session's end, a lost standing and the end of what it was opened by
(a claim ends the registrar's rule, an emergency's time its entry) drop everything at once. So does an order or a
retraction: at every look N − t + 1 custodians have to say that nothing of what they released has changed.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from careledger.domain.categories import Compartment
from careledger.domain.consents import GranteeKind, Purpose
from careledger.domain.errors import AccessRefused, CareLedgerError
from careledger.domain.parties import ControllerKind, PartyId, Status
from careledger.domain.questions import LONGEST_LEASE
from careledger.domain.reading import consent_misses
from careledger.domain.reasons import Reason, Rule
from careledger.formats.after_death import AfterDeathDecision
from careledger.formats.custody import Receipt, StandingQuestion
from careledger.formats.patients import AliasStatement
from careledger.formats.sessions import SessionStatement
from careledger.formats.signed import open_signed
from careledger.ports import LedgerView
from careledger.workflows.actors import Session
from careledger.workflows.asking import Access
from careledger.workflows.custody import Telling, outcomes
from careledger.workflows.judging import consent_at, patient_at, post_at
from careledger.workflows.network import Network
from careledger.workflows.retrieve import Record, Retrieved, retrieve


@dataclass(repr=False)
class Lease:
    """Opened records of one patient for one session and purpose; never printed."""

    session: Session
    access: Access
    statement: AliasStatement
    until: int
    retrieved: Retrieved
    shown: set[bytes] = field(default_factory=set)
    closed: bool = False

    def records(self, network: Network, compartments: Iterable[Compartment] | None = None) -> list[Record]:
        """What the lease opens, checked at the head now; raises AccessRefused (SignatureRefused once the
        post's key was rotated, what the ledger raises if it cannot be asked) and drops all once it is over."""
        try:
            self._check(network)
        except CareLedgerError:
            self.close()
            raise
        wanted = None if compartments is None else set(compartments)
        seen = [each for each in self.retrieved.records if wanted is None or each.compartment in wanted]
        self.shown.update(record.handle for record in seen)
        return seen

    def close(self) -> None:
        """Drops every opened record."""
        self.closed = True
        self.retrieved = Retrieved((), (), (), False, 0, self.retrieved.asked)

    def _check(self, network: Network) -> None:
        view = network.ledger.fresh_head()
        now = max(network.clock.now(), view.head.time)
        if self.closed or now >= self.until or now >= self.session.until:
            raise AccessRefused(reason=Reason.LEASE_OVER.code)
        facts = view.party(self.session.staff.number)
        if facts is None or facts.standing is not Status.VERIFIED:
            raise AccessRefused(reason=Reason.READER_NOT_VERIFIED.code)
        open_signed(
            SessionStatement, self.session.proof.statement, facts.controller, network.ledger.deployment
        )
        refusal = ground_misses(network, view, now, self.access, self.statement)
        if refusal is not None:
            raise AccessRefused(reason=refusal.code)
        self._ask_custodians(network)

    def _ask_custodians(self, network: Network) -> None:
        """Raises AccessRefused unless enough custodians confirm what they released.

        Fewer than t that lie or cannot be reached end no lease, and fewer than t hide no order from one.
        """
        question = StandingQuestion(self.retrieved.asked.request.id, secrets.token_bytes(16))
        listed = self.statement.custodians
        told = outcomes(network, [Telling(number, "stands", question.encode()) for number in listed])
        same = sum(isinstance(each, Receipt) and _confirms(each, question) for each in told)
        if same < len(listed) - network.thresholds.opening + 1:
            raise AccessRefused(reason=Reason.RECORDS_CHANGED.code)


def ground_misses(
    network: Network, view: LedgerView, now: int, access: Access, statement: AliasStatement
) -> Reason | None:
    """Why what records were released by does not hold any more, or None if it does; raises PatientNotFound."""
    patient = patient_at(view, statement.alias, statement.registrar)
    dead = patient.controller is ControllerKind.NOBODY
    if patient.controller is ControllerKind.UNKNOWN or (dead and access.purpose is not Purpose.AFTERDEATH):
        return Reason.NOBODY_CONTROLS
    match access.rule:
        case Rule.CONSENT if access.certificate is not None:
            consent = consent_at(view, access.certificate, network.ledger.deployment)
            team = consent.grantee.number if consent.grantee.kind is GranteeKind.TEAM else 0
            return consent_misses(consent, patient, post_at(view, access.reader, team), now)
        case Rule.OFFICERS if access.decision is not None:
            decided = AfterDeathDecision.decode(access.decision.by_first.body)
            ended = None if now < decided.until else Reason.DECISION_OVER
            return ended if dead else Reason.AFTER_DEATH_ONLY
        case Rule.REGISTRAR if patient.claimed:
            return Reason.CLAIMED
        case Rule.REGISTRAR if patient.registrar != PartyId(access.employer):
            return Reason.NOT_THE_REGISTRAR
        case Rule.BREAK_GLASS:
            entry = view.break_glass(access.entry)
            return None if entry is not None and now < entry.until else Reason.BREAK_GLASS_OVER
        case _:
            return None


def _confirms(receipt: Receipt, question: StandingQuestion) -> bool:
    return (receipt.what, receipt.subject, receipt.count) == (StandingQuestion.TYPE, question.digest(), 0)


def open_lease(
    network: Network,
    session: Session,
    access: Access,
    statement: AliasStatement,
    compartments: Iterable[Compartment],
    seconds: int = LONGEST_LEASE,
) -> Lease:
    """One release of named categories, kept for a time: what was opened, and not the answers that it was opened from.

    Raises what ``retrieve`` raises, and AccessRefused for ``own`` or for what another session asks.
    """
    if access.rule is Rule.OWN or access.session != session.digest:
        raise AccessRefused(reason=Reason.NO_LEASE.code)
    now = max(network.clock.now(), network.ledger.fresh_head().head.time)
    session.check(now)
    until = now + min(seconds, LONGEST_LEASE)
    found = retrieve(network, access, statement, compartments)
    opened = replace(
        found, asked=replace(found.asked, answers=())
    )  # half of what a lease would keep in memory
    return Lease(session, access, statement, until, opened)
