"""What custodians sign and hand each other: receipts, facts, evidence, audit answers, repair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from careledger.formats.deposits import AnchorNotice, Items
from careledger.formats.releases import AcceptanceProof, DepositProof
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
class DueErasure(Message):
    """Versions whose erasure an order asked for before its date, and which a custodian erases now that it has come.

    In the custodian's own journal, so that rows from an old backup are brought up to it. ``reason`` is the digest of
    the order with the id ``order``: what the attestations name.
    """

    TYPE: ClassVar[str] = "due-erasure"
    order: bytes = octets(16)
    reason: bytes = octets(32)
    alias: bytes = octets(32)
    handles: tuple[bytes, ...] = several(octets(32))


@dataclass(frozen=True)
class AliasQuestion(Message):
    """Asks for the newest statement of an alias, all epoch records of a compartment, the newest one of others.

    ``compartment`` is null where no whole chain is asked for, ``newest`` empty where no newest epoch is.
    """

    TYPE: ClassVar[str] = "alias-question"
    alias: bytes = octets(32)
    compartment: int | None = maybe(uint(16))
    newest: tuple[int, ...] = several(uint(16), most=64)


@dataclass(frozen=True)
class NewestEpoch(Message):
    """The newest epoch record that a custodian keeps of a compartment, and how many it keeps in all."""

    TYPE: ClassVar[str] = "newest-epoch"
    compartment: int = uint(16)
    kept: int = uint()
    record: bytes = octets()


@dataclass(frozen=True)
class AliasAnswer(Message):
    """The newest alias statement, epoch records from 0 up, newest epochs; null and empty where nothing is known."""

    TYPE: ClassVar[str] = "alias-answer"
    statement: Signed | None = maybe(message(Signed))
    epochs: tuple[bytes, ...] = several(octets(), most=4096)
    newest: tuple[NewestEpoch, ...] = several(message(NewestEpoch), most=64)


@dataclass(frozen=True)
class StandingQuestion(Message):
    """Asks a custodian how much of what it released for this request (its id) has changed since; for a lease's holder.

    ``nonce`` makes each question another one, so that no answer serves twice.
    """

    TYPE: ClassVar[str] = "standing-question"
    request: bytes = octets(16)
    nonce: bytes = octets(16)


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
    ``sessions`` are the signed session statements that the entries of the claim name, each sealed, once; as many as
    there is room for.
    """

    TYPE: ClassVar[str] = "audit-answer"
    custodian: int = uint()
    request: bytes = octets(32)
    held: bool = flag()
    first: int = uint()
    entries: tuple[bytes, ...] = several(octets())
    proof: bytes | None = maybe(octets())
    sessions: tuple[bytes, ...] = several(octets())


@dataclass(frozen=True)
class RepairOrder(Message):
    """Share ``place`` of everything kept for this alias shall be remade for ``successor``; signed by the controller.

    ``helpers`` are the places of the helpers. The newest alias statement already names the successor at ``place``,
    which may be the custodian that was there before and lost its shares. ``escrow``: there are enough helpers to remake
    the shares of batch secrets too.
    """

    TYPE: ClassVar[str] = "repair-order"
    id: bytes = octets(16)
    alias: bytes = octets(32)
    place: int = uint(8)
    successor: int = uint()
    helpers: tuple[int, ...] = several(uint(8), most=64)
    escrow: bool = flag()
    not_after: int = uint()


@dataclass(frozen=True)
class RepairTerm(Message):
    """One helper's masked Lagrange terms for another helper, or its sums for the successor; sealed on the way.

    ``sender`` and ``receiver`` are places. ``subjects`` are handles and, for shares of batch secrets, digests of
    deposit statements; ``terms`` are in their order.
    """

    TYPE: ClassVar[str] = "repair-term"
    order: bytes = octets(16)
    sender: int = uint(8)
    receiver: int = uint(8)
    subjects: tuple[bytes, ...] = several(octets(32))
    terms: tuple[bytes, ...] = several(octets(32))


@dataclass(frozen=True)
class RepairRequest(Message):
    """What the agent carries from custodian to custodian: the order, sealing keys, and sealed terms for the receiver.

    ``keys`` are the public sealing keys that the receiver seals to: of all helpers in the order's order for
    ``repair-terms``, of the successor alone for ``repair-sums``, none for ``repair-finish``.
    """

    TYPE: ClassVar[str] = "repair-request"
    order: Signed = message(Signed)
    keys: tuple[bytes, ...] = several(octets(most=4096), most=64)
    sealed: tuple[bytes, ...] = several(octets(), most=64)


@dataclass(frozen=True)
class RepairAnswer(Message):
    """Sealed terms, one for each key of the request and in that order."""

    TYPE: ClassVar[str] = "repair-answer"
    sealed: tuple[bytes, ...] = several(octets(), most=64)


