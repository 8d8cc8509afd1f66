"""Take a whole record away in the clear: as FHIR, or as the documents in it. Nothing is changed by that."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol
from uuid import UUID

from careledger.domain.errors import FhirRefused
from careledger.fhir import contents
from careledger.fhir.canonical import canonical
from careledger.fhir.documents import attachments, ending
from careledger.fhir.export import export_bundle, resource_of
from careledger.fhir.json_text import Resource
from careledger.fhir.paths import texts_at
from careledger.formats.bodies import LargeBody, RecordBody, SealedContent
from careledger.formats.deposits import Manifest
from careledger.sealing.contents import ContentReader
from careledger.workflows.contents import content_reader
from careledger.workflows.network import Network
from careledger.workflows.patient_reported import file_of
from careledger.workflows.retrieve import Record, newest
from careledger.workflows.second_look import FHIR_JSON

Piece = bytes | bytearray
Reader = Callable[[SealedContent], ContentReader]


class Version(Protocol):
    """What a version says of itself, and what it holds: a record that custodians released, or one in an archive."""

    @property
    def manifest(self) -> Manifest:
        """What it is."""
        ...

    @property
    def body(self) -> RecordBody:
        """What it holds."""
        ...


def as_fhir(network: Network, records: Sequence[Record]) -> Iterator[Piece]:
    """The current version of each record as one collection Bundle of FHIR R4, what lies beside a Binary as its
    ``data``: in pieces of which none holds a file. A piece may raise what ``ContentReader.pieces`` raises."""
    return bundle_of(newest(records), partial(content_reader, network))


def bundle_of(versions: Iterable[Version], reader: Reader) -> Iterator[Piece]:
    """These versions as such a Bundle; ``reader`` gives what lies beside a body."""
    current = [each.body for each in versions if each.manifest.mime_type == FHIR_JSON]
    beside = {secrets.token_hex(32): body for body in current if isinstance(body, LargeBody)}
    marks = iter(beside)
    text = export_bundle(
        _with_data(body, next(marks)) if isinstance(body, LargeBody) else body for body in current
    )
    for mark, body in beside.items():
        before, _, text = text.partition(mark.encode())
        yield before
        yield from _in_base64(reader(body.content).pieces())
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
    return documents_in(newest(records), partial(content_reader, network))


def documents_of(network: Network, record: Record) -> Iterator[tuple[str, Iterable[Piece]]]:
    """The documents of one version, as ``documents`` gives them; raises FhirRefused for what is no FHIR."""
    return _documents(record, partial(content_reader, network))


def documents_in(versions: Iterable[Version], reader: Reader) -> Iterator[tuple[str, Iterable[Piece]]]:
    """The documents of these versions likewise; ``reader`` gives what lies beside a body."""
    for each in versions:
        if each.manifest.mime_type == FHIR_JSON:
            yield from _documents(each, reader)


def _documents(version: Version, reader: Reader) -> Iterator[tuple[str, Iterable[Piece]]]:
    resource, name = resource_of(version.body), str(UUID(bytes=version.manifest.record_id))
    if isinstance(version.body, LargeBody):
        kind = resource.get("contentType")
        yield f"{name}.{ending(str(kind))}", reader(version.body.content).pieces()
        return
    found = list(attachments(resource)) or _reported(resource, version)
    for number, (kind, data) in enumerate(found):
        yield f"{name}{f'-{number}' if number else ''}.{ending(kind)}", (data,)


def _reported(resource: Resource, version: Version) -> list[tuple[str, bytes]]:
    """The file that a patient reported, beside the document that commits to it."""
    if version.manifest.resource_type != "DocumentReference" or not version.body.original:
        return []
    try:
        data = file_of(version.body)
    except FhirRefused:
        return []
    return [(kind, data) for kind in texts_at(resource, "content.attachment.contentType")[:1]]
