"""What the sealed body of a FHIR record holds: the statement, the bytes it came as, and the way back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from careledger.formats.schema import Message, maybe, message, octets, several, text

MOST_BODY = 256 * 2**20


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
