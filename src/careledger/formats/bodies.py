"""What the sealed body of a FHIR record holds: the statement, the bytes it came as, and the way back.

A body whose file is too large to lie in it has one field more: where the file lies, sealed beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from careledger.domain.errors import MalformedBytes
from careledger.formats import cbor
from careledger.formats.digests import digest
from careledger.formats.schema import Message, maybe, message, octets, several, text, uint

MOST_BODY = 256 * 2**20
MOST_CONTENT = 2**31 - 1
"""Bytes of a file beside a body: what FHIR's unsignedInt holds."""


@dataclass(frozen=True)
class RewrittenReference(Message):
    """A reference as the source wrote it, and the record that it now names."""

    TYPE: ClassVar[str] = "rewritten-reference"
    stated: str = text(2_000)
    record_id: bytes = octets(16)


@dataclass(frozen=True)
class RecordBody(Message):
    """The body of a version with MIME type ``application/fhir+json``.

    ``canonical`` is the canonical JSON with references to records as ``urn:uuid:`` of their record ids; its digest
    is the manifest's content digest. ``original`` are the bytes of the resource as they stood in the file; they are
    empty for one of more than 1 MiB. ``full_url`` and ``source_id`` are what the source called it. At most 256 MiB.
    """

    TYPE: ClassVar[str] = "record-body"
    MOST: ClassVar[int] = MOST_BODY
    canonical: bytes = octets(most=MOST_BODY)
    original: bytes = octets(most=MOST_BODY)
    full_url: str | None = maybe(text(2_000))
    source_id: str | None = maybe(text(64))
    references: tuple[RewrittenReference, ...] = several(message(RewrittenReference))

    @property
    def beside(self) -> SealedContent | None:
        """The file that lies beside it, if one does."""
        return None

    @property
    def content_digest(self) -> bytes:
        """``H("fhir-content", canonical)``: what the manifest states and an author signs."""
        return digest("fhir-content", self.canonical)


@dataclass(frozen=True)
class SealedContent(Message):
    """A file that is sealed under a key of its own, beside the body that names it.

    ``cid`` is the index of its blocks; ``size`` and ``sha256`` are the file's own, before it was padded and sealed.
    """

    TYPE: ClassVar[str] = "sealed-content"
    cid: bytes = octets(36)
    key: bytes = octets(32)
    size: int = uint()
    sha256: bytes = octets(32)


@dataclass(frozen=True)
class LargeBody(RecordBody):
    """The body of a Binary whose file lies beside it: the fields of ``record-body`` and one more.

    ``canonical`` is the Binary without ``data``; it states the length and SHA-256 of the file, which have to be those
    of ``content``.
    """

    TYPE: ClassVar[str] = "large-body"
    content: SealedContent = message(SealedContent)

    @property
    def beside(self) -> SealedContent:
        """The file that lies beside it."""
        return self.content

    @property
    def content_digest(self) -> bytes:
        """``H("fhir-content", canonical, CID)``: it covers every sealed byte of the file, the commitment to its key
        among them, and so the file."""
        return digest("fhir-content", self.canonical, self.content.cid)

    def alone(self) -> RecordBody:
        """The same statement without the file."""
        return RecordBody(self.canonical, self.original, self.full_url, self.source_id, self.references)


def decode_body(data: bytes) -> RecordBody:
    """The body that encodes to exactly these bytes, of whichever of the two forms; raises MalformedBytes."""
    value = cbor.decode_ordered(data, MOST_BODY)
    if not isinstance(value, dict):
        raise MalformedBytes(message=RecordBody.TYPE)
    return (LargeBody if "content" in value else RecordBody).from_value(value)
