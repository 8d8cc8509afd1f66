"""Consents: what they cover, for whom, for what and when. Narrowing one never widens it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

from careledger.domain.categories import Compartment, Sensitivity
from careledger.domain.errors import CannotExpress, MalformedBytes
from careledger.domain.parties import PartyId
from careledger.domain.reasons import Reason
from careledger.domain.records import Coded, Post, RecordVersion, handle, month

LONGEST_REFERRAL = 30 * 24 * 3600
_T = TypeVar("_T")


class Purpose(IntEnum):
    """What a record is used for: the codes of HL7 v3 PurposeOfUse, and DISPENSE and AFTERDEATH, for which it has none.

    The numbers are the ledger's; a number is never given again.
    """

    TREAT = 1
    ETREAT = 2
    BTG = 3
    COC = 4
    DISPENSE = 5
    HPAYMT = 6
    COVERAGE = 7
    CLMATTCH = 8
    HRESCH = 9
    PATRQT = 10
    FAMRQT = 11
    HOPERAT = 12
    PUBHLTH = 13
    AFTERDEATH = 14

    @property
    def code(self) -> str:
        """The code as certificates and requests write it."""
        return self.name

    @property
    def words(self) -> str:
        """The purpose in a sentence."""
        return _PURPOSE_WORDS[self]

    @classmethod
    def of(cls, code: str) -> Purpose:
        """The purpose of that code; raises MalformedBytes for any other word."""
        if code not in cls.__members__:
            raise MalformedBytes(purpose=code[:32])
        return cls[code]


_PURPOSE_WORDS = {
    Purpose.TREAT: "treatment",
    Purpose.ETREAT: "emergency treatment",
    Purpose.BTG: "breaking the glass",
    Purpose.COC: "coordination of care",
    Purpose.DISPENSE: "dispensing",
    Purpose.HPAYMT: "payment",
    Purpose.COVERAGE: "insurance coverage",
    Purpose.CLMATTCH: "a claim's attachment",
    Purpose.HRESCH: "research",
    Purpose.PATRQT: "the patient's own request",
    Purpose.FAMRQT: "the family's request",
    Purpose.HOPERAT: "running a health organisation",
    Purpose.PUBHLTH: "public health",
    Purpose.AFTERDEATH: "reading after the person's death",
}
TREATMENT = frozenset({Purpose.TREAT, Purpose.ETREAT, Purpose.COC})
PAYMENT = frozenset({Purpose.HPAYMT, Purpose.COVERAGE, Purpose.CLMATTCH})
DISPENSING = frozenset({Purpose.DISPENSE})
EMERGENCY = frozenset({Purpose.ETREAT, Purpose.BTG})


class Permission(Coded):
    """What a consent lets its grantee do. Viewing is not implied by the others."""

    VIEW = 1
    APPEND = 2
    AMEND = 3


class ConsentState(Coded):
    """Where a consent stands at a moment."""

    NONE = 0
    NOT_YET = 1
    ACTIVE = 2
    EXPIRED = 3
    REVOKED = 4


class GranteeKind(Coded):
    """Whom a consent names."""

    POST = 1
    TEAM = 2
    ORGANISATION = 3


@dataclass(frozen=True, slots=True)
class Grantee:
    """Who is granted: the number of a post, team or organisation; ``organisation`` is the employer or itself.

    ``specialties`` narrows a team or an organisation to posts of those specialties; empty: not narrowed.
    """

    kind: GranteeKind
    number: int
    organisation: PartyId
    specialties: frozenset[str] = frozenset()

    def misses(self, reader: Post) -> Reason | None:
        """Why this is not that reader, or None if it is."""
        numbers = {
            GranteeKind.POST: frozenset({reader.party.number}),
            GranteeKind.TEAM: reader.teams,
            GranteeKind.ORGANISATION: frozenset({reader.employer.number}),
        }
        if reader.employer != self.organisation or self.number not in numbers[self.kind]:
            return Reason.OTHER_GRANTEE
        if self.specialties and reader.specialty not in self.specialties:
            return Reason.OTHER_SPECIALTY
        return None


@dataclass(frozen=True, slots=True)
class Window:
    """From ``start`` until before ``end``, unix seconds; raises CannotExpress unless start < end."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise CannotExpress(start=self.start, end=self.end)

    @property
    def length(self) -> int:
        """Seconds."""
        return self.end - self.start

    def holds(self, at: int) -> bool:
        """start ≤ at < end."""
        return self.start <= at < self.end


def state(given: bool, window: Window, revoked: bool, at: int) -> ConsentState:
    """The state at ``at`` = max(clock, head time) of what the ledger says at one block; revoking wins over all."""
    if revoked:
        return ConsentState.REVOKED
    if not given:
        return ConsentState.NONE
    if at < window.start:
        return ConsentState.NOT_YET
    return ConsentState.ACTIVE if at < window.end else ConsentState.EXPIRED


