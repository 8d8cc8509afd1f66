"""Asking and releasing: release requests, answers, log entries."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from careledger.formats.after_death import SignedDecision
from careledger.formats.consent_messages import OpenBreakGlass
from careledger.formats.digests import digest
from careledger.formats.eip712 import Domain, Struct
from careledger.formats.schema import Message, flag, maybe, message, octets, several, text, uint
from careledger.formats.sessions import SessionProof
from careledger.formats.signed import Signed

MOST_REQUEST = 60
MOST_ACCEPTED = 64
NO_CONSENT = bytes(32)
WITHOUT_LEDGER = "without-ledger"


@dataclass(frozen=True)
class ReleaseRequest(Message):
    """A request for shares, signed as EIP-712 by the session key (or the controller, for ``own``).

    ``rule`` is ``consent``, ``registrar``, ``general``, ``break-glass``, ``officers`` or ``own``. ``reader`` and
    ``employer`` are 0 for ``own``. Either ``handles`` is given, or null and ``compartments`` name what is asked.
    ``as_of`` (a block number) limits the answer to versions anchored up to it; 0 means now.
    """

    TYPE: ClassVar[str] = "release-request"
    id: bytes = octets(16)
    reader: int = uint()
    employer: int = uint()
    session: bytes = octets(32)
    custodians: tuple[int, ...] = several(uint(), most=64)
    alias: bytes = octets(32)
    rule: str = text(16)
    owner: bytes = octets(20)
    commitment: bytes = octets(32)
    entry: bytes = octets(32)
    purpose: str = text(16)
    handles: tuple[bytes, ...] | None = maybe(several(octets(32)))
    compartments: tuple[int, ...] = several(uint(16), most=64)
    as_of: int = uint()
    block_number: int = uint()
    block_hash: bytes = octets(32)
    not_after: int = uint()
    ephemeral_key: bytes = octets(most=4096)

    @property
    def what(self) -> bytes:
        """Digest of what is asked: handles in order, or compartments, and as_of."""
        kind = b"compartments" if self.handles is None else b"handles"
        wanted = (
            self.handles
            if self.handles is not None
            else tuple(n.to_bytes(2, "big") for n in self.compartments)
        )
        return digest("asked", kind, self.as_of.to_bytes(8, "big"), *wanted)

    def signing_digest(self, chain_id: int, contract: bytes) -> bytes:
        """The EIP-712 digest under domain ``careledger-release`` with the Consents contract."""
        return RELEASE_STRUCT.digest(
            Domain("careledger-release", "1", chain_id, contract),
            {
                "id": self.id,
                "reader": self.reader,
                "employer": self.employer,
                "session": self.session,
                "custodians": self.custodians,
                "alias": self.alias,
                "rule": self.rule,
                "owner": self.owner,
                "commitment": self.commitment,
                "entry": self.entry,
                "purpose": self.purpose,
                "asked": self.what,
                "count": len(self.handles or ()),
                "blockNumber": self.block_number,
                "blockHash": self.block_hash,
                "notAfter": self.not_after,
                "ephemeral": digest("ephemeral", self.ephemeral_key),
            },
        )


RELEASE_STRUCT = Struct(
    "Release",
    (
        ("bytes16", "id"),
        ("uint64", "reader"),
        ("uint64", "employer"),
        ("bytes32", "session"),
        ("uint64[]", "custodians"),
        ("bytes32", "alias"),
        ("string", "rule"),
        ("address", "owner"),
        ("bytes32", "commitment"),
        ("bytes32", "entry"),
        ("string", "purpose"),
        ("bytes32", "asked"),
        ("uint64", "count"),
        ("uint64", "blockNumber"),
        ("bytes32", "blockHash"),
        ("uint64", "notAfter"),
        ("bytes32", "ephemeral"),
    ),
)


@dataclass(frozen=True)
class EmergencyOpening(Message):
    """What the commitment of a break-glass entry on the ledger opens to; ``reason`` is a code, never empty.

    ``restricted`` are the restricted compartments that the entry asks for separately.
    """

    TYPE: ClassVar[str] = "emergency-opening"
    salt: bytes = octets(32)
    alias: bytes = octets(32)
    reason: str = text(32)
    restricted: tuple[int, ...] = several(uint(16), most=64)

    @property
    def commitment(self) -> bytes:
        """What the entry on the ledger keeps: the digest of this message."""
        return self.digest()


@dataclass(frozen=True)
class EmergencyProposal(Message):
    """An emergency that a doctor's post proposed, in its employer's books until a second post confirms it.

    ``restricted`` as in EmergencyOpening; ``seconds`` is how long it is to last; ``made`` is unix seconds; ``second``
    is the post that confirms it, 0 while none does.
    """

    TYPE: ClassVar[str] = "emergency-proposal"
    id: bytes = octets(16)
    opener: int = uint()
    alias: bytes = octets(32)
    reason: str = text(32)
    restricted: tuple[int, ...] = several(uint(16), most=64)
    seconds: int = uint()
    made: int = uint()
    second: int = uint()


@dataclass(frozen=True)
class OfficerAgreement(Message):
    """An officer agrees that a post reads one more patient by the rule ``general`` than a day allows.

    Signed by the session key of ``officer``: another post of the same employer, with the role operator. It counts for
    the one request with the id ``request``, from ``made`` until ``until``, an hour later at most; unix seconds.
    """

    TYPE: ClassVar[str] = "officer-agreement"
    request: bytes = octets(16)
    officer: int = uint()
    employer: int = uint()
    reader: int = uint()
    alias: bytes = octets(32)
    made: int = uint()
    until: int = uint()


@dataclass(frozen=True)
class SignedAgreement(Message):
    """An officer's agreement with the session that signed it, as requests carry it."""

    TYPE: ClassVar[str] = "signed-agreement"
    statement: Signed = message(Signed)
    session: SessionProof = message(SessionProof)


