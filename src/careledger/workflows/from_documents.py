"""A PDF or DICOM file as the staging step takes it: two records of the patient who is named, made when they are needed.

The file stays where it is until it is deposited. What a DICOM header says of its patient is only compared with whom
the desk named, and never filed by.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from uuid import UUID

from careledger.domain.categories import Compartment
from careledger.domain.errors import FhirRefused, ImportStopped
from careledger.domain.records import Source
from careledger.fhir import documents
from careledger.fhir.canonical import canonical
from careledger.fhir.documents import Document
from careledger.fhir.json_text import Resource
from careledger.fhir.mapping import place
from careledger.fhir.mapping import version as mapping_version
from careledger.fhir.parse import shown
from careledger.fhir.split import record_id
from careledger.formats.bodies import RecordBody
from careledger.workflows.batches import NewVersion
from careledger.workflows.from_fhir import FHIR_JSON
from careledger.workflows.staging import Staged, StagedPatient, StagedVersion, Stated

PIECE = 2**20
OF_DICOM = (
    ("(0010,0010) PatientName", "name"),
    ("(0010,0020) PatientID", "id"),
    ("(0010,0030) PatientBirthDate", "birth"),
)


def is_document(path: Path) -> bool:
    """Whether a file is a PDF or DICOM file, by what it begins with; raises OSError."""
    return bool(documents.kind_of(_start(path, 1_024)))


def staged_document(
    path: Path, namespace: bytes, alias: bytes, compartment: Compartment | None = None
) -> Staged:
    """A document of the patient with this alias; raises ImportStopped where nobody is named, or it is too large.

    Without a compartment it goes where the mapping places it: an image, or an unknown document (diagnosis, restricted).
    """
    if not alias:
        raise ImportStopped(file=shown(path.name), why="a document names no patient; name one by --patient")
    size, sha256 = documents.sha256_of(_pieces(path))
    if size > documents.MOST_BYTES:
        raise ImportStopped(
            file=shown(path.name), why=f"a document of more than {documents.MOST_BYTES} bytes"
        )
    made = documents.document(_start(path, documents.START), shown(path.name), size, sha256)
    keys = f"DocumentReference/{made.key}/{made.title}", f"Binary/{made.key}"
    ids = [record_id(namespace, alias.hex(), key) for key in keys]
    resource = documents.reference(made, *ids)
    where = compartment or place(resource).compartment
    versions = (
        StagedVersion(
            0, ids[0].bytes, sha256[:16], where, 1_024, partial(_version, made, resource, where, ids[0])
        ),
        StagedVersion(
            0, ids[1].bytes, sha256[16:], where, 2 * size, partial(_binary, path, made, where, ids[1])
        ),
    )
    header = made.header
    said = zip(OF_DICOM, (header.name, header.id, header.birth), strict=True)
    stated = tuple(Stated(tag, what, value) for (tag, what), value in said if value)
    return Staged(shown(path.name), (StagedPatient("", None, versions),), (), (), 0, stated)


def _binary(path: Path, made: Document, where: Compartment, record: UUID) -> NewVersion:
    data = path.read_bytes()
    if hashlib.sha256(data).digest() != made.sha256:
        raise FhirRefused(file=shown(path.name), problem="the file changed while it was read")
    return _version(made, documents.binary(made, record, data), where, record)


def _version(made: Document, resource: Resource, where: Compartment, record: UUID) -> NewVersion:
    return NewVersion(
        record.bytes,
        1,
        None,
        str(resource["resourceType"]),
        "",
        where,
        RecordBody(canonical(resource), b"", None, None, ()),
        FHIR_JSON,
        Source.IMPORTED.code,
        made.key,
        mapping_version(),
        made.header.study_date or None,
        note="a document, made FHIR by the importing organisation",
    )


def _start(path: Path, size: int) -> bytes:
    with path.open("rb") as file:
        return file.read(size)


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece
