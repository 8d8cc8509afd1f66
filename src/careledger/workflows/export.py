"""Take a whole record away: as FHIR, as the bytes that it came as, or as an archive that only its owner opens.

An archive opens with the phrase alone, wherever its owner goes. Imported there, its records are the patient's own
deposits (ground ``own``): what a doctor signed elsewhere is ``imported`` here, what the patient reported stays so.
Nothing is changed by an export; an import is a deposit and may be repeated.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from careledger.domain.categories import Category, Compartment, Sensitivity
from careledger.domain.errors import CannotOpen, FhirRefused, MalformedBytes
from careledger.domain.records import Source
from careledger.fhir import contents
from careledger.fhir.canonical import canonical
from careledger.fhir.documents import attachments, ending
from careledger.fhir.export import export_bundle, resource_of
from careledger.fhir.json_text import Resource
from careledger.fhir.paths import texts_at
from careledger.formats.bodies import LargeBody, RecordBody
from careledger.formats.deposits import Manifest
from careledger.formats.patients import AliasStatement
from careledger.formats.persons import (
    ARCHIVE_FORMAT,
    ARCHIVE_VERSION,
    Archive,
    ArchivedVersion,
    ArchiveFile,
)
from careledger.sealing.archives import open_parts, seal_parts
from careledger.sealing.phrase import PatientKeys
from careledger.workflows.actors import Holder
from careledger.workflows.batches import Writer
from careledger.workflows.contents import content_reader
from careledger.workflows.deposit import Deposited, deposit
from careledger.workflows.network import Network
from careledger.workflows.new_versions import NewVersion
from careledger.workflows.patient_reported import file_of
from careledger.workflows.retrieve import Record, newest
from careledger.workflows.second_look import FHIR_JSON

PART = 4 * 1024 * 1024
Piece = bytes | bytearray
STAYS = frozenset({Source.PATIENT_REPORTED.code})


@dataclass(frozen=True, repr=False)
class Unsealed:
    """One version of an opened archive; never printed."""

    manifest: Manifest
    body: RecordBody
    archived: ArchivedVersion


# Out ---------------------------------------------------------------------------------------------


def as_fhir(network: Network, records: Sequence[Record]) -> Iterator[Piece]:
    """The current version of each record as one collection Bundle of FHIR R4, what lies beside a Binary as its
    ``data``: in pieces of which none holds a file. A piece may raise what ``ContentReader.pieces`` raises."""
    current = [record.body for record in newest(records) if record.manifest.mime_type == FHIR_JSON]
    beside = {secrets.token_hex(32): body for body in current if isinstance(body, LargeBody)}
    marks = iter(beside)
    text = export_bundle(
        _with_data(body, next(marks)) if isinstance(body, LargeBody) else body for body in current
    )
    for mark, body in beside.items():
        before, _, text = text.partition(mark.encode())
        yield before
        yield from _in_base64(content_reader(network, body.content).pieces())
    yield text


def _with_data(body: LargeBody, data: str) -> RecordBody:
    """The Binary with that as its data, in place of what it states of the file."""
    resource = resource_of(body)
    others = [each for each in resource["_data"]["extension"] if each["url"] != contents.URL]
    del resource["_data"]
    more = {"_data": {"extension": others}} if others else {}
    return replace(body.alone(), canonical=canonical({**resource, "data": data, **more}))


def _in_base64(pieces: Iterable[Piece]) -> Iterator[bytes]:
    held = b""
    for piece in pieces:
        held += piece
        whole = len(held) - len(held) % 3
        yield base64.b64encode(held[:whole])
        held = held[whole:]
    yield base64.b64encode(held)


def originals(records: Iterable[Record]) -> list[bytes]:
    """The bytes that each version came as, in order."""
    return [record.body.original for record in records]


def documents(network: Network, records: Sequence[Record]) -> Iterator[tuple[str, Iterable[Piece]]]:
    """Every document in the current version of each record, in pieces, under a file name made of record id and kind.

    A document is what a resource holds in an attachment or a Binary, or beside a Binary, or the file that a patient
    reported. A piece may raise what ``ContentReader.pieces`` raises.
    """
    for record in newest(records):
        if record.manifest.mime_type == FHIR_JSON:
            yield from documents_of(network, record)


def documents_of(network: Network, record: Record) -> Iterator[tuple[str, Iterable[Piece]]]:
    """The documents of one version, as ``documents`` gives them."""
    resource, name = resource_of(record.body), str(UUID(bytes=record.manifest.record_id))
    if isinstance(record.body, LargeBody):
        kind = resource.get("contentType")
        yield f"{name}.{ending(str(kind))}", content_reader(network, record.body.content).pieces()
        return
    found = list(attachments(resource)) or _reported(resource, record)
    for number, (kind, data) in enumerate(found):
        yield f"{name}{f'-{number}' if number else ''}.{ending(kind)}", (data,)


def left_out(records: Iterable[Record]) -> int:
    """How many of these have a file beside them, which an archive does not hold."""
    return sum(isinstance(record.body, LargeBody) for record in records)


def _reported(resource: Resource, record: Record) -> list[tuple[str, bytes]]:
    """The file that a patient reported, beside the document that commits to it."""
    if record.manifest.resource_type != "DocumentReference" or not record.body.original:
        return []
    try:
        data = file_of(record.body)
    except FhirRefused:
        return []
    return [(kind, data) for kind in texts_at(resource, "content.attachment.contentType")[:1]]


def as_archive(network: Network, holder: Holder, records: Iterable[Record]) -> bytes:
    """All these versions in a file that opens with the holder's phrase and nothing else; without what lies beside a
    Binary (``left_out``), which states its length and SHA-256."""
    holder = holder.fresh()
    archived = [
        ArchivedVersion(
            record.manifest.encode(),
            _alone(record.body).encode(),
            record.found.anchor.root,
            record.found.leaf,
            record.found.anchor.block,
            record.found.anchor.time,
        )
        for record in records
    ]
    now, deployment = network.clock.now(), network.ledger.deployment
    parts = [Archive(holder.alias, deployment, now, part).encode() for part in _parts(archived)]
    key, sealed = seal_parts(holder.sealing.public, parts)
    return ArchiveFile(
        ARCHIVE_FORMAT, ARCHIVE_VERSION, holder.state.alias_number, holder.state.generation, key, sealed
    ).encode()


def _alone(body: RecordBody) -> RecordBody:
    return body.alone() if isinstance(body, LargeBody) else body


def _parts(archived: Sequence[ArchivedVersion]) -> Iterator[tuple[ArchivedVersion, ...]]:
    """The versions in order, in parts of about 4 MiB; one empty part where there is none."""
    part: list[ArchivedVersion] = []
    size = 0
    for version in archived:
        if part and size > PART:
            yield tuple(part)
            part, size = [], 0
        part.append(version)
        size += len(version.manifest) + len(version.body)
    yield tuple(part)


# In ----------------------------------------------------------------------------------------------


def open_archive(keys: PatientKeys, data: bytes) -> list[Unsealed]:
    """All versions, oldest first; raises MalformedBytes for another kind of file, CannotOpen for another phrase."""
    file = ArchiveFile.decode(data)
    if (file.format, file.version) != (ARCHIVE_FORMAT, ARCHIVE_VERSION):
        raise MalformedBytes(why="not an archive of this version")
    key = keys.sealing_key(file.alias_number, file.generation)
    parts = [Archive.decode(part) for part in open_parts(key, file.key, file.parts)]
    if len({(part.alias, part.deployment, part.made) for part in parts}) != 1:
        raise CannotOpen(why="parts of different archives")
    return [_unsealed(each) for part in parts for each in part.versions]


def _unsealed(archived: ArchivedVersion) -> Unsealed:
    return Unsealed(Manifest.decode(archived.manifest), RecordBody.decode(archived.body), archived)


def import_archive(
    network: Network, writer: Writer, statement: AliasStatement, versions: Sequence[Unsealed]
) -> Deposited:
    """Deposits every version under another alias, each after the one that it followed; returns the last deposit.

    ``writer`` has the ground ``own``. Raises what ``deposit`` raises; repeating deposits nothing twice.
    """
    handles: dict[bytes, bytes] = {}
    last = Deposited(bytes(32), {}, {}, (), False)
    for wave in _waves(versions):
        made = [_renewed(each, handles) for each in wave]
        last = deposit(network, writer, statement, made)
        for each, new in zip(wave, made, strict=True):
            found = last.handles.get(new.record_id) or last.known[new.record_id]
            handles[_handle_key(each.manifest)] = found
    return last


def _waves(versions: Sequence[Unsealed]) -> Iterator[list[Unsealed]]:
    """Versions by number, one of each record at a time; what lost against another version is left out."""
    numbers = sorted({each.manifest.version for each in versions})
    for number in numbers:
        wave: dict[bytes, Unsealed] = {}
        for each in versions:
            if each.manifest.version == number:
                wave.setdefault(each.manifest.record_id, each)
        yield list(wave.values())


def _handle_key(manifest: Manifest) -> bytes:
    return manifest.record_id + manifest.version.to_bytes(4, "big")


def _renewed(each: Unsealed, handles: dict[bytes, bytes]) -> NewVersion:
    """The version as the patient deposits it; who stated it stays named, nobody's signature is claimed."""
    manifest = each.manifest
    before = handles.get(manifest.record_id + (manifest.version - 1).to_bytes(4, "big"))
    return replace(
        NewVersion(
            manifest.record_id,
            manifest.version,
            before,
            manifest.resource_type,
            manifest.subject,
            Compartment(Category(manifest.category), Sensitivity(manifest.sensitivity)),
            each.body,
            manifest.mime_type,
            manifest.source if manifest.source in STAYS else Source.IMPORTED.code,
            manifest.source_key,
            manifest.mapping_version,
            manifest.clinical_date,
        ),
        author_stated=manifest.author_stated,
        author_resolved=manifest.author_resolved if manifest.author_resolved != "signed" else "own-element",
        note=f"from an archive; {manifest.source} before"[:1000],
    )