@dataclass(frozen=True)
class SignedOpening(Message):
    """An emergency that could not be entered because the ledger stands still: OpenBreakGlass, signed by both posts.

    Custodians release on it, and enter it with ``enter_afterwards`` once the ledger moves and ``deadline`` is over.
    """

    TYPE: ClassVar[str] = "signed-opening"
    entry: bytes = octets(32)
    commitment: bytes = octets(32)
    opener: int = uint()
    second: int = uint()
    until: int = uint()
    restricted: bool = flag()
    deadline: int = uint()
    by_opener: bytes = octets(65)
    by_second: bytes = octets(65)

    @property
    def said(self) -> OpenBreakGlass:
        """What both signed."""
        return OpenBreakGlass(
            self.entry, self.commitment, self.opener, self.second, self.until, self.restricted, self.deadline
        )


@dataclass(frozen=True)
class SignedRequest(Message):
    """A release request as it is sent. ``session`` is null for ``own``; ``certificate`` is null for standing rules.

    ``emergency`` opens the break-glass entry that the request names; null for all other rules. ``agreement`` goes with
    ``general`` beyond a day's number of patients. ``opening`` stands in for the entry while the ledger stands still.
    ``decision`` is two officers' about somebody who has died; then the request's ``entry`` is its digest.
    """

    TYPE: ClassVar[str] = "signed-request"
    request: ReleaseRequest = message(ReleaseRequest)
    signature: bytes = octets(65)
    session: SessionProof | None = maybe(message(SessionProof))
    certificate: Signed | None = maybe(message(Signed))
    emergency: EmergencyOpening | None = field(
        default=None, metadata=maybe(message(EmergencyOpening)).metadata
    )
    agreement: SignedAgreement | None = field(default=None, metadata=maybe(message(SignedAgreement)).metadata)
    opening: SignedOpening | None = field(default=None, metadata=maybe(message(SignedOpening)).metadata)
    decision: SignedDecision | None = field(default=None, metadata=maybe(message(SignedDecision)).metadata)


@dataclass(frozen=True)
class ReleasedRow(Message):
    """One version as a custodian releases it, with this custodian's share of c.

    ``root`` is null while the version is not anchored. ``share`` is null where the custodian holds the row but no
    share (a stand-in, or one that lost it); then ``path`` may be empty. ``state`` is ``kept``, ``restricted`` or
    ``retracted``, ``mark`` is ``unconfirmed``, ``confirmed`` or ``disputed``. ``escrow`` is this custodian's share
    of b, ``escrow_path`` leads to the statement's escrow root. ``position`` is the version's in its deposit, and
    ``item_path`` leads from the item's digest to the statement's ``items``.
    """

    TYPE: ClassVar[str] = "released-row"
    deposit: bytes = octets(32)
    position: int = uint(32)
    handle: bytes = octets(32)
    compartment: int = uint(16)
    epoch: int = uint()
    header: bytes = octets(36)
    manifest: bytes = octets(36)
    body: bytes = octets(36)
    commitments: bytes = octets(32)
    predecessor: bytes | None = maybe(octets(32))
    author: int = uint()
    signed: bool = flag()
    clinical_month: str | None = maybe(text(7))
    item_path: tuple[bytes, ...] = several(octets(32), most=32)
    place: int = uint(8)
    share: bytes | None = maybe(octets(32))
    path: tuple[bytes, ...] = several(octets(32), most=32)
    root: bytes | None = maybe(octets(32))
    index: int = uint()
    size: int = uint()
    anchor_path: tuple[bytes, ...] = several(octets(32), most=32)
    escrow: bytes | None = maybe(octets(32))
    escrow_place: int = uint(8)
    escrow_path: tuple[bytes, ...] = several(octets(32), most=32)
    state: str = text(16)
    mark: str = text(16)
    unasked: bool = flag()


