"""The packed words of the registry, the aliases, the teams and the policy, as values. docs/ledger.md draws them.

Bits are counted from the least significant. ``parse`` gives the value of a word and raises MalformedBytes for bits
that no contract sets; ``word`` gives it back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from careledger.domain.categories import Category
from careledger.domain.errors import MalformedBytes
from careledger.domain.parties import ControllerKind, Role, Status
from careledger.formats.signatures import Address

JUSTIFIED, UNJUSTIFIED = 1, 2
"""What a review of an emergency found."""


def _bits(word: int, at: int, size: int) -> int:
    return word >> at & (1 << size) - 1


def _address(word: int) -> Address:
    return _bits(word, 0, 160).to_bytes(20, "big")


def _pack(*fields: tuple[int, int, int]) -> int:
    """The word of (value, at, size); raises MalformedBytes for a value that does not fit."""
    word = 0
    for value, at, size in fields:
        if not 0 <= value < 1 << size:
            raise MalformedBytes(bits=size, why="does not fit")
        word |= value << at
    return word


def role_bits(roles: frozenset[Role]) -> int:
    """``1 << role`` for each."""
    return sum(1 << role for role in roles)


def roles_of(bits: int) -> frozenset[Role]:
    """The set of those bits; raises MalformedBytes for an unknown one."""
    if bits >> len(Role):
        raise MalformedBytes(roles=bits)
    return frozenset(role for role in Role if bits >> role & 1)


@dataclass(frozen=True, slots=True)
class PartyWord:
    """A public party: for a post its employer, for an organisation its registrations now and ever."""

    controller: Address
    roles: frozenset[Role]
    status: Status
    employer: int = 0
    registrations: int = 0
    registrations_ever: int = 0
    is_organisation: bool = False
    is_declared: bool = False
    may_register: bool = False

    @classmethod
    def parse(cls, word: int) -> Self:
        """The party of that word; 0 is nobody, with status unknown."""
        organisation = bool(_bits(word, 248, 1))
        status = _bits(word, 176, 8)
        if word >> 251 or status > max(Status):
            raise MalformedBytes(why="party word")
        return cls(
            _address(word),
            roles_of(_bits(word, 160, 16)),
            Status(status),
            0 if organisation else _bits(word, 184, 64),
            _bits(word, 184, 32) if organisation else 0,
            _bits(word, 216, 32) if organisation else 0,
            organisation,
            bool(_bits(word, 249, 1)),
            bool(_bits(word, 250, 1)),
        )

    @property
    def word(self) -> int:
        """The word."""
        detail = (
            _pack((self.registrations, 0, 32), (self.registrations_ever, 32, 32))
            if self.is_organisation
            else self.employer
        )
        return _pack(
            (int.from_bytes(self.controller, "big"), 0, 160),
            (role_bits(self.roles), 160, 16),
            (self.status, 176, 8),
            (detail, 184, 64),
            (self.is_organisation, 248, 1),
            (self.is_declared, 249, 1),
            (self.may_register, 250, 1),
        )


def patient_word(registrar: int, registration: bytes) -> int:
    """What ``register_patient`` takes and its events tell: registrar, then 16 random bytes."""
    if len(registration) != 16:
        raise MalformedBytes(why="a registration has 16 bytes")
    return _pack((registrar, 0, 64), (int.from_bytes(registration, "big"), 64, 128))


def patient_of(word: int) -> tuple[int, bytes]:
    """Registrar and registration of such a word; raises MalformedBytes."""
    if word >> 192:
        raise MalformedBytes(why="patient word")
    return _bits(word, 0, 64), _bits(word, 64, 128).to_bytes(16, "big")


def retention_table(days: Mapping[Category, int]) -> int:
    """The contract's table: days of category c at bits 16c to 16c + 15, 0 for those not named."""
    return _pack(*((count, 16 * category, 16) for category, count in days.items()))


def retention_days(table: int) -> tuple[int, ...]:
    """Days by the category's number, of such a table."""
    return tuple(_bits(table, 16 * number, 16) for number in range(max(Category) + 1))


@dataclass(frozen=True, slots=True)
class CustodianWord:
    """A custodian: signing key, state (1 announced, 2 active, 3 leaving, 4 left), since when, place + 1."""

    signing_key: Address
    state: int
    since: int
    place: int

    @classmethod
    def parse(cls, word: int) -> Self:
        """The custodian of that word; 0 never was one."""
        if word >> 248 or _bits(word, 160, 8) > 4:
            raise MalformedBytes(why="custodian word")
        return cls(_address(word), _bits(word, 160, 8), _bits(word, 168, 64), _bits(word, 232, 16))

    @property
    def word(self) -> int:
        """The word."""
        key = int.from_bytes(self.signing_key, "big")
        return _pack((key, 0, 160), (self.state, 160, 8), (self.since, 168, 64), (self.place, 232, 16))


@dataclass(frozen=True, slots=True)
class AliasWord:
    """An alias: ``detail`` is a guardian's end in unix seconds, or the registrar's party, else 0."""

    controller: Address
    kind: ControllerKind
    detail: int
    number: int

    @classmethod
    def parse(cls, word: int) -> Self:
        """The alias of that word; 0 is no alias, of kind unknown."""
        if _bits(word, 160, 8) > max(ControllerKind):
            raise MalformedBytes(why="alias word")
        kind = ControllerKind(_bits(word, 160, 8))
        return cls(_address(word), kind, _bits(word, 168, 64), _bits(word, 232, 24))

    @property
    def word(self) -> int:
        """The word."""
        key = int.from_bytes(self.controller, "big")
        return _pack((key, 0, 160), (self.kind, 160, 8), (self.detail, 168, 64), (self.number, 232, 24))


@dataclass(frozen=True, slots=True)
class TeamWord:
    """A team: organisation, parent (0: none), depth from 1, number of teams below, retired or not."""

    organisation: int
    parent: int
    depth: int
    below: int
    retired: bool

    @classmethod
    def parse(cls, word: int) -> Self:
        """The team of that word; 0 is no team."""
        if word >> 169:
            raise MalformedBytes(why="team word")
        return cls(
            _bits(word, 0, 64),
            _bits(word, 64, 64),
            _bits(word, 128, 8),
            _bits(word, 136, 32),
            bool(word >> 168),
        )

    @property
    def word(self) -> int:
        """The word."""
        return _pack(
            (self.organisation, 0, 64),
            (self.parent, 64, 64),
            (self.depth, 128, 8),
            (self.below, 136, 32),
            (self.retired, 168, 1),
        )


def policy_row(read_word: int, write_word: int) -> int:
    """How the policy keeps a role's row: reads in bits 0-63, writes in bits 64-127."""
    return _pack((read_word, 0, 64), (write_word, 64, 64))


def contract_name(name: str) -> bytes:
    """The directory's key of a contract name: ASCII padded with zeros to 32 bytes."""
    data = name.encode("ascii")
    if not 0 < len(data) <= 32:
        raise MalformedBytes(name=name)
    return data.ljust(32, b"\0")