@dataclass(frozen=True, slots=True)
class Scope:
    """What a consent covers: compartments by name, and what narrows them; None means "not narrowed by this".

    ``authors`` are matched as RecordVersion.answerable says; the period is from the first to the last month, both
    included, as ``YYYY-MM``; ``handles`` are single versions; an exception takes out all versions of its record.
    Raises CannotExpress if nothing could ever be covered, MalformedBytes for a malformed handle or month.
    """

    compartments: frozenset[Compartment]
    permissions: frozenset[Permission]
    authors: frozenset[PartyId] | None = None
    from_month: str | None = None
    to_month: str | None = None
    handles: frozenset[bytes] | None = None
    exceptions: frozenset[bytes] = frozenset()

    def __post_init__(self) -> None:
        for text in (self.from_month, self.to_month):
            if text is not None:
                month(text)
        for octets in (*(self.handles or ()), *self.exceptions):
            handle(octets)
        nothing = not self.compartments or not self.permissions or self.authors == frozenset()
        if nothing or self.handles == frozenset() or self._period_is_empty:
            raise CannotExpress(compartments=len(self.compartments), permissions=len(self.permissions))

    @property
    def _period_is_empty(self) -> bool:
        return self.from_month is not None and self.to_month is not None and self.from_month > self.to_month


def misses(scope: Scope, version: RecordVersion, needed: Iterable[Permission]) -> Reason | None:
    """Why a scope does not cover a version for these permissions, or None if it does.

    What is unknown about a version (its month, who answers for it) is not covered by a scope narrowed by it.
    """
    if not scope.permissions.issuperset(needed):
        return Reason.OTHER_PERMISSION
    if version.compartment not in scope.compartments:
        restricted = version.compartment.sensitivity is Sensitivity.RESTRICTED
        return Reason.RESTRICTED_NOT_NAMED if restricted else Reason.OTHER_CATEGORY
    if scope.handles is not None and version.handle not in scope.handles:
        return Reason.OTHER_RECORD
    if scope.exceptions & (version.record | {version.handle}):
        return Reason.EXCEPTED
    if scope.authors is not None and not scope.authors & version.answerable:
        return Reason.OTHER_AUTHOR
    return _period_misses(scope, version.clinical_month)


def _period_misses(scope: Scope, clinical: str | None) -> Reason | None:
    if scope.from_month is None and scope.to_month is None:
        return None
    if clinical is None or "-" not in clinical:
        return Reason.OTHER_PERIOD
    early = scope.from_month is not None and clinical < scope.from_month
    late = scope.to_month is not None and clinical > scope.to_month
    return Reason.OTHER_PERIOD if early or late else None


def covers(scope: Scope, version: RecordVersion, permission: Permission = Permission.VIEW) -> bool:
    """Whether a scope covers a version for one permission."""
    return misses(scope, version, (permission,)) is None


def narrowed(asked: Scope, offered: Scope) -> Scope:
    """A scope that covers nothing but what both cover; raises CannotExpress if nothing is left."""
    return Scope(
        compartments=asked.compartments & offered.compartments,
        permissions=asked.permissions & offered.permissions,
        authors=_both(asked.authors, offered.authors),
        from_month=max((m for m in (asked.from_month, offered.from_month) if m is not None), default=None),
        to_month=min((m for m in (asked.to_month, offered.to_month) if m is not None), default=None),
        handles=_both(asked.handles, offered.handles),
        exceptions=asked.exceptions | offered.exceptions,
    )


def _both(one: frozenset[_T] | None, other: frozenset[_T] | None) -> frozenset[_T] | None:
    if one is None or other is None:
        return other if one is None else one
    return one & other


@dataclass(frozen=True, slots=True)
class Consent:
    """A certificate and what the ledger says of it at the block of the decision.

    ``given``, ``given_at`` (unix seconds) and ``revoked`` are the ledger's; ``by_present_controller`` says that the
    certificate is signed by who controls the alias at that block, or was the last to before a death. ``ready_made`` is
    the name of the template that was taken unchanged (check-in, this visit, pharmacy now …); empty says that the
    patient named each category.
    """

    alias: bytes
    grantee: Grantee
    scope: Scope
    purpose: Purpose
    window: Window
    given: bool
    revoked: bool
    by_present_controller: bool
    ready_made: str = ""
    given_at: int = 0

    @property
    def named(self) -> bool:
        """Whether the patient named the categories."""
        return not self.ready_made

    def state(self, at: int) -> ConsentState:
        """The state at that second, max(clock, head time)."""
        return state(self.given, self.window, self.revoked, at)


def bound_alias(consent: Consent | None, device: int) -> bytes | None:
    """The alias that a device (its post's number) is bound to: a consent that names this very post binds it."""
    if consent is None or consent.grantee.kind is not GranteeKind.POST or consent.grantee.number != device:
        return None
    return consent.alias
