"""What the sealed body of a FHIR record holds: the statement, the bytes it came as, and the way back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from careledger.formats.schema import Message, maybe, message, octets, several, text


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
    is the manifest's content digest. ``original`` are the bytes of the resource as they stood in the file.
    ``full_url`` and ``source_id`` are what the source called it.
    """

    TYPE: ClassVar[str] = "record-body"
    canonical: bytes = octets()
    original: bytes = octets()
    full_url: str | None = maybe(text(2_000))
    source_id: str | None = maybe(text(64))
    references: tuple[RewrittenReference, ...] = several(message(RewrittenReference))
