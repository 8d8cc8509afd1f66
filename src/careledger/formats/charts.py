"""What a depositor keeps for itself: its author's copies, the plan of a deposit, what it still owes custodians."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from careledger.domain.errors import MalformedBytes
from careledger.formats.cids import SIZE as CID
from careledger.formats.deposits import AnchorNotices, sliced
from careledger.formats.schema import Message, message, octets, several, uint

SEALED_KEY = 48


class AuthorsCopy(NamedTuple):
    """What a depositor keeps of one version in its own chart; never printed."""

    alias: bytes
    handle: bytes
    compartment: int
    record_id: bytes
    body: bytes
    body_key: bytes
    content_digest: bytes
    content_tag: bytes
    leaf: bytes

    def __repr__(self) -> str:
        return "<authors-copy>"


@dataclass(frozen=True)
class AuthorsCopies(Message):
    """What a depositor keeps of one deposit in its own chart, in columns.

    ``made`` (unix seconds) is later than that of every one before of the same alias, so that they have an order.
    ``key`` is a random key sealed to the depositor's chart key (a patient's: sealing key), bound to ``id``. Widths:
    ``handles`` 32, ``compartments`` 2, ``record_ids`` 16, ``bodies`` 36 (CIDs), ``body_keys`` 48 (sealed under that
    key), ``content_digests`` 32, ``content_tags`` 32, ``leaves`` 32 (what the ledger calls these versions).
    """

    TYPE: ClassVar[str] = "authors-copies"
    id: bytes = octets(16)
    alias: bytes = octets(32)
    made: int = uint()
    key: bytes = octets(most=8192)
    handles: bytes = octets()
    compartments: bytes = octets()
    record_ids: bytes = octets()
    bodies: bytes = octets()
    body_keys: bytes = octets()
    content_digests: bytes = octets()
    content_tags: bytes = octets()
    leaves: bytes = octets()

    @classmethod
    def of(
        cls, id: bytes, alias: bytes, made: int, key: bytes, copies: Sequence[AuthorsCopy]
    ) -> AuthorsCopies:
        """The columns of these copies, all of one alias."""
        return cls(
            id,
            alias,
            made,
            key,
            b"".join([copy.handle for copy in copies]),
            b"".join([copy.compartment.to_bytes(2, "big") for copy in copies]),
            b"".join([copy.record_id for copy in copies]),
            b"".join([copy.body for copy in copies]),
            b"".join([copy.body_key for copy in copies]),
            b"".join([copy.content_digest for copy in copies]),
            b"".join([copy.content_tag for copy in copies]),
            b"".join([copy.leaf for copy in copies]),
        )

    def rows(self) -> list[AuthorsCopy]:
        """The copies; raises MalformedBytes where the columns do not fit together."""
        count = len(self.handles) // 32
        columns = (
            (self.handles, 32), (self.compartments, 2), (self.record_ids, 16), (self.bodies, CID),
            (self.body_keys, SEALED_KEY), (self.content_digests, 32), (self.content_tags, 32),
            (self.leaves, 32),
        )  # fmt: skip
        if any(len(column) != width * count for column, width in columns):
            raise MalformedBytes(message=self.TYPE, why="columns of different lengths")
        return [
            AuthorsCopy(self.alias, handle, int.from_bytes(compartment, "big"), *others)
            for handle, compartment, *others in zip(*(sliced(*each) for each in columns), strict=True)
        ]

    @property
    def row_key(self) -> bytes:
        """Its key in the books: an alias's copies stand together, in the order in which they were made."""
        return self.alias + self.made.to_bytes(8, "big") + self.id


@dataclass(frozen=True)
class ImportPart(Message):
    """What one run of an import deposits at once for one patient: in the depositor's books before it is deposited.

    ``deposit`` is the id of its author's copies. In columns of 16 bytes: ``record_ids``, and ``contents``, which say
    what each version says whatever it is called.
    """

    TYPE: ClassVar[str] = "import-part"
    run: bytes = octets(16)
    alias: bytes = octets(32)
    deposit: bytes = octets(16)
    made: int = uint()
    record_ids: bytes = octets()
    contents: bytes = octets()

    @property
    def row_key(self) -> bytes:
        """Its key in the books: an alias's parts stand together."""
        return self.alias + self.deposit


@dataclass(frozen=True)
class MissingKeep(Message):
    """What a thin deposit still owes a custodian: an encoded KeepRequest with its anchors; in the depositor's books."""

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

    ``blocks`` are the CIDs of all its headers, manifests and bodies, to be pinned, 36 bytes each.
    """

    TYPE: ClassVar[str] = "deposit-plan"
    root: bytes = octets(32)
    size: int = uint()
    custodians: tuple[int, ...] = several(uint(), most=64)
    notices: AnchorNotices = message(AnchorNotices)
    copies: AuthorsCopies = message(AuthorsCopies)
    missing: tuple[MissingKeep, ...] = several(message(MissingKeep), most=64)
    blocks: bytes = octets()