@dataclass(frozen=True)
class KeptMark(Message):
    """What became of one version since it was kept; ``state`` and ``mark`` as in a released row."""

    TYPE: ClassVar[str] = "kept-mark"
    position: int = uint(32)
    state: str = text(16)
    mark: str = text(16)
    accepted: bool = flag()


@dataclass(frozen=True)
class KeptBatch(Message):
    """What a helper tells the successor of one deposit: whatever all custodians of the list keep alike.

    ``commitments`` are those of all versions and places, 32 bytes each, empty where the helper does not know them.
    ``marks`` leave out versions that are as they came; ``anchor`` is null while nothing is anchored.
    """

    TYPE: ClassVar[str] = "kept-batch"
    proof: DepositProof = message(DepositProof)
    items: Items = message(Items)
    commitments: bytes = octets()
    escrow_commitments: tuple[bytes, ...] | None = maybe(several(octets(32), most=64))
    anchor: AnchorNotice | None = maybe(message(AnchorNotice))
    marks: tuple[KeptMark, ...] = several(message(KeptMark))


@dataclass(frozen=True)
class RepairSums(Message):
    """A helper's message to the successor, inside its seal: sums for each subject, deposits, epoch records, and the
    acceptances of versions that were deposited unasked."""

    TYPE: ClassVar[str] = "repair-sums"
    terms: RepairTerm = message(RepairTerm)
    deposits: tuple[KeptBatch, ...] = several(message(KeptBatch))
    epochs: tuple[bytes, ...] = several(octets(), most=4096)
    acceptances: tuple[AcceptanceProof, ...] = several(message(AcceptanceProof))


@dataclass(frozen=True)
class CosignRequest(Message):
    """Asks a custodian to cosign another's checkpoint; ``note`` is the signed note, ``entries`` the log's lines from
    ``start`` (what the cosigner has accepted before) up to it, ``log_key`` the log's Ed25519 public key."""

    TYPE: ClassVar[str] = "cosign-request"
    custodian: int = uint()
    log_key: bytes = octets(32)
    note: bytes = octets(most=65_536)
    start: int = uint()
    entries: tuple[bytes, ...] = several(octets(64))


@dataclass(frozen=True)
class FactQuestion(Message):
    """An agent that reaches no node asks for a ledger fact; ``nonce`` stands in the answer.

    ``question`` is ``head``, ``custodians`` or ``matrix`` (subject empty), ``party``, ``custodian``, ``team`` or
    ``checkpoint`` (uint64), ``in-team`` (post and team), ``alias`` (32 bytes), ``consent`` (owner ‖ commitment),
    ``filed-under`` (a one-time owner's 20 bytes), ``anchor`` or ``anchored`` (root), ``erased`` (leaf) or
    ``break-glass`` (entry). ``block``: after which block, null for the newest one.
    """

    TYPE: ClassVar[str] = "fact-question"
    question: str = text(64)
    subject: bytes = octets(most=64)
    nonce: bytes = octets(16)
    block: int | None = maybe(uint())


@dataclass(frozen=True)
class Refusal(Message):
    """A refusal on the wire between processes: the error class of domain/errors.py and its details."""

    TYPE: ClassVar[str] = "refusal"
    error: str = text(64)
    details: tuple[tuple[str, str], ...] = several(several(text(500), most=2), most=16)


@dataclass(frozen=True)
class Call(Message):
    """A call between processes on one machine: a method's name and the message for it."""

    TYPE: ClassVar[str] = "call"
    method: str = text(32)
    body: bytes = octets()


@dataclass(frozen=True)
class Reply(Message):
    """The answer to a call: the message, or why there is none."""

    TYPE: ClassVar[str] = "reply"
    body: bytes | None = maybe(octets())
    refusal: Refusal | None = maybe(message(Refusal))


@dataclass(frozen=True)
class CustodianKeys(Message):
    """A custodian's public keys, to be checked against the digests on the ledger before use."""

    TYPE: ClassVar[str] = "custodian-keys"
    custodian: int = uint()
    sealing_key: bytes = octets(most=4096)
    log_key: bytes = octets(32)


def log_origin(deployment: bytes, custodian: int) -> str:
    """The name of a custodian's release log and of its key: 16 hex digits of the network, 16 of the party."""
    return f"careledger.log/{deployment.hex()[:16]}/{custodian:016x}"


METHODS = (
    "enrol",
    "alias",
    "keep-epoch",
    "keep",
    "anchored",
    "release",
    "order",
    "retract",
    "accept",
    "audit",
    "checkpoint",
    "tile",
    "keys",
    "cosign",
    "attest",
    "repair-terms",
    "repair-sums",
    "repair-finish",
    "revoked",
    "stands",
    "tend",
)
