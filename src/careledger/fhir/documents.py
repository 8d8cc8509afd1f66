"""Documents that are no FHIR (PDF, DICOM, pictures) as a DocumentReference and a Binary; and out of FHIR again."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from careledger.domain.errors import FhirRefused
from careledger.fhir.dicom import Header, header_of, is_dicom
from careledger.fhir.json_text import Number, Resource

PDF, DICOM = "application/pdf", "application/dicom"
START = 2**20
MOST_INSIDE = 4 * 2**20
"""Bytes of a document that lies in its Binary; a larger one lies beside it."""
_PDF_WITHIN = 1_024
_PICTURES = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    *((mark, "image/tiff") for mark in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
)
"""What JPEG, PNG and TIFF files (and BigTIFF, of whole slides) begin with."""
MARKED = frozenset({PDF, DICOM, *(kind for _, kind in _PICTURES)})
"""The MIME types whose files are told by how they begin."""
_ENDINGS = {
    PDF: "pdf", DICOM: "dcm", "image/jpeg": "jpg", "image/png": "png", "image/tiff": "tiff", "text/plain": "txt",
    "application/fhir+json": "json", "application/xml": "xml", "text/xml": "xml",
}  # fmt: skip


@dataclass(frozen=True, repr=False)
class Document:
    """A file as a document: its MIME type, title, length, SHA-256, and what a DICOM header says. Never printed."""

    kind: str
    title: str
    size: int
    sha256: bytes
    header: Header

    @property
    def key(self) -> str:
        """What it is called at its source: its content."""
        return f"Document/{self.sha256.hex()}"


def kind_of(start: bytes) -> str:
    """The MIME type of a file that begins so, by its own marks and never by its name; empty for others."""
    if is_dicom(start):
        return DICOM
    if b"%PDF-" in start[:_PDF_WITHIN]:
        return PDF
    return next((kind for mark, kind in _PICTURES if start.startswith(mark)), "")


def check_kind(stated: str, start: bytes) -> None:
    """Raises FhirRefused for a file that says it is of a MIME type whose files begin otherwise."""
    said = stated.partition(";")[0].strip().lower()
    if said in MARKED and kind_of(start) != said:
        raise FhirRefused(path="contentType", problem=f"the file does not begin as {said} does")


def document(start: bytes, title: str, size: int, sha256: bytes) -> Document:
    """A file that begins so as a document."""
    kind = kind_of(start)
    return Document(kind, title, size, sha256, header_of(start) if kind == DICOM else Header())


def reference(made: Document, record: UUID, binary: UUID) -> Resource:
    """The DocumentReference: what the document is, its SHA-256 (RFC 6920), and which Binary holds it."""
    name = base64.urlsafe_b64encode(made.sha256).decode().rstrip("=")
    attachment = {
        "contentType": made.kind,
        "url": f"urn:uuid:{binary}",
        "size": Number(str(made.size)),
        **({"title": made.title} if made.title else {}),
    }
    day = made.header.study_date
    uid = made.header.instance
    return {
        "resourceType": "DocumentReference",
        "id": str(record),
        "status": "current",
        "masterIdentifier": {"system": "urn:ietf:rfc:3986", "value": f"ni:///sha-256;{name}"},
        **({"identifier": [{"system": "urn:dicom:uid", "value": f"urn:oid:{uid}"}]} if uid else {}),
        "content": [{"attachment": attachment}],
        **({"context": {"period": {"start": day, "end": day}}} if day else {}),
    }


def binary(made: Document, record: UUID, data: bytes) -> Resource:
    """The Binary that holds the document."""
    text = base64.b64encode(data).decode("ascii")
    return {"resourceType": "Binary", "id": str(record), "contentType": made.kind, "data": text}


def attachments(value: Any) -> Iterator[tuple[str, bytes]]:
    """Every attachment inside a resource, with its MIME type; what is no base64 is passed over."""
    if isinstance(value, list):
        for each in value:
            yield from attachments(each)
    if not isinstance(value, dict):
        return
    data, kind = value.get("data"), value.get("contentType")
    if isinstance(data, str) and isinstance(kind, str):
        try:
            yield kind, base64.b64decode("".join(data.split()), validate=True)
        except binascii.Error:
            return
    for each in value.values():
        if isinstance(each, dict | list):
            yield from attachments(each)


def ending(kind: str) -> str:
    """How the name of a file of this MIME type ends; never made of anything that a file says."""
    return _ENDINGS.get(kind.partition(";")[0].strip().lower(), "bin")
