"""A doctor signs a short clinical statement of their own: a FHIR resource with one text, deposited as ``signed``."""

from __future__ import annotations

import json
import uuid

from careledger.fhir.split import import_bundle
from careledger.formats.digests import framed, uint
from careledger.formats.patients import AliasStatement
from careledger.sealing.keys import hmac_tag
from careledger.workflows.actors import Staff
from careledger.workflows.batches import Writer
from careledger.workflows.deposit import Deposited, deposit
from careledger.workflows.from_fhir import new_version
from careledger.workflows.network import Network
from careledger.workflows.signing import new_signed

_PATIENT = {"display": "the patient"}
_ACTIVE = {"system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "code": "active"}
# What R4 demands beside the text, where it is not only a subject.
_DEMANDED: dict[str, dict[str, object]] = {
    "AllergyIntolerance": {"patient": _PATIENT, "clinicalStatus": {"coding": [_ACTIVE]}},
}


def clinical_note(
    network: Network,
    writer: Writer,
    statement: AliasStatement,
    author: Staff,
    resource_type: str,
    text: str,
    date: str,
) -> Deposited:
    """Deposits a Condition, AllergyIntolerance or the like that says ``text``, signed by its author's post.

    The same words by the same author about the same patient and day are the same note, so that repeating is harmless.
    Raises FhirRefused, WritingRefused where the author's row of the matrix does not allow the category.
    """
    resource = {
        "resourceType": resource_type,
        "id": str(_named(writer, statement, author, resource_type, text, date)),
        "code": {"text": text},
        "recordedDate": date,
        **_DEMANDED.get(resource_type, {"subject": _PATIENT}),
    }
    report = import_bundle(json.dumps(resource).encode(), resource_type)
    versions = [
        new_signed(network, new_version(each, report.mapping_version), author) for each in report.versions
    ]
    return deposit(network, writer, statement, versions)


def _named(writer: Writer, statement: AliasStatement, author: Staff, *said: str) -> uuid.UUID:
    """The note's id, which nobody without the depositor's tag key can find from its words."""
    words = framed("note", statement.alias, uint(author.number), *(each.encode() for each in said))
    return uuid.UUID(bytes=hmac_tag(writer.tag_key, words)[:16])
