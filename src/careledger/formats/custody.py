"""What custodians sign and hand each other: receipts, facts, evidence, audit answers, repair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from careledger.formats.schema import Message, flag, maybe, message, octets, several, text, uint
from careledger.formats.signed import Signed


@dataclass(frozen=True)
class Receipt(Message):
    """A custodian did durably what the message with this digest asked; signed by its custodian key.

    ``what`` is the TYPE of that message; ``count`` the number of versions it was about.
    """

    TYPE: ClassVar[str] = "receipt"
    custodian: int = uint()
    what: str = text(32)
    subject: bytes = octets(32)
    count: int = uint()
    at_time: int = uint()
    at_block: int = uint()


@dataclass(frozen=True)
class AliasQuestion(Message):
    """Asks for the newest statement of an alias, or (compartment not null) for its epoch records."""

    TYPE: ClassVar[str] = "alias-question"
    alias: bytes = octets(32)
    compartment: int | None = maybe(uint(16))


@dataclass(frozen=True)
class AliasAnswer(Message):
    """The newest alias statement, or epoch records from 0 up; null and empty where nothing is known."""

    TYPE: ClassVar[str] = "alias-answer"
    statement: Signed | None = maybe(message(Signed))
    epochs: tuple[bytes, ...] = several(octets(), most=4096)


@dataclass(frozen=True)
class AttestedFact(Message):
    """A ledger fact as a custodian saw it, for an agent that reaches no node; signed by its custodian key."""

    TYPE: ClassVar[str] = "attested-fact"
    custodian: int = uint()
    question: str = text(64)
    subject: bytes = octets(most=64)
    fact: bytes = octets(most=4096)
    block_number: int = uint()
    block_hash: bytes = octets(32)
    nonce: bytes = octets(16)


@dataclass(frozen=True)
class ShareEvidence(Message):
    """A share that does not match its commitment, kept as evidence beside the signed answer that held it."""

    TYPE: ClassVar[str] = "share-evidence"
    answer: Signed = message(Signed)
    handle: bytes = octets(32)
    found: int = uint()


@dataclass(frozen=True)
class AuditAnswer(Message):
    """A custodian's sealed entries of one patient from ``first`` on, and the proof that there are no more.

    ``proof`` is the audit proof of docs/formats.md, "Release log"; null if this custodian never held anything.
    """

    TYPE: ClassVar[str] = "audit-answer"
    custodian: int = uint()
    request: bytes = octets(32)
    held: bool = flag()
    first: int = uint()
    entries: tuple[bytes, ...] = several(octets())
    proof: bytes | None = maybe(octets())


@dataclass(frozen=True)
class RepairOrder(Message):
    """Share ``place`` of these handles shall be remade for ``successor`` by ``helpers``; signed by the controller,
    or by the list's majority when the controller is not reachable."""

    TYPE: ClassVar[str] = "repair-order"
    id: bytes = octets(16)
    alias: bytes = octets(32)
    place: int = uint(8)
    successor: int = uint()
    helpers: tuple[int, ...] = several(uint(), most=64)
    not_after: int = uint()


@dataclass(frozen=True)
class RepairTerm(Message):
    """One helper's masked Lagrange terms for another helper, or the sums for the successor; sealed on the way."""

    TYPE: ClassVar[str] = "repair-term"
    order: bytes = octets(16)
    sender: int = uint()
    receiver: int = uint()
    terms: tuple[bytes, ...] = several(octets(32))


@dataclass(frozen=True)
class Refusal(Message):
    """A refusal on the wire between processes: the error class of domain/errors.py and its details."""

    TYPE: ClassVar[str] = "refusal"
    error: str = text(64)
    details: tuple[tuple[str, str], ...] = several(several(text(500), most=2), most=16)


METHODS = (
    "enrol",
    "alias",
    "keep-epoch",
    "keep",
    "anchored",
    "release",
    "order",
    "retract",
    "audit",
    "checkpoint",
    "tile",
    "cosign",
    "attest",
    "repair-terms",
    "repair-sums",
    "repair-finish",
)
