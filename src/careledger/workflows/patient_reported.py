"""A patient puts in a record of their own: the file, the hospital visited, the reason, the dates.

It is deposited on the ground ``own`` and stays marked ``patient-reported`` until a verified doctor co-signs it
(``amend.cosign``). Order of effects: those of ``deposit``.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, replace
from uuid import UUID

from careledger.domain.categories import Compartment
from careledger.domain.errors import FhirRefused
from careledger.domain.records import Ground, Source
from careledger.fhir.canonical import canonical
from careledger.fhir.dates import is_date, month_of
from careledger.fhir.json_text import Resource
from careledger.fhir.mapping import place
from careledger.fhir.mapping import version as mapping_version
from careledger.formats.bodies import RecordBody
from careledger.formats.digests import framed
from careledger.formats.patients import AliasStatement
from careledger.sealing.keys import hmac_tag
from careledger.workflows.actors import Holder, Organisation
from careledger.workflows.batches import Writer
from careledger.workflows.deposit import Deposited, deposit
from careledger.workflows.network import Network
from careledger.workflows.new_versions import NewVersion
from careledger.workflows.second_look import FHIR_JSON


@dataclass(frozen=True, repr=False)
class Report:
    """What a patient states about a file; never printed. Dates are ``YYYY-MM-DD`` or shorter, or empty."""

    file: bytes
    mime_type: str
    title: str
    hospital: str
    reason: str
    admitted: str = ""
    discharged: str = ""


def report(
    network: Network,
    holder: Holder,
    relay: Organisation,
    statement: AliasStatement,
    made: Report,
    compartment: Compartment | None = None,
) -> Deposited:
    """Deposits the file as a DocumentReference; ``relay`` is the organisation that carries it and is no depositor.

    Without a compartment it goes where the mapping places an unknown document: ``diagnosis``, restricted. Raises
    FhirRefused for dates that are none or in the wrong order, and what ``deposit`` raises.
    """
    writer = Writer(relay, Ground.OWN, None, holder)
    return deposit(network, writer, statement, [_version(made, compartment, _named(holder, made))])


def _named(holder: Holder, made: Report) -> UUID:
    """The record's id: the same statement about the same file is the same record, so that repeating is harmless."""
    stated = (made.mime_type, made.title, made.hospital, made.reason, made.admitted, made.discharged)
    said = framed("report", made.file, *(each.encode() for each in stated))
    return UUID(bytes=hmac_tag(holder.tag_key, said)[:16])


def _version(made: Report, compartment: Compartment | None, record: UUID) -> NewVersion:
    resource = document(made, str(record))
    body = RecordBody(canonical(resource), made.file, None, None, ())
    version = NewVersion(
        record.bytes,
        1,
        None,
        "DocumentReference",
        "",
        compartment or place(resource).compartment,
        body,
        FHIR_JSON,
        Source.PATIENT_REPORTED.code,
        hashlib.sha256(made.file).hexdigest(),
        mapping_version(),
        next((date for date in (made.admitted, made.discharged) if month_of(date)), None),
    )
    return replace(
        version, author_stated="the patient", author_resolved="own-element", note="uploaded by the patient"
    )


def document(made: Report, record_id: str) -> Resource:
    """The FHIR R4 DocumentReference that states what the patient said and commits to the file by its SHA-256."""
    for date in (made.admitted, made.discharged):
        if date and not (is_date(date) and len(date) <= 10):
            raise FhirRefused(path="context.period", problem="not a date")
    shortest = min(len(made.admitted), len(made.discharged))
    if made.discharged[:shortest] < made.admitted[:shortest]:
        raise FhirRefused(path="context.period", problem="discharged before admitted")
    name = base64.urlsafe_b64encode(hashlib.sha256(made.file).digest()).decode().rstrip("=")
    period = {"start": made.admitted, "end": made.discharged}
    stated = {key: value for key, value in period.items() if value}
    attachment = {"contentType": made.mime_type, "size": len(made.file), "title": made.title}
    return {
        "resourceType": "DocumentReference",
        "id": record_id,
        "status": "current",
        "masterIdentifier": {"system": "urn:ietf:rfc:3986", "value": f"ni:///sha-256;{name}"},
        **({"description": made.reason} if made.reason else {}),
        **({"custodian": {"display": made.hospital}} if made.hospital else {}),
        "author": [{"display": "the patient"}],
        "content": [{"attachment": {key: value for key, value in attachment.items() if value}}],
        **({"context": {"period": stated}} if stated else {}),
    }


def file_of(body: RecordBody) -> bytes:
    """The bytes of the file; raises FhirRefused unless they are the ones that the document commits to."""
    name = base64.urlsafe_b64encode(hashlib.sha256(body.original).digest()).decode().rstrip("=")
    if f"ni:///sha-256;{name}".encode() not in body.canonical:
        raise FhirRefused(problem="another file than the document names")
    return body.original
