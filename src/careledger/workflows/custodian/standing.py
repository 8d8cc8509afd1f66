"""Ledger facts as the values that decisions take: posts, patients, consents, versions; and session checks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from careledger.domain.categories import Compartment
from careledger.domain.consents import Consent, Purpose, Window
from careledger.domain.custody import KeptDeposit, KeptVersion
from careledger.domain.errors import PartyNotFound, SessionExpired, SignatureRefused
from careledger.domain.facts import AliasFacts, PartyFacts
from careledger.domain.parties import ControllerKind, PartyId
from careledger.domain.records import Ground, Mark, Patient, Post, RecordState, RecordVersion, Source
from careledger.formats.patients import AliasStatement, Certificate
from careledger.formats.scopes import grantee_of, scope_of
from careledger.formats.sessions import MOST_SESSION, SessionProof, SessionStatement
from careledger.formats.signed import Signed, open_signed
from careledger.ports import LedgerView

_STATES = {"moved": RecordState.ERASED}  # like an erased one, a moved version is nobody's to read


def party(view: LedgerView, number: int) -> PartyFacts:
    """A registered party; raises PartyNotFound."""
    facts = view.party(number)
    if facts is None:
        raise PartyNotFound(party=number)
    return facts


def session(view: LedgerView, proof: SessionProof, deployment: bytes) -> tuple[SessionStatement, PartyFacts]:
    """A session statement that its post signed, and that post; its time is another question.

    Raises PartyNotFound, SignatureRefused, and SessionExpired for one that was made for over 12 hours.
    """
    claimed = SessionStatement.decode(proof.statement.body)
    facts = party(view, claimed.post)
    statement = open_signed(SessionStatement, proof.statement, facts.controller, deployment)
    if not 0 < statement.until - statement.made <= MOST_SESSION:
        raise SessionExpired(post=claimed.post)
    return statement, facts


def check_time(statement: SessionStatement, at: int) -> None:
    """Raises SessionExpired unless the session lives at that second."""
    if not statement.made <= at < statement.until:
        raise SessionExpired(post=statement.post)


def post(view: LedgerView, facts: PartyFacts, teams: Iterable[int] = ()) -> Post:
    """A post with its employer's roles and status; of ``teams`` those that it is in."""
    employer = party(view, facts.employer) if facts.employer else facts
    return Post(
        PartyId(facts.number),
        PartyId(employer.number),
        facts.roles,
        employer.roles,
        facts.status,
        employer.status,
        frozenset(team for team in teams if view.in_team(facts.number, team)),
    )


def patient(facts: AliasFacts, statement: AliasStatement) -> Patient:
    """An alias with its present controller."""
    guardian = facts.kind is ControllerKind.GUARDIAN
    registrar = PartyId(statement.registrar) if statement.registrar else None
    made = Patient(facts.alias, facts.kind, registrar, facts.until if guardian else None)
    before = facts.living
    return made if before is None else replace(made, living=before.kind, died=before.died)


def consent(view: LedgerView, facts: AliasFacts, signed: Signed, deployment: bytes) -> Consent:
    """A certificate and what the ledger says of its consent; raises MalformedBytes, CannotExpress."""
    certificate = Certificate.decode(signed.body)
    try:
        open_signed(Certificate, signed, facts.signer, deployment)
        present = True
    except SignatureRefused:
        present = False
    slot = view.consent(certificate.owner, certificate.commitment)
    given = slot is not None and slot.given_at > 0
    window = Window(slot.start, slot.end) if slot is not None and given else Window(0, 1)
    return Consent(
        certificate.alias,
        grantee_of(certificate.grantee),
        scope_of(certificate.scope),
        Purpose.of(certificate.purpose),
        window,
        given,
        slot is not None and slot.revoked_at > 0,
        present,
        certificate.ready_made,
        slot.given_at if slot is not None else 0,
    )


def record_version(
    kept: KeptVersion, deposit: KeptDeposit, employer: int, record: frozenset[bytes]
) -> RecordVersion:
    """A kept version as decisions take it; ``employer`` is its signing author's, 0 for none."""
    state = _STATES.get(kept.state) or RecordState.of(kept.state)
    return RecordVersion(
        kept.alias,
        kept.handle,
        Compartment.numbered(kept.compartment),
        Source.of(deposit.source),
        Ground.of(deposit.ground),
        PartyId(deposit.depositor) if deposit.depositor else None,
        PartyId(kept.author) if kept.author else None,
        PartyId(employer) if employer else None,
        kept.signed,
        kept.clinical_month,
        record,
        kept.accepted,
        state,
        Mark.of(kept.mark),
    )


class Authors:
    """Authors at one block, each asked once."""

    def __init__(self, view: LedgerView) -> None:
        self._view = view
        self._known: dict[int, Post | None] = {}

    def post(self, author: int) -> Post | None:
        """The author with its employer, None for an unregistered one."""
        if author not in self._known:
            facts = self._view.party(author) if author else None
            self._known[author] = None if facts is None else post(self._view, facts)
        return self._known[author]

    def employer(self, author: int) -> int:
        """The number of the author's employer (or its own), 0 for an unregistered one."""
        known = self.post(author)
        return 0 if known is None else known.employer.number


class Records(dict[bytes, frozenset[bytes]]):
    """Handle → the handles of all versions of the same record; one that no other follows or precedes is its own."""

    def __missing__(self, handle: bytes) -> frozenset[bytes]:
        return frozenset({handle})


def records(versions: Iterable[KeptVersion]) -> Records:
    """Which versions are of one record, joined by who names whom as predecessor."""
    groups: dict[bytes, set[bytes]] = {}
    for version in versions:
        if version.predecessor is None:
            continue
        mine = groups.setdefault(version.handle, {version.handle})
        others = groups.setdefault(version.predecessor, {version.predecessor})
        if others is not mine:
            mine |= others
            groups.update((handle, mine) for handle in others)
    return Records((handle, frozenset(group)) for handle, group in groups.items())