@dataclass(frozen=True)
class DepositProof(Message):
    """A deposit statement as its custodian keeps it, with the session that signed it (null: the controller did).

    ``certificate`` opens the consent of the ground ``append`` (else null), so that readers can decide again.
    """

    TYPE: ClassVar[str] = "deposit-proof"
    statement: Signed = message(Signed)
    session: SessionProof | None = maybe(message(SessionProof))
    certificate: Signed | None = maybe(message(Signed))


@dataclass(frozen=True)
class Acceptance(Message):
    """A treating doctor accepts versions that were deposited unasked; signed by the session key.

    ``block`` is the head that the post saw, ``made`` the time. ``purpose`` is that of the consent it treats by.
    """

    TYPE: ClassVar[str] = "acceptance"
    id: bytes = octets(16)
    alias: bytes = octets(32)
    post: int = uint()
    employer: int = uint()
    purpose: str = text(16)
    handles: tuple[bytes, ...] = several(octets(32), most=MOST_ACCEPTED)
    block: int = uint()
    made: int = uint()


@dataclass(frozen=True)
class AcceptanceProof(Message):
    """Who accepted, as it is sent to custodians, kept by them and shown to readers, who decide again.

    ``statement`` is a signed acceptance with its session and the consent's certificate, or, both null, the
    controller's signed order ``accept``.
    """

    TYPE: ClassVar[str] = "acceptance-proof"
    statement: Signed = message(Signed)
    session: SessionProof | None = maybe(message(SessionProof))
    certificate: Signed | None = maybe(message(Signed))


@dataclass(frozen=True)
class Answer(Message):
    """A custodian's answer; signed by the custodian, then sealed to the request's ephemeral key.

    A custodian never says what it does not release: versions that are refused are not in ``rows``, and a request that
    is refused as a whole raises. ``entry`` is the digest of the sealed log entry. ``deposits`` are the deposit
    statements of the rows, ``epochs`` the encoded epoch records of the rows' compartments, all epochs of each,
    ``acceptances`` stand for the rows that were deposited unasked and are accepted. ``without_ledger``: released on
    both posts' signatures while the ledger stood still; ``at_block`` was its last head.
    """

    TYPE: ClassVar[str] = "answer"
    request: bytes = octets(32)
    custodian: int = uint()
    at_block: int = uint()
    at_time: int = uint()
    entry: bytes = octets(32)
    rows: tuple[ReleasedRow, ...] = several(message(ReleasedRow))
    deposits: tuple[DepositProof, ...] = several(message(DepositProof))
    epochs: tuple[bytes, ...] = several(octets(), most=4096)
    acceptances: tuple[AcceptanceProof, ...] = several(message(AcceptanceProof))
    without_ledger: bool = flag()


@dataclass(frozen=True)
class LogEntry(Message):
    """One line of a patient's release log, as only the patient reads it; sealed to the alias's sealing key.

    ``index`` counts from 0 per patient, claim and custodian; ``previous`` is the digest of the sealed entry before,
    32 zero bytes for index 0. ``event`` is ``released``, ``refused``, ``kept``, ``order``, ``enrolled``, ``alarm``,
    ``audited`` or ``incident`` (what was filed on the wrong person is moved away). ``officers`` are those without
    whose agreement it had not been released. ``reason`` says why it was refused; ``without-ledger`` at a release and
    its alarm: it was granted while the ledger stood still. ``commitment`` is the entry's id under the rule
    ``break-glass``, and of ``kept`` what the custodian's receipt is about, instead of the handles.
    """

    TYPE: ClassVar[str] = "log-entry"
    index: int = uint()
    previous: bytes = octets(32)
    alias: bytes = octets(32)
    claim: int = uint(32)
    custodian: int = uint()
    event: str = text(16)
    at_time: int = uint()
    at_block: int = uint()
    request: bytes = octets(16)
    reader: int = uint()
    employer: int = uint()
    session: bytes = octets(32)
    person_proof: str = text(16)
    rule: str = text(16)
    commitment: bytes = octets(32)
    purpose: str = text(16)
    reason: str = text(64)
    compartments: tuple[int, ...] = several(uint(16), most=64)
    handles: tuple[bytes, ...] = several(octets(32))
    custodians: tuple[int, ...] = several(uint(), most=64)
    officers: tuple[int, ...] = several(uint(), most=8)
