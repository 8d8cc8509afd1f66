"""What a decision needs to know about a version, about a post that asks or writes, and about a patient."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Self, cast

from careledger.domain.categories import Category, Compartment
from careledger.domain.errors import MalformedBytes
from careledger.domain.facts import PartyFacts
from careledger.domain.parties import ControllerKind, PartyId, Role, Status

HANDLE_LENGTH = 32
_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")
_YEAR = re.compile(r"\d{4}")

IDENTITIES = frozenset(
    {
        Category.IDENTITY_PATIENT,
        Category.IDENTITY_DOCTOR,
        Category.IDENTITY_INSURER,
        Category.IDENTITY_CENTRE,
        Category.IDENTITY_HOSPITAL,
        Category.IDENTITY_PHARMACY,
    }
)
_TREATING = frozenset({Role.HOSPITAL, Role.CENTRE})
_CLINICAL = frozenset({Role.DOCTOR, Role.NURSE})
_STAFFED = frozenset(
    {Role.HOSPITAL, Role.CENTRE, Role.PHARMACY, Role.INSURER, Role.MINISTRY, Role.OPERATOR, Role.RELATIVE}
)


class Coded(IntEnum):
    """A word that messages write as a code and stores as a number."""

    @property
    def code(self) -> str:
        """The name in documents and messages, for example ``patient-reported``."""
        return self.name.lower().replace("_", "-")

    @classmethod
    def of(cls, code: str) -> Self:
        """The member of that code; raises MalformedBytes for any other word."""
        member = _codes(cls).get(code)
        if member is None:
            raise MalformedBytes(code=code[:32])
        return cast(Self, member)


@lru_cache(maxsize=16)
def _codes(kind: type[Coded]) -> dict[str, Coded]:
    """Every member by its code."""
    return {member.code: member for member in kind}


class Source(Coded):
    """How a version came to be: never mixed with who answers for it."""

    SIGNED = 1
    IMPORTED = 2
    PATIENT_REPORTED = 3
    DEVICE = 4


class Ground(Coded):
    """Why a depositor may write."""

    OWN = 1
    APPEND = 2
    REGISTRAR = 3
    UNASKED = 4


class RecordState(Coded):
    """Whether a version is still given out."""

    KEPT = 1
    RESTRICTED = 2
    RETRACTED = 3
    ERASED = 4


class Mark(Coded):
    """What the patient said of a version; silence changes nothing."""

    UNCONFIRMED = 1
    CONFIRMED = 2
    DISPUTED = 3


def month(text: str) -> str:
    """That text if it is a month as ``YYYY-MM``; raises MalformedBytes otherwise. Months compare as text."""
    if not _MONTH.fullmatch(text):
        raise MalformedBytes(month=text[:32])
    return text


def handle(octets: bytes) -> bytes:
    """Those octets if they are a handle's 32; raises MalformedBytes otherwise."""
    if len(octets) != HANDLE_LENGTH:
        raise MalformedBytes(handle_length=len(octets))
    return octets


@dataclass(frozen=True, slots=True)
class Patient:
    """An alias and who controls it, at the moment of the decision.

    ``until`` is the second at which a guardian's control ends (unix; None: not a guardian). ``registrar`` is the
    organisation that the alias statement names, also after claiming. Of the dead ``living`` is who controlled before,
    ``died`` when the ledger recorded the death (unix).
    """

    alias: bytes
    controller: ControllerKind
    registrar: PartyId | None = None
    until: int | None = None
    living: ControllerKind = ControllerKind.UNKNOWN
    died: int = 0

    @property
    def claimed(self) -> bool:
        """Whether the keys are no longer the registrar's; an unknown controller counts as claimed."""
        return self.controller is not ControllerKind.REGISTRAR


@dataclass(frozen=True, slots=True)
class Post:
    """One party at its employer: who reads, deposits, or answers for a statement.

    A party without an employer (a relative, an organisation acting by its own key) names itself as ``employer``,
    with the same roles and status. ``teams`` are the numbers of the employer's teams and departments that its role
    tree puts the post in, those above them included. ``specialty`` is a code, empty if none is registered.
    """

    party: PartyId
    employer: PartyId
    roles: frozenset[Role]
    employer_roles: frozenset[Role]
    status: Status
    employer_status: Status
    teams: frozenset[int] = frozenset()
    specialty: str = ""

    @classmethod
    def registered(cls, party: PartyFacts, employer: PartyFacts | None, teams: frozenset[int]) -> Post:
        """The post that the ledger shows at one block; without an employer the party stands for itself.

        Raises MalformedBytes if that is not the party's employer.
        """
        at = party if employer is None else employer
        if at.number != (party.employer or party.number):
            raise MalformedBytes(employer=at.number)
        numbers = PartyId(party.number), PartyId(at.number)
        return cls(*numbers, party.roles, at.roles, party.status, at.status, teams)

    @property
    def acting(self) -> frozenset[Role]:
        """The rows of the matrix that count for this post.

        Doctors and nurses count as such only at a hospital or a centre: an insurer does not become involved in
        treatment by employing one. They and other staff also act as their employer; devices, researchers and
        operators' posts never do.
        """
        own = self.roles - _CLINICAL
        if self.employer_roles & _TREATING:
            own |= self.roles & _CLINICAL
        if self.roles <= _CLINICAL or self.party == self.employer:
            own |= self.employer_roles & _STAFFED
        return own - {Role.PATIENT, Role.IMPORT}


@dataclass(frozen=True, slots=True)
class RecordVersion:
    """One version as custodians keep it, without its content.

    ``author`` is who answers for the statement: it counts only if ``signed``; ``author_employer`` is that post's
    employer. ``depositor`` is None for what the patient put in with their own keys. ``clinical_month`` is
    ``YYYY-MM``, ``YYYY`` where the month is unknown, or None. ``record`` has the handles of all known versions of the
    same record. ``accepted`` matters for the ground ``unasked`` only.
    """

    alias: bytes
    handle: bytes
    compartment: Compartment
    source: Source
    ground: Ground
    depositor: PartyId | None = None
    author: PartyId | None = None
    author_employer: PartyId | None = None
    signed: bool = False
    clinical_month: str | None = None
    record: frozenset[bytes] = frozenset()
    accepted: bool = False
    state: RecordState = RecordState.KEPT
    mark: Mark = Mark.UNCONFIRMED

    def __post_init__(self) -> None:
        handle(self.handle)
        if self.clinical_month is not None and not _YEAR.fullmatch(self.clinical_month):
            month(self.clinical_month)

    @property
    def answerable(self) -> frozenset[PartyId]:
        """Whom a scope "by author" matches: the depositor, or who signed and that post's employer."""
        parties = (self.author, self.author_employer) if self.signed else (self.depositor,)
        return frozenset(party for party in parties if party is not None)

    @property
    def kept_apart(self) -> bool:
        """Whether nobody has accepted this unasked version yet."""
        return self.ground is Ground.UNASKED and not self.accepted

    @property
    def reads_like(self) -> Category:
        """The column of the read matrix: an identity that was imported reads like a visit."""
        category = self.compartment.category
        if self.source is Source.IMPORTED and category in IDENTITIES:
            return Category.VISIT
        return category
