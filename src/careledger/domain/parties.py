"""Who is registered: kinds of parties, their status, and the identifiers people see."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from enum import IntEnum

from careledger.domain.errors import MalformedBytes


class Role(IntEnum):
    """What a party may act as; the ledger keeps a set of them as bits ``1 << role``."""

    PATIENT = 0
    DOCTOR = 1
    CENTRE = 2
    INSURER = 3
    HOSPITAL = 4
    OPERATOR = 5
    PUBLIC = 6
    RELATIVE = 7
    MINISTRY = 8
    PHARMACY = 9
    NURSE = 10
    DEVICE = 11
    RESEARCHER = 12
    IMPORT = 13

    @property
    def code(self) -> str:
        """The role's name in documents and messages."""
        return "organisation, import" if self is Role.IMPORT else self.name.lower()


ORGANISATION_ROLES = frozenset({Role.HOSPITAL, Role.CENTRE, Role.PHARMACY, Role.INSURER})
POST_ROLES = frozenset({Role.DOCTOR, Role.NURSE, Role.DEVICE, Role.OPERATOR, Role.RESEARCHER})


class Status(IntEnum):
    """Where a party stands; 0 is never stored, so that an empty slot is nobody."""

    UNKNOWN = 0
    PENDING = 1
    VERIFIED = 2
    SUSPENDED = 3
    REMOVED = 4


class ControllerKind(IntEnum):
    """Who controls an alias."""

    UNKNOWN = 0
    SELF = 1
    GUARDIAN = 2
    REGISTRAR = 3
    NOBODY = 4


_PREFIXES = {
    Role.DOCTOR: "doc",
    Role.CENTRE: "lab",
    Role.INSURER: "ins",
    Role.HOSPITAL: "hos",
    Role.OPERATOR: "opr",
    Role.MINISTRY: "min",
    Role.PHARMACY: "pha",
    Role.NURSE: "nur",
    Role.DEVICE: "dev",
    Role.RESEARCHER: "res",
}
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32


@dataclass(frozen=True, order=True, slots=True)
class PartyId:
    """A public party's number on the ledger: 64 random bits, never 0."""

    number: int

    def __post_init__(self) -> None:
        if not 0 < self.number < 1 << 64:
            raise MalformedBytes(party=self.number)

    @classmethod
    def random(cls) -> PartyId:
        """A new identifier."""
        return cls(secrets.randbelow((1 << 64) - 1) + 1)

    def text(self, role: Role) -> str:
        """The identifier as people see it; its prefix shows the group, e.g. ``hos-0123456789abc``."""
        digits = "".join(_ALPHABET[self.number >> shift & 31] for shift in range(60, -1, -5))
        return f"{_PREFIXES[role]}-{digits}"

    def did(self, chain_id: int) -> str:
        """The party's W3C decentralised identifier on the ledger with that chain id."""
        return f"did:careledger:{chain_id}:{self.number:016x}"

    @classmethod
    def parse(cls, text: str) -> PartyId:
        """The identifier in a text that ``text`` gave; raises MalformedBytes for anything else."""
        prefix, _, digits = text.partition("-")
        if prefix not in _PREFIXES.values() or len(digits) != 13 or set(digits) - set(_ALPHABET):
            raise MalformedBytes(party=text)
        number = 0
        for digit in digits:
            number = number << 5 | _ALPHABET.index(digit)
        return cls(number)


def party_id(number: int, roles: frozenset[Role]) -> str:
    """The identifier of a party with these roles, by the first role that has a prefix of its own."""
    shown = [role for role in sorted(roles) if role not in _UNPREFIXED]
    return PartyId(number).text(shown[0]) if shown else f"{number:016x}"


_UNPREFIXED = frozenset({Role.PATIENT, Role.PUBLIC, Role.RELATIVE, Role.IMPORT})
