"""What a depositor makes: the manifest inside its seal, the deposit statement, what custodians keep."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import ClassVar, NamedTuple, Protocol

from careledger.domain.errors import MalformedBytes
from careledger.formats.cids import SIZE as CID
from careledger.formats.digests import digest
from careledger.formats.schema import MOST_ITEMS, Message, flag, maybe, message, octets, several, text, uint
from careledger.formats.sessions import SessionProof
from careledger.formats.signed import Signed

MOST_PATH = 32
MOST_BATCHES = 1_000
LAST_YEAR = 5_040


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


class DepositItem(NamedTuple):
    """One version as custodians know it; ``author`` 0 means that no registered party is stated.

    CIDs are in the 36-byte binary form of formats.cids; ``header`` is that of the whole batch. ``commitments`` is the
    root of the N share commitments; ``predecessor`` is the handle of the version that this one follows;
    ``clinical_month`` is ``YYYY-MM``, or ``YYYY`` where no more is known.
    """

    handle: bytes
    header: bytes
    manifest: bytes
    body: bytes
    commitments: bytes
    predecessor: bytes | None
    author: int
    signed: bool
    clinical_month: str | None

    def __repr__(self) -> str:
        return "<deposit-item>"


class Committed(Protocol):
    """What custodians know of one version, however they keep it; handles and roots have 32 bytes, CIDs 36."""

    @property
    def handle(self) -> bytes: ...
    @property
    def header(self) -> bytes: ...
    @property
    def manifest(self) -> bytes: ...
    @property
    def body(self) -> bytes: ...
    @property
    def commitments(self) -> bytes: ...
    @property
    def predecessor(self) -> bytes | None: ...
    @property
    def author(self) -> int: ...
    @property
    def signed(self) -> bool: ...
    @property
    def clinical_month(self) -> str | None: ...


class ItemColumns(NamedTuple):
    """The values of the columns of Items, whose widths were checked; ``months`` as they are packed."""

    handles: list[bytes]
    manifests: list[bytes]
    bodies: list[bytes]
    commitments: list[bytes]
    months: list[bytes]

    def __repr__(self) -> str:
        return "<deposit-items>"


@dataclass(frozen=True)
class ItemWords(Message):
    """What few versions of a batch have: a predecessor, a stated author, an author's signature."""

    TYPE: ClassVar[str] = "item-words"
    position: int = uint(32)
    predecessor: bytes | None = maybe(octets(32))
    author: int = uint()
    signed: bool = flag()


@dataclass(frozen=True)
class Items(Message):
    """The versions of one batch in columns: what belongs to item i stands at i times the column's width.

    Widths: ``handles`` 32, ``manifests`` and ``bodies`` 36 (CIDs), ``commitments`` 32 (roots), ``months`` 2 (clinical
    month as year · 13 + month, month 0 for a year alone, big-endian, 0 where unknown). ``header`` is one for all;
    ``words`` are in the order of their positions and leave out items that have none.
    """

    TYPE: ClassVar[str] = "deposit-items"
    header: bytes = octets(CID)
    handles: bytes = octets()
    manifests: bytes = octets()
    bodies: bytes = octets()
    commitments: bytes = octets()
    months: bytes = octets()
    words: tuple[ItemWords, ...] = several(message(ItemWords))

    @classmethod
    def of(cls, items: Sequence[Committed]) -> Items:
        """The columns of these items, which share a header."""
        said = [
            ItemWords(position, item.predecessor, item.author, item.signed)
            for position, item in enumerate(items)
            if item.predecessor is not None or item.author or item.signed
        ]
        return cls(
            items[0].header,
            b"".join([item.handle for item in items]),
            b"".join([item.manifest for item in items]),
            b"".join([item.body for item in items]),
            b"".join([item.commitments for item in items]),
            b"".join([packed_month(item.clinical_month) for item in items]),
            tuple(said),
        )

    @cached_property
    def columns(self) -> ItemColumns:
        """What the columns hold; raises MalformedBytes where they do not fit together or a month is none."""
        count = len(self.months) // 2
        widths = ((self.handles, 32), (self.manifests, CID), (self.bodies, CID), (self.commitments, 32))
        if not 0 < count <= MOST_ITEMS or any(len(column) != width * count for column, width in widths):
            raise MalformedBytes(message=self.TYPE, why="columns of different lengths")
        before = -1
        for said in self.words:
            if not before < said.position < count:
                raise MalformedBytes(message=self.TYPE, why="words out of order")
            before = said.position
        handles, manifests, bodies, commitments = (sliced(column, width) for column, width in widths)
        months = sliced(self.months, 2)
        for each in frozenset(months):
            unpacked_month(each)
        return ItemColumns(handles, manifests, bodies, commitments, months)

    def plain(self, position: int) -> DepositItem:
        """One item without its words; raises as ``columns``."""
        handle, manifest, body, root, month = (column[position] for column in self.columns)
        return DepositItem(handle, self.header, manifest, body, root, None, 0, False, unpacked_month(month))

    def rows(self) -> list[DepositItem]:
        """The items; raises as ``columns``."""
        handles, manifests, bodies, commitments, packed = self.columns
        months, header = map(unpacked_month, packed), self.header
        items = [
            DepositItem(handle, header, manifest, body, root, None, 0, False, month)
            for handle, manifest, body, root, month in zip(
                handles, manifests, bodies, commitments, months, strict=True
            )
        ]
        for said in self.words:
            items[said.position] = items[said.position]._replace(
                predecessor=said.predecessor, author=said.author, signed=said.signed
            )
        return items


