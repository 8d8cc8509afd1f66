"""Bundles that a program sends: imported like a file, answered entry by entry.

A transaction is taken whole or not at all, as far as its entries can be judged beforehand; what a crash leaves of one
is finished by sending it again, which creates nothing twice. The answer is given once the anchors are final.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Any
from uuid import UUID

import msgspec

from careledger.domain.errors import CareLedgerError, FhirRefused
from careledger.fhir.json_text import Resource
from careledger.fhir.split import import_bundle
from careledger.gateway import outcomes
from careledger.gateway.operations import consents
from careledger.workflows.actors import Session
from careledger.workflows.from_fhir import staged
from careledger.workflows.import_file import namespace_of
from careledger.workflows.intake import TakenIn, take_in_steps
from careledger.workflows.network import Network
from careledger.workflows.staging import Refusal, Staged, StagedPatient

LONG = 128 * 1024
"""Bytes from which on a Bundle is read in the process beside."""
PORTION = 256
"""Versions that are deposited in one step, a tenth of a second: other requests wait no longer for a Bundle."""
TAKEN = {"transaction": "transaction-response", "batch": "batch-response", "collection": "batch-response"}


class _Request(msgspec.Struct):
    method: str = "POST"


class _Resource(msgspec.Struct):
    sourceAttachment: object = None


class _Entry(msgspec.Struct):
    request: _Request | None = None
    resource: _Resource | None = None


class _Bundle(msgspec.Struct):
    resourceType: str = ""
    type: str = ""
    entry: list[_Entry] = []


def take(
    network: Network, session: Session, data: bytes
) -> Generator[Callable[[], Staged] | None, Any, tuple[Resource, list[bytes]]]:
    """The response Bundle of a Bundle, for each entry what became of it, and about whom something was written; in
    steps (``http.Slow``).

    Raises FhirRefused for what is no Bundle, of another type, or asks for anything but creating; ImportStopped for a
    transaction with an entry that is not taken; nothing is written then.
    """
    asked = _asked(data)
    reading = partial(read, data, namespace_of(session.staff.organisation))
    said = (yield reading) if len(data) > LONG else reading()
    whole = asked.type == "transaction"
    judged, taken = yield from take_in_steps(network, session, said, all_or_nothing=whole, most=PORTION)
    answers = [outcome_of(refusal) for refusal in judged.refusals]
    for patient, made in zip(judged.patients, taken, strict=True):
        answers += _answers(patient.staged, made)
    entries = [entry for _, entry in sorted(answers, key=lambda each: each[0])]
    response: Resource = {"resourceType": "Bundle", "type": TAKEN[asked.type]}
    aliases = [made.alias for made in taken if made.alias is not None]
    return {**response, "entry": entries} if entries else response, aliases


def read(data: bytes, namespace: bytes) -> Staged:
    """What a Bundle holds, read and judged; raises FhirRefused."""
    return staged(import_bundle(data, "the bundle", namespace=namespace))


def _asked(data: bytes) -> _Bundle:
    try:
        asked = msgspec.json.decode(data, type=_Bundle)
    except (msgspec.DecodeError, RecursionError):
        raise FhirRefused(problem="not a Bundle in JSON") from None
    if asked.resourceType != "Bundle" or asked.type not in TAKEN:
        raise FhirRefused(path="Bundle.type", problem=f"not one of {', '.join(TAKEN)}")
    for index, entry in enumerate(asked.entry):
        if entry.request is not None and entry.request.method != "POST":
            raise FhirRefused(path=f"Bundle.entry[{index}].request.method", problem="only POST is taken")
        if entry.resource is not None:
            consents.check_unsigned({"sourceAttachment": entry.resource.sourceAttachment})
    return asked


def outcome_of(refusal: Refusal) -> tuple[int, Resource]:
    """The answer to an entry that is not taken, with its place."""
    where = f"{refusal.path}: " if refusal.path else ""
    said = outcomes.outcome("error", "invalid", f"{where}{refusal.why}")
    return refusal.index, {"response": {"status": "400 Bad Request", "outcome": said}}


def _answers(patient: StagedPatient, made: TakenIn) -> Sequence[tuple[int, Resource]]:
    if made.error is not None:
        return [(version.index, _refused(made.error)) for version in patient.versions]
    assert made.alias is not None
    answers = []
    for version in patient.versions:
        new = version.load()
        handle = made.deposited.handles.get(new.record_id)
        known = made.deposited.known.get(new.record_id)
        id = made.alias.hex() if new.resource_type == "Patient" else str(UUID(bytes=new.record_id))
        response: Resource = {"status": "201 Created" if handle is not None else "200 OK"}
        if (found := handle or known) is not None:
            response["location"] = f"{new.resource_type}/{id}/_history/{found.hex()}"
            response["etag"] = f'W/"{found.hex()}"'
        if new.resource_type == consents.KIND:
            response["outcome"] = consents.grants_nothing()
        answers.append((version.index, {"response": response}))
    return answers


def _refused(error: CareLedgerError) -> Resource:
    kind = outcomes.kind_of(error)
    return {"response": {"status": str(kind.status), "outcome": outcomes.refusal(error)}}
