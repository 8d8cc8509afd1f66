"""What is looked at again and again until nothing more can happen to it: consents that are held, emergencies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from careledger.domain.consents import GranteeKind, Purpose
from careledger.domain.errors import SignatureRefused
from careledger.domain.parties import Role
from careledger.formats.events import Event
from careledger.formats.patients import Certificate, GranteeForm, GrantPackage, ReceivedGrant
from careledger.formats.signed import Signed, open_signed
from careledger.gateway.events.stages import (
    ConsentStage,
    EmergencyStage,
    consent_stage,
    emergency_stage,
    of_consent,
    of_emergency,
)
from careledger.ports import LedgerView
from careledger.workflows.actors import Organisation
from careledger.workflows.due import Subject
from careledger.workflows.emergencies import EMERGENCY
from careledger.workflows.received import RECEIVED


@dataclass(frozen=True)
class Found:
    """What a look found: how far the subject has come, and what is to be told."""

    stage: int
    events: tuple[Event, ...]


class Watched(Protocol):
    """A subject that is looked at."""

    stage: int
    subject: bytes

    @property
    def ends(self) -> int:
        """When time alone changes something, unix seconds, as far as the last look knew."""
        ...

    @property
    def named(self) -> tuple[bytes, ...]:
        """By what the ledger's changes of it are known, as ``LedgerView.changed`` names them."""
        ...

    def look(self, view: LedgerView, now: int, deployment: bytes) -> Found | None:
        """What is different since ``stage``; None if nothing is."""
        ...


@dataclass(repr=False)
class WatchedConsent:
    """A consent that the organisation holds. Whether it counts is judged again when its patient's signer changed."""

    subject: bytes
    stage: int
    certificate: Signed
    alias: bytes
    grantee: GranteeForm
    after_death: bool
    commitment: bytes
    ends: int
    signer: bytes = b""
    signs: bool = False

    def look(self, view: LedgerView, now: int, deployment: bytes) -> Found | None:
        """Compared with the consent's slot and with who controls the alias."""
        facts = view.consent(self.subject[1:21], self.commitment)
        self.ends = self.ends if facts is None else facts.end
        stage = consent_stage(facts, self._counts(view, deployment), now)
        if facts is None or stage == self.stage:
            return None
        told = of_consent(ConsentStage(self.stage), stage, facts, now)
        made = tuple(Event(kind, time, self.commitment, (self.grantee,), (), ()) for kind, time in told)
        return Found(stage, made)

    @property
    def named(self) -> tuple[bytes, ...]:
        """The consent's slot, and whose consent it is."""
        return self.subject[1:], self.alias

    def _counts(self, view: LedgerView, deployment: bytes) -> bool:
        alias = view.alias(self.alias)
        if alias is None or (alias.living is not None and not self.after_death):
            return False
        if alias.signer != self.signer:
            self.signer, self.signs = alias.signer, _signed_by(self.certificate, alias.signer, deployment)
        return self.signs


@dataclass(repr=False)
class WatchedEmergency:
    """An emergency that a post of the organisation opened."""

    subject: bytes
    stage: int
    ends: int

    def look(self, view: LedgerView, now: int, deployment: bytes) -> Found | None:
        """Compared with the entry on the ledger: for both posts, and for operators, who see to the review."""
        entry = self.subject[1:]
        facts = view.break_glass(entry)
        self.ends = self.ends if facts is None else facts.until
        stage = emergency_stage(facts, now)
        if facts is None or stage == self.stage:
            return None
        posts = tuple(GranteeForm(GranteeKind.POST.code, each, 0) for each in (facts.opener, facts.second))
        told = of_emergency(EmergencyStage(self.stage), stage, facts, now)
        made = tuple(Event(kind, time, entry, posts, (Role.OPERATOR,), ()) for kind, time in told)
        return Found(stage, made)

    @property
    def named(self) -> tuple[bytes, ...]:
        """The entry."""
        return (self.subject[1:],)


def watched(organisation: Organisation, subject: bytes, stage: int) -> Watched | None:
    """What is to be watched of a subject, from the organisation's books; None if they have no such row."""
    key = subject[1:]
    if subject[0] == Subject.EMERGENCY:
        row = organisation.books.get(EMERGENCY, key)
        until = 0 if row is None else int.from_bytes(row[:8], "big")
        return None if row is None else WatchedEmergency(subject, stage, until)
    row = organisation.books.get(RECEIVED, key)
    if row is None:
        return None
    package = GrantPackage.decode(ReceivedGrant.decode(row).package.body)
    said = Certificate.decode(package.certificate.body)
    after_death = said.purpose == Purpose.AFTERDEATH.code
    return WatchedConsent(
        subject,
        stage,
        package.certificate,
        said.alias,
        said.grantee,
        after_death,
        said.commitment,
        package.window_end,
    )


def _signed_by(certificate: Signed, signer: bytes, deployment: bytes) -> bool:
    try:
        open_signed(Certificate, certificate, signer, deployment)
    except SignatureRefused:
        return False
    return True
