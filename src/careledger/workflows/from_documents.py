"""A document (PDF, DICOM, a picture) as staging takes it: two records of the patient named, made when they are needed.

The file stays where it is until it is deposited; one of more than 4 MiB is sealed then piece by piece. What a DICOM
header says of its patient is only compared with whom the desk named, and never filed by.
"""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path
from uuid import UUID

from blake3 import blake3

from careledger.domain.categories import Compartment
from careledger.domain.errors import FhirRefused, ImportStopped
from careledger.domain.records import Source
from careledger.fhir import contents, documents
from careledger.fhir.canonical import canonical
from careledger.fhir.documents import Document
from careledger.fhir.json_text import Resource
from careledger.fhir.mapping import place
from careledger.fhir.mapping import version as mapping_version
from careledger.fhir.parse import shown
from careledger.fhir.split import record_id
from careledger.formats.bodies import MOST_CONTENT, RecordBody
from careledger.workflows.from_fhir import FHIR_JSON
from careledger.workflows.new_versions import FileBody, NewVersion
from careledger.workflows.staged import Staged, StagedPatient, StagedVersion, Stated

PIECE = 2**20
SMALL = 1_024
"""Bytes of a version without a file, about."""
OF_DICOM = (
    ("(0010,0010) PatientName", "name"),
    ("(0010,0020) PatientID", "id"),
    ("(0010,0030) PatientBirthDate", "birth"),
)


def is_document(path: Path) -> bool:
    """Whether a file is a PDF or DICOM file or a picture, by what it begins with; raises OSError."""
    return bool(documents.kind_of(_start(path, 1_024)))


def staged_document(
    path: Path, namespace: bytes, alias: bytes, compartment: Compartment | None = None
) -> Staged:
    """A document of the patient with this alias; raises ImportStopped where nobody is named, or it is too large.

    Without a compartment it goes where the mapping places it: an image, or an unknown document (diagnosis, restricted).
    """
    if not alias:
        raise ImportStopped(file=shown(path.name), why="a document names no patient; name one by --patient")
    size, sha256, again = _measured(path)
    if size > MOST_CONTENT:
        raise ImportStopped(file=shown(path.name), why=f"a document of more than {MOST_CONTENT} bytes")
    made = documents.document(_start(path, documents.START), shown(path.name), size, sha256)
    keys = f"DocumentReference/{made.key}/{made.title}", f"Binary/{made.key}"
    ids = [record_id(namespace, alias.hex(), key) for key in keys]
    resource = documents.reference(made, *ids)
    where = compartment or place(resource).compartment
    inside = size <= documents.MOST_INSIDE
    load = partial(_inside, path, made, where, ids[1])
    if not inside:
        load = partial(_beside, path, made, where, ids[1], again)
    versions = (
        StagedVersion(
            0, ids[0].bytes, sha256[:16], where, SMALL, partial(version_of, made, resource, where, ids[0])
        ),
        StagedVersion(0, ids[1].bytes, sha256[16:], where, 2 * size if inside else SMALL, load),
    )
    header = made.header
    said = zip(OF_DICOM, (header.name, header.id, header.birth), strict=True)
    stated = tuple(Stated(tag, what, value) for (tag, what), value in said if value)
    return Staged(shown(path.name), (StagedPatient("", None, versions),), (), (), 0, stated)


def _inside(path: Path, made: Document, where: Compartment, record: UUID) -> NewVersion:
    data = path.read_bytes()
    if hashlib.sha256(data).digest() != made.sha256:
        raise FhirRefused(file=shown(path.name), problem="the file changed while it was read")
    return version_of(made, documents.binary(made, record, data), where, record)


def _beside(path: Path, made: Document, where: Compartment, record: UUID, again: bytes) -> NewVersion:
    resource = contents.binary(str(record), made.kind, made.size, made.sha256)
    body = FileBody(canonical(resource), path, made.size, made.sha256, again)
    return version_of(made, resource, where, record, body)


def version_of(
    made: Document,
    resource: Resource,
    where: Compartment,
    record: UUID,
    body: RecordBody | FileBody | None = None,
) -> NewVersion:
    """A document's resource as it is deposited; ``body`` where it is more than the resource."""
    return NewVersion(
        record.bytes,
        1,
        None,
        str(resource["resourceType"]),
        "",
        where,
        body or RecordBody(canonical(resource), b"", None, None, ()),
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


def _measured(path: Path) -> tuple[int, bytes, bytes]:
    """A file's length and SHA-256, and its BLAKE3, by which whoever seals it sees that it is the same still."""
    sha256, again, size = hashlib.sha256(), blake3(), 0
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            sha256.update(piece)
            again.update(piece)
            size += len(piece)
    return size, sha256.digest(), again.digest()
