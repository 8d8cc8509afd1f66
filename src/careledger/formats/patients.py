"""What a patient's agent signs: alias and epoch statements, certificates, orders, grant packages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from careledger.formats.digests import digest
from careledger.formats.persons import WaitingErasure
from careledger.formats.schema import Message, flag, maybe, message, octets, several, text, uint
from careledger.formats.signed import Signed

MONTH = 7  # characters of 'YYYY-MM'


@dataclass(frozen=True)
class AliasStatement(Message):
    """Who seals to this alias and who keeps its shares; signed by the alias's controller.

    ``previous`` is the digest of the statement with the number before, 32 zero bytes for number 0.
    ``custodians`` are party numbers; place i of the list is ``custodians[i - 1]``. ``claim`` counts the
    claims: 0 while the registrar holds the keys.
    """

    TYPE: ClassVar[str] = "alias-statement"
    alias: bytes = octets(32)
    number: int = uint()
    previous: bytes = octets(32)
    claim: int = uint(32)
    sealing_key: bytes = octets(most=4096)
    custodians: tuple[int, ...] = several(uint(), most=64)
    custodian_seed: bytes = octets(32)
    registrar: int = uint()
    escrow: bool = flag()


@dataclass(frozen=True)
class EpochStatement(Message):
    """The public key that new batches of one compartment are sealed to; signed by the controller."""

    TYPE: ClassVar[str] = "epoch-statement"
    alias: bytes = octets(32)
    compartment: int = uint(16)
    number: int = uint()
    public_key: bytes = octets(most=4096)
    previous: bytes = octets(32)
    escrow: bool = flag()


@dataclass(frozen=True)
class EpochRecord(Message):
    """What custodians keep of an epoch: the statement and the seed, sealed twice.

    ``seed_for_alias`` is sealed to the alias's sealing key; ``previous_seed`` (null for epoch 0) is the
    seed of the epoch before, sealed to this epoch's public key.
    """

    TYPE: ClassVar[str] = "epoch-record"
    statement: Signed = message(Signed)
    seed_for_alias: bytes = octets(most=8192)
    previous_seed: bytes | None = maybe(octets(most=8192))


@dataclass(frozen=True)
class EpochRecords(Message):
    """Epoch records that a custodian is to keep, all of them or none; of one compartment the newest first."""

    TYPE: ClassVar[str] = "epoch-records"
    records: tuple[EpochRecord, ...] = several(message(EpochRecord), most=4096)


@dataclass(frozen=True)
class ScopeForm(Message):
    """A consent's scope as it is signed; null means "not narrowed by this"."""

    TYPE: ClassVar[str] = "scope"
    compartments: tuple[int, ...] = several(uint(16), most=64)
    permissions: tuple[str, ...] = several(text(16), most=3)
    authors: tuple[int, ...] | None = maybe(several(uint(), most=64))
    from_month: str | None = maybe(text(MONTH))
    to_month: str | None = maybe(text(MONTH))
    handles: tuple[bytes, ...] | None = maybe(several(octets(32), most=1000))
    exceptions: tuple[bytes, ...] = several(octets(32), most=1000)


@dataclass(frozen=True)
class GranteeForm(Message):
    """Who is granted: kind ``post``, ``team`` or ``organisation``, and the number on the ledger.

    ``organisation`` is the organisation itself, or the employer of the post or team.
    """

    TYPE: ClassVar[str] = "grantee"
    kind: str = text(16)
    number: int = uint()
    organisation: int = uint()


@dataclass(frozen=True)
class Certificate(Message):
    """The opening of a consent's commitment; counts only if signed by the alias's present controller.

    ``owner`` is the one-time address under which the consent stands on the ledger. ``minted`` names the
    digest of the certificate that this one renews after a rotation, or 32 zero bytes.
    """

    TYPE: ClassVar[str] = "certificate"
    alias: bytes = octets(32)
    owner: bytes = octets(20)
    grantee: GranteeForm = message(GranteeForm)
    scope: ScopeForm = message(ScopeForm)
    purpose: str = text(16)
    salt: bytes = octets(32)
    ready_made: str = text(32)

    @property
    def commitment(self) -> bytes:
        """H(salt, alias, grantee, scope, purpose): what the ledger keeps."""
        return digest(
            "consent",
            self.salt,
            self.alias,
            self.grantee.encode(),
            self.scope.encode(),
            self.purpose.encode(),
        )


@dataclass(frozen=True)
class EpochKey(Message):
    """An epoch seed inside a sealed grant package."""

    TYPE: ClassVar[str] = "epoch-key"
    compartment: int = uint(16)
    number: int = uint()
    statement: bytes = octets(32)
    seed: bytes = octets(32)


@dataclass(frozen=True)
class RecordKey(Message):
    """A record secret r inside a sealed grant package, for a consent of single handles."""

    TYPE: ClassVar[str] = "record-key"
    handle: bytes = octets(32)
    compartment: int = uint(16)
    secret: bytes = octets(32)


@dataclass(frozen=True)
class GrantPackage(Message):
    """What a grantee needs beside the custodians' shares; signed by the controller, then sealed."""

    TYPE: ClassVar[str] = "grant-package"
    alias_statement: Signed = message(Signed)
    certificate: Signed = message(Signed)
    window_start: int = uint()
    window_end: int = uint()
    epoch_keys: tuple[EpochKey, ...] = several(message(EpochKey), most=64)
    record_keys: tuple[RecordKey, ...] = several(message(RecordKey), most=1000)


@dataclass(frozen=True)
class Order(Message):
    """Restrict, erase, move, accept, confirm or dispute: what a controller tells its custodians to do.

    ``act`` is one of ``restrict``, ``unrestrict``, ``erase``, ``move``, ``accept``, ``confirm``, ``dispute``.
    ``reason`` is a code, never free text. ``block`` is the head that the controller saw: whoever is shown an order
    later finds there whose key had to sign. An id is carried out once; repeating it is harmless.
    """

    TYPE: ClassVar[str] = "order"
    id: bytes = octets(16)
    alias: bytes = octets(32)
    act: str = text(16)
    handles: tuple[bytes, ...] = several(octets(32))
    reason: str = text(32)
    block: int = uint()
    not_after: int = uint()


@dataclass(frozen=True)
class AuditRequest(Message):
    """The controller asks a custodian for its entries from ``first`` on, and for the proof of their count."""

    TYPE: ClassVar[str] = "audit-request"
    id: bytes = octets(16)
    alias: bytes = octets(32)
    claim: int = uint(32)
    custodian: int = uint()
    first: int = uint()
    not_after: int = uint()


@dataclass(frozen=True)
class Enrolment(Message):
    """A patient becomes known to one custodian: the alias statement and the audit key that they share.

    ``audit_key`` is HKDF(audit seed, alias, claim, custodian), sealed to the custodian's sealing key.
    """

    TYPE: ClassVar[str] = "enrolment"
    statement: Signed = message(Signed)
    audit_key: bytes = octets(most=8192)


@dataclass(frozen=True)
class HandoverKey(Message):
    """An epoch seed that a former holder hands over."""

    TYPE: ClassVar[str] = "handover-key"
    compartment: int = uint(16)
    number: int = uint()
    seed: bytes = octets(32)


@dataclass(frozen=True)
class HandedErasure(Message):
    """A version whose erasure the former holder ordered and that waits for its date, as the next holder keeps it."""

    TYPE: ClassVar[str] = "handed-erasure"
    handle: bytes = octets(32)
    waiting: WaitingErasure = message(WaitingErasure)


@dataclass(frozen=True)
class Handover(Message):
    """What the former holder of an alias hands to the next, sealed: its audit seed, all epoch seeds, and the erasures
    that wait for their date.

    Keys are ordered by compartment and rising number. ``claim`` is the former holder's. ``sealing_seed`` opens the log
    entries of that claim; null for a guardian, who must not open the restricted epochs with it.
    """

    TYPE: ClassVar[str] = "handover"
    alias: bytes = octets(32)
    claim: int = uint(32)
    audit_seed: bytes = octets(32)
    sealing_seed: bytes | None = maybe(octets(32))
    keys: tuple[HandoverKey, ...] = several(message(HandoverKey))
    erasures: tuple[HandedErasure, ...] = several(message(HandedErasure))


@dataclass(frozen=True)
class AccessRequest(Message):
    """A post asks a patient for access; signed by its session key, sealed to the alias like a grant package.

    ``reason`` is for the patient to read.
    """

    TYPE: ClassVar[str] = "access-request"
    id: bytes = octets(16)
    alias: bytes = octets(32)
    reader: int = uint()
    employer: int = uint()
    scope: ScopeForm = message(ScopeForm)
    purpose: str = text(16)
    start: int = uint()
    end: int = uint()
    reason: str = text(500)
    made: int = uint()


@dataclass(frozen=True)
class AccessAnswer(Message):
    """What the patient's agent answers to an access request: ``granted`` or ``refused``; sealed to the asker.

    A refusal says no more than that.
    """

    TYPE: ClassVar[str] = "access-answer"
    request: bytes = octets(16)
    outcome: str = text(16)


@dataclass(frozen=True)
class GivenConsent(Message):
    """What a holder remembers of a consent it made; ``state`` is ``prepared``, ``given``, ``revoked`` or ``epoch-owed``
    (revoked, new epoch still to be made)."""

    TYPE: ClassVar[str] = "given-consent"
    counter: int = uint()
    certificate: Signed = message(Signed)
    start: int = uint()
    end: int = uint()
    state: str = text(16)
    record_keys: tuple[RecordKey, ...] = several(message(RecordKey), most=1000)


@dataclass(frozen=True)
class Envelope(Message):
    """What is inside every package on the board: the TYPE of what it carries, that, and who opens its signature.

    ``session`` is set where a session key signed.
    """

    TYPE: ClassVar[str] = "envelope"
    kind: str = text(32)
    content: Signed = message(Signed)
    session: Signed | None = maybe(message(Signed))


@dataclass(frozen=True)
class ReceivedGrant(Message):
    """A checked grant package in the grantee's books."""

    TYPE: ClassVar[str] = "received-grant"
    package: Signed = message(Signed)
    received: int = uint()
    alias: bytes = octets(32)