def sliced(column: bytes, width: int) -> list[bytes]:
    """A column's values."""
    return [column[at : at + width] for at in range(0, len(column), width)]


@lru_cache(maxsize=4096)
def packed_month(month: str | None) -> bytes:
    """``YYYY-MM`` or ``YYYY`` as two bytes, year · 13 + month (0 for the year alone); zeros where unknown.

    Raises MalformedBytes.
    """
    if month is None:
        return b"\0\0"
    year, _, within = month.partition("-")
    number = int(within) if within.isdecimal() else 0
    if not year.isdecimal() or month != _month(int(year), number) or not 0 < int(year) <= LAST_YEAR:
        raise MalformedBytes(why="not a month")
    return (int(year) * 13 + number).to_bytes(2, "big")


@lru_cache(maxsize=4096)
def unpacked_month(packed: bytes) -> str | None:
    """What packed_month was given; raises MalformedBytes for what it never gives."""
    year, month = divmod(int.from_bytes(packed, "big"), 13)
    if not year and not month:
        return None
    if not 0 < year <= LAST_YEAR:
        raise MalformedBytes(why="not a month")
    return _month(year, month)


def _month(year: int, number: int) -> str:
    return f"{year:04}-{number:02}" if 1 <= number <= 12 else f"{year:04}"


@dataclass(frozen=True)
class DepositStatement(Message):
    """What one depositor deposits at once for one alias and compartment; signed by the session key.

    ``ground`` is ``own`` (then ``depositor`` and ``post`` are 0), ``append``, ``registrar`` or ``unasked``. ``intake``
    says that this is the depositor's one intake ("once" cells). ``escrow`` is the root of the commitments to the N
    shares of the batch secret, null where the epoch statement says no. ``items`` is the root over the digests of the
    ``count`` items, so that a reader is shown those that were released and learns no other handle.
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
    count: int = uint(32)
    items: bytes = octets(32)


@dataclass(frozen=True)
class ShareRow(Message):
    """One custodian's share of a batch secret, and the commitments to the shares of all places, in order.

    All N commitments and not one path: a custodian that remakes a lost share needs the others' commitments too.
    """

    TYPE: ClassVar[str] = "share-row"
    place: int = uint(8)
    share: bytes = octets(32)
    commitments: tuple[bytes, ...] = several(octets(32), most=64)


@dataclass(frozen=True)
class AnchorNotice(Message):
    """Where the leaves of a deposit stand under an anchored root: from ``first`` on, one after another.

    ``outside`` are the roots of the largest subtrees that hold none of them, from left to right; with the leaves
    they give the root. A custodian checks root and size at the ledger.
    """

    TYPE: ClassVar[str] = "anchor-notice"
    deposit: bytes = octets(16)
    root: bytes = octets(32)
    size: int = uint()
    first: int = uint()
    outside: tuple[bytes, ...] = several(octets(32), most=2 * MOST_PATH)


@dataclass(frozen=True)
class AnchorNotices(Message):
    """Tells a custodian under which anchored roots deposits stand that it keeps."""

    TYPE: ClassVar[str] = "anchor-notices"
    notices: tuple[AnchorNotice, ...] = several(message(AnchorNotice), most=MOST_BATCHES)


@dataclass(frozen=True)
class KeptPart(Message):
    """One custodian's part of one batch: the signed statement, its items, this custodian's shares in their order.

    ``shares`` (32 bytes each) and ``commitments`` (for each version those of all N places, 32 bytes each) are empty
    for a custodian beyond the first n, which keeps the index and its part of the escrow only. ``escrow`` is this
    custodian's share of the batch secret b with its place, or null where the epoch statement says no. ``anchor`` is
    null at first; with it a thin deposit is completed later, judged as at the anchoring block.
    """

    TYPE: ClassVar[str] = "kept-part"
    statement: Signed = message(Signed)
    items: Items = message(Items)
    shares: bytes = octets()
    commitments: bytes = octets()
    escrow: ShareRow | None = maybe(message(ShareRow))
    anchor: AnchorNotice | None = maybe(message(AnchorNotice))


@dataclass(frozen=True)
class KeepRequest(Message):
    """Asks one custodian to keep its parts of everything that is deposited at once for one alias.

    ``place`` is the custodian's on the patient's list. ``certificate`` opens an append consent.
    """

    TYPE: ClassVar[str] = "keep-request"
    id: bytes = octets(16)
    place: int = uint(8)
    session: SessionProof | None = maybe(message(SessionProof))
    certificate: Signed | None = maybe(message(Signed))
    parts: tuple[KeptPart, ...] = several(message(KeptPart), most=MOST_BATCHES)


def deposited(statements: Iterable[bytes]) -> bytes:
    """``H("deposited", digest of each deposit statement)``: what a custodian's receipt of a keep-request is about."""
    return digest("deposited", *statements)


@dataclass(frozen=True)
class Retraction(Message):
    """The depositor takes versions back as entered in error; signed by its session key, or by its own."""

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
    """A retraction and the session that signed it; null if the depositor's own controller did, or for what the patient
    deposited the alias's."""

    TYPE: ClassVar[str] = "retract-request"
    statement: Signed = message(Signed)
    session: SessionProof | None = maybe(message(SessionProof))
