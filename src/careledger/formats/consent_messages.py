"""What owners, custodians and posts sign for the ledger: EIP-712 messages that any sender may carry.

Each message has a ``STRUCT``, the domain's ``CONTRACT`` and, once signed, the tuple that the contract's function takes.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

from careledger.domain.errors import MalformedBytes
from careledger.formats.eip712 import Domain, Struct
from careledger.formats.signatures import Address, SigningKey

LONGEST_DEADLINE = 3_600
"""Seconds: the furthest that a deadline may lie ahead of the block's time."""


def contract_domain(contract: str, chain_id: int, address: Address) -> Domain:
    """Where signatures for one of our contracts count: ``CareLedger NAME``, version 1, chain, contract."""
    return Domain(f"CareLedger {contract}", "1", chain_id, address)


def split(signature: bytes) -> tuple[int, bytes, bytes]:
    """The contracts' (v, r, s) of a signature r ‖ s ‖ v; raises MalformedBytes for another length."""
    if len(signature) != 65:
        raise MalformedBytes(why="a signature has 65 bytes")
    return signature[64], signature[:32], signature[32:64]


@dataclass(frozen=True, slots=True)
class LedgerMessage:
    """Base of the messages; the fields are the struct's members, in order."""

    CONTRACT: ClassVar[str]
    STRUCT: ClassVar[Struct]

    def values(self) -> dict[str, Any]:
        """The struct's members by name."""
        names = (name for _, name in self.STRUCT.members)
        return dict(zip(names, dataclasses.astuple(self), strict=True))

    def digest(self, chain_id: int, address: Address) -> bytes:
        """What is signed for that contract on that chain, 32 bytes."""
        return self.STRUCT.digest(contract_domain(self.CONTRACT, chain_id, address), self.values())

    def sign(self, key: SigningKey, chain_id: int, address: Address) -> bytes:
        """The signature, 65 bytes."""
        return key.sign(self.digest(chain_id, address))

    def carried(self, signature: bytes) -> tuple[Any, ...]:
        """The message with its signature as the contract takes it: the members, then v, r, s."""
        return (*dataclasses.astuple(self), *split(signature))


@dataclass(frozen=True, slots=True)
class GiveConsent(LedgerMessage):
    """The owner gives the consent with that commitment for the window [start, until), unix seconds."""

    CONTRACT: ClassVar[str] = "Consents"
    STRUCT: ClassVar[Struct] = Struct(
        "GiveConsent",
        (
            ("address", "owner"),
            ("bytes32", "commitment"),
            ("uint64", "start"),
            ("uint64", "until"),
            ("uint64", "deadline"),
        ),
    )
    owner: Address
    commitment: bytes
    start: int
    until: int
    deadline: int


@dataclass(frozen=True, slots=True)
class RevokeConsent(LedgerMessage):
    """The owner ends that consent; one that was never given is burnt."""

    CONTRACT: ClassVar[str] = "Consents"
    STRUCT: ClassVar[Struct] = Struct(
        "RevokeConsent", (("address", "owner"), ("bytes32", "commitment"), ("uint64", "deadline"))
    )
    owner: Address
    commitment: bytes
    deadline: int


@dataclass(frozen=True, slots=True)
class AnchorCheckpoint(LedgerMessage):
    """A custodian's signing key states its release log: size, root, map root, digest of the note."""

    CONTRACT: ClassVar[str] = "Checkpoints"
    STRUCT: ClassVar[Struct] = Struct(
        "AnchorCheckpoint",
        (
            ("uint64", "custodian"),
            ("uint64", "size"),
            ("bytes32", "root"),
            ("bytes32", "mapRoot"),
            ("bytes32", "note"),
        ),
    )
    custodian: int
    size: int
    root: bytes
    map_root: bytes
    note: bytes


@dataclass(frozen=True, slots=True)
class CosignCheckpoint(LedgerMessage):
    """Another custodian's signing key states that it found that anchored checkpoint consistent."""

    CONTRACT: ClassVar[str] = "Checkpoints"
    STRUCT: ClassVar[Struct] = Struct(
        "CosignCheckpoint",
        (
            ("uint64", "cosigner"),
            ("uint64", "custodian"),
            ("uint64", "size"),
            ("bytes32", "root"),
            ("bytes32", "mapRoot"),
        ),
    )
    cosigner: int
    custodian: int
    size: int
    root: bytes
    map_root: bytes


@dataclass(frozen=True, slots=True)
class OpenBreakGlass(LedgerMessage):
    """A doctor's post and a second post enter an emergency access until then (unix seconds, at most 4 h ahead)."""

    CONTRACT: ClassVar[str] = "BreakGlass"
    STRUCT: ClassVar[Struct] = Struct(
        "OpenBreakGlass",
        (
            ("bytes32", "entry"),
            ("bytes32", "commitment"),
            ("uint64", "opener"),
            ("uint64", "second"),
            ("uint64", "until"),
            ("bool", "restricted"),
            ("uint64", "deadline"),
        ),
    )
    entry: bytes
    commitment: bytes
    opener: int
    second: int
    until: int
    restricted: bool
    deadline: int

    def opened(self, opener: bytes, second: bytes) -> tuple[Any, Any, Any]:
        """The arguments of ``open``: the members, the opener's and the second party's signature."""
        return dataclasses.astuple(self), split(opener), split(second)


MESSAGES: tuple[type[LedgerMessage], ...] = (
    GiveConsent,
    RevokeConsent,
    AnchorCheckpoint,
    CosignCheckpoint,
    OpenBreakGlass,
)
