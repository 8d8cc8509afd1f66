"""What parties and patients sign for the registry, the aliases and the links: EIP-712, carried by any sender.

A signature is passed to these contracts as its 65 bytes. Deadlines are unix seconds, at most an hour ahead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from eth_hash.auto import keccak

from careledger.domain.errors import MalformedBytes
from careledger.formats.abi import encode
from careledger.formats.consent_messages import LedgerMessage
from careledger.formats.eip712 import Struct
from careledger.formats.signatures import Address

ALARM = 72 * 3_600
"""Seconds that a change without the present controller waits."""

MOST_GUARDIANS = 5
_DEADLINE = ("uint64", "deadline")
_ALIAS = (("bytes32", "alias"), ("uint64", "number"))
_LINK = (("address", "owner"), ("bytes32", "commitment"), _DEADLINE)


# Registry ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RotateController(LedgerMessage):
    """A party's new controller key shows that it exists; the present one sends the transaction."""

    CONTRACT: ClassVar[str] = "Registry"
    STRUCT: ClassVar[Struct] = Struct(
        "RotateController", (("uint64", "party"), ("address", "controller"), _DEADLINE)
    )
    party: int
    controller: Address
    deadline: int


@dataclass(frozen=True, slots=True)
class CustodianKeys(LedgerMessage):
    """A custodian's signing key shows that it exists; ``log_key`` is the digest of the Ed25519 log key."""

    CONTRACT: ClassVar[str] = "Registry"
    STRUCT: ClassVar[Struct] = Struct(
        "CustodianKeys",
        (("uint64", "party"), ("address", "signingKey"), ("bytes32", "logKey"), _DEADLINE),
    )
    party: int
    signing_key: Address
    log_key: bytes
    deadline: int


# Aliases ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OpenAlias(LedgerMessage):
    """The controller, and for an unclaimed alias the registrar's controller, enter a new alias."""

    CONTRACT: ClassVar[str] = "Aliases"
    STRUCT: ClassVar[Struct] = Struct(
        "OpenAlias",
        (("bytes32", "alias"), ("address", "controller"), ("uint8", "kind"), ("uint64", "detail"), _DEADLINE),
    )
    alias: bytes
    controller: Address
    kind: int
    detail: int
    deadline: int


@dataclass(frozen=True, slots=True)
class RotateAlias(LedgerMessage):
    """The present and the new controller sign the alias over; ``number`` is the alias's present one."""

    CONTRACT: ClassVar[str] = "Aliases"
    STRUCT: ClassVar[Struct] = Struct(
        "RotateAlias",
        (*_ALIAS, ("address", "controller"), ("uint8", "kind"), ("uint64", "detail"), _DEADLINE),
    )
    alias: bytes
    number: int
    controller: Address
    kind: int
    detail: int
    deadline: int


@dataclass(frozen=True, slots=True)
class NameGuardians(LedgerMessage):
    """The present controller commits to its guardians (``guardians_commitment``)."""

    CONTRACT: ClassVar[str] = "Aliases"
    STRUCT: ClassVar[Struct] = Struct("NameGuardians", (*_ALIAS, ("bytes32", "guardians"), _DEADLINE))
    alias: bytes
    number: int
    guardians: bytes
    deadline: int


@dataclass(frozen=True, slots=True)
class RecoverAlias(LedgerMessage):
    """Guardians and the new controller ask for a change that waits for the alarm's time."""

    CONTRACT: ClassVar[str] = "Aliases"
    STRUCT: ClassVar[Struct] = Struct("RecoverAlias", (*_ALIAS, ("address", "controller"), _DEADLINE))
    alias: bytes
    number: int
    controller: Address
    deadline: int


@dataclass(frozen=True, slots=True)
class ReplaceController(LedgerMessage):
    """A second organisation, a ministry officer and the new controller ask for a change that waits."""

    CONTRACT: ClassVar[str] = "Aliases"
    STRUCT: ClassVar[Struct] = Struct(
        "ReplaceController",
        (*_ALIAS, ("address", "controller"), ("uint64", "organisation"), ("uint64", "officer"), _DEADLINE),
    )
    alias: bytes
    number: int
    controller: Address
    organisation: int
    officer: int
    deadline: int


@dataclass(frozen=True, slots=True)
class StopAlarm(LedgerMessage):
    """The present controller stops a waiting change."""

    CONTRACT: ClassVar[str] = "Aliases"
    STRUCT: ClassVar[Struct] = Struct("StopAlarm", (*_ALIAS, _DEADLINE))
    alias: bytes
    number: int
    deadline: int


def guardians_commitment(threshold: int, guardians: tuple[Address, ...], salt: bytes) -> bytes:
    """What the ledger keeps of guardians: keccak of the ABI encoding of threshold, addresses, salt (32 bytes).

    Raises MalformedBytes unless there are 1 to 5 distinct guardians in ascending order and at least so many
    as the threshold, which is at least 1.
    """
    ascending = list(guardians) == sorted(set(guardians))
    if not (ascending and 1 <= threshold <= len(guardians) <= MOST_GUARDIANS and len(salt) == 32):
        raise MalformedBytes(why="guardians")
    return keccak(encode(["uint8", "address[]", "bytes32"], [threshold, guardians, salt]))


# Links ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LinkAliases(LedgerMessage):
    """A link's one-time key enters it."""

    CONTRACT: ClassVar[str] = "Links"
    STRUCT: ClassVar[Struct] = Struct("LinkAliases", _LINK)
    owner: Address
    commitment: bytes
    deadline: int


@dataclass(frozen=True, slots=True)
class UnlinkAliases(LedgerMessage):
    """A link's one-time key undoes it."""

    CONTRACT: ClassVar[str] = "Links"
    STRUCT: ClassVar[Struct] = Struct("UnlinkAliases", _LINK)
    owner: Address
    commitment: bytes
    deadline: int
