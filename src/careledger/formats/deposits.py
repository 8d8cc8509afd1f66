"""What a depositor makes: the manifest inside its seal, the deposit statement, what custodians keep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from careledger.formats.releases import SessionProof
from careledger.formats.schema import MOST_ITEMS, Message, flag, maybe, message, octets, several, text, uint
from careledger.formats.signed import Signed

MOST_PATH = 32


@dataclass(frozen=True)
class Manifest(Message):
    """What only readers see of a version; sealed under the manifest key.

    ``author_resolved`` is how the author was found (``signed``, ``own-element``, ``provenance``, ``encounter``,
    ``referrer``, ``service-provider``, ``unknown``); ``source`` is ``signed``, ``imported``, ``patient-reported``
    or ``device``. ``author_signature`` is by the author's post over the content digest, or null.
    """

    TYPE: ClassVar[str] = "manifest"
    alias: bytes = octets(32)
    category: int = uint(8)
    sensitivity: int = uint(8)
    record_id: bytes = octets(16)
    version: int = uint(32)
    predecessor: bytes | None = maybe(octets(32))
    resource_type: str = text(64)
    subject: str = text(256)
    author: int = uint()
    author_stated: str = text(512)
    author_resolved: str = text(32)
    depositor: int = uint()
    source: str = text(32)
    source_key: str = text(512)
    mapping_version: int = uint(32)
    clinical_date: str | None = maybe(text(35))
    mime_type: str = text(128)
    body_length: int = uint()
    content_digest: bytes = octets(32)
    author_signature: bytes | None = maybe(octets(65))
    body_key_commitment: bytes = octets(32)
    content_tag: bytes = octets(32)
    note: str = text(1_000)


@dataclass(frozen=True)
class DepositItem(Message):
    """One version as custodians know it; ``author`` 0 means that no registered party is stated.

    CIDs are in the 36-byte binary form of formats.cids. ``commitments`` is the root of the N share
    commitments; ``predecessor`` is the handle of the version that this one follows.
    """

    TYPE: ClassVar[str] = "deposit-item"
    handle: bytes = octets(32)
    header: bytes = octets(36)
    manifest: bytes = octets(36)
    body: bytes = octets(36)
    commitments: bytes = octets(32)
    leaf: bytes = octets(32)
    predecessor: bytes | None = maybe(octets(32))
    author: int = uint()
    signed: bool = flag()
    clinical_month: str | None = maybe(text(7))


@dataclass(frozen=True)
class DepositStatement(Message):
    """What one depositor deposits at once for one alias and compartment; signed by the session key.

    ``ground`` is ``own`` (then ``depositor`` and ``post`` are 0), ``append``, ``registrar`` or ``unasked``. ``intake``
    says that this is the depositor's one intake ("once" cells). ``escrow`` is the root of the commitments to the N
    shares of the batch secret, null where the epoch statement says no.
    """

    TYPE: ClassVar[str] = "deposit-statement"
    id: bytes = octets(16)
    alias: bytes = octets(32)
    compartment: int = uint(16)
    epoch: int = uint()
    epoch_statement: bytes = octets(32)
    depositor: int = uint()
    post: int = uint()
    ground: str = text(16)
    source: str = text(32)
    intake: bool = flag()
    made: int = uint()
    escrow: bytes | None = maybe(octets(32))
    items: tuple[DepositItem, ...] = several(message(DepositItem))


@dataclass(frozen=True)
class ShareRow(Message):
    """One custodian's part of one version: its share of c, and the commitments to the shares of all places, in order.

    All N commitments and not one path: a custodian that remakes a lost share needs the others' commitments too.
    """

    TYPE: ClassVar[str] = "share-row"
    place: int = uint(8)
    share: bytes = octets(32)
    commitments: tuple[bytes, ...] = several(octets(32), most=64)


@dataclass(frozen=True)
class AnchorPlace(Message):
    """Where one leaf stands under an anchored root."""

    TYPE: ClassVar[str] = "anchor-place"
    handle: bytes = octets(32)
    index: int = uint()
    path: tuple[bytes, ...] = several(octets(32), most=MOST_PATH)


@dataclass(frozen=True)
class AnchorNotice(Message):
    """Tells a custodian under which anchored root the leaves of a deposit stand; checked at the ledger."""

    TYPE: ClassVar[str] = "anchor-notice"
    deposit: bytes = octets(16)
    root: bytes = octets(32)
    size: int = uint()
    places: tuple[AnchorPlace, ...] = several(message(AnchorPlace))


@dataclass(frozen=True)
class KeepRequest(Message):
    """Asks one custodian to keep its part of a batch.

    ``rows`` are in the order of the statement's items, or empty for a custodian beyond the first n, which keeps
    the index and its part of the escrow only. ``escrow`` is this custodian's share of the batch
    secret b with its place, or null where the epoch statement says no. ``certificate`` opens an append consent.
    ``anchor`` is null at first; with it a thin deposit is completed later, judged as at the anchoring block.
    """

    TYPE: ClassVar[str] = "keep-request"
    statement: Signed = message(Signed)
    session: SessionProof | None = maybe(message(SessionProof))
    certificate: Signed | None = maybe(message(Signed))
    rows: tuple[ShareRow, ...] = several(message(ShareRow))
    escrow: ShareRow | None = maybe(message(ShareRow))
    anchor: AnchorNotice | None = maybe(message(AnchorNotice))


@dataclass(frozen=True)
class Retraction(Message):
    """The depositor takes versions back as entered in error; signed by its session key."""

    TYPE: ClassVar[str] = "retraction"
    id: bytes = octets(16)
    alias: bytes = octets(32)
    depositor: int = uint()
    post: int = uint()
    handles: tuple[bytes, ...] = several(octets(32))
    successor: bytes | None = maybe(octets(32))
    made: int = uint()


@dataclass(frozen=True)
class RetractRequest(Message):
    """A retraction and the session that signed it; null if the controller did, for what the patient deposited."""

    TYPE: ClassVar[str] = "retract-request"
    statement: Signed = message(Signed)
    session: SessionProof | None = maybe(message(SessionProof))


@dataclass(frozen=True)
class AuthorsCopy(Message):
    """What a depositor keeps in its own chart; ``body_key`` is sealed to its chart key (a patient: sealing key)."""

    TYPE: ClassVar[str] = "authors-copy"
    alias: bytes = octets(32)
    handle: bytes = octets(32)
    compartment: int = uint(16)
    record_id: bytes = octets(16)
    body: bytes = octets(36)
    body_key: bytes = octets(most=8192)
    content_digest: bytes = octets(32)
    content_tag: bytes = octets(32)
    made: int = uint()


@dataclass(frozen=True)
class MissingKeep(Message):
    """What a thin deposit still owes a custodian: an encoded KeepRequest with its anchor; in the depositor's books."""

    TYPE: ClassVar[str] = "missing-keep"
    deposit: bytes = octets(16)
    custodian: int = uint()
    request: bytes = octets()

    @property
    def key(self) -> bytes:
        """Its key in the books."""
        return self.deposit + self.custodian.to_bytes(8, "big")


@dataclass(frozen=True)
class DepositPlan(Message):
    """A deposit that custodians hold and the ledger may not know yet; in the depositor's books until it is done.

    ``blocks`` are the CIDs of all its headers, manifests and bodies, to be pinned.
    """

    TYPE: ClassVar[str] = "deposit-plan"
    root: bytes = octets(32)
    size: int = uint()
    custodians: tuple[int, ...] = several(uint(), most=64)
    notices: tuple[AnchorNotice, ...] = several(message(AnchorNotice), most=1000)
    copies: tuple[AuthorsCopy, ...] = several(message(AuthorsCopy))
    missing: tuple[MissingKeep, ...] = several(message(MissingKeep), most=1000)
    blocks: tuple[bytes, ...] = several(octets(36), most=3 * MOST_ITEMS)
