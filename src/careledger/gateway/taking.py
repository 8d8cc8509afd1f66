"""What a Bundle creates: imported like a file, answered entry by entry, once the anchors are final."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from careledger.domain.errors import CareLedgerError, FhirRefused
from careledger.fhir.canonical import canonical
from careledger.fhir.json_text import Resource
from careledger.fhir.sample import sample_file, sample_names
from careledger.fhir.split import import_bundle
from careledger.gateway import outcomes
from careledger.gateway.beside import LONG
from careledger.gateway.operations import consents
from careledger.gateway.sent import sent
from careledger.gateway.writing import Written
from careledger.workflows.actors import Session
from careledger.workflows.from_fhir import staged
from careledger.workflows.import_file import namespace_of
from careledger.workflows.intake import TakenIn, take_in_steps
from careledger.workflows.network import Network
from careledger.workflows.staged import Refusal, Staged, StagedPatient

PATIENT = "Patient"
PORTION = 384
"""Versions that are deposited in one step, a tenth of a second: other requests wait no longer for a Bundle."""


def take(
    network: Network, session: Session, data: bytes
) -> Generator[Callable[[], Staged] | None, Any, tuple[list[Resource], list[bytes]]]:
    """For each entry of a Bundle that only creates what became of it, and about whom something was written; in steps
    (``http.Slow``). Raises FhirRefused for what cannot be read."""
    reading = partial(read, data, namespace_of(session.staff.organisation))
    said = (yield reading) if len(data) > LONG else reading()
    judged, taken = yield from take_in_steps(network, session, said, most=PORTION)
    made = [outcome_of(refusal) for refusal in judged.refusals]
    for patient, each in zip(judged.patients, taken, strict=True):
        made += answers(patient.staged, each)
    entries = [entry for _, entry in sorted(made, key=lambda each: each[0])]
    return entries, [each.alias for each in taken if each.alias is not None]


def person(
    network: Network, session: Session, body: bytes, unique: bytes
) -> Generator[Callable[[], Staged] | None, Any, Written]:
    """Registers whom one Patient resource is about, in steps; ``unique`` (32 bytes) names a patient whom no identifier
    names. Raises FhirRefused, and what registering and depositing raise."""
    reading = partial(_read_person, body, unique, namespace_of(session.staff.organisation))
    said = (yield reading) if len(body) > LONG else reading()
    for refusal in said.refusals:
        raise FhirRefused(path=refusal.path, problem=refusal.why)
    _, taken = yield from take_in_steps(network, session, said, most=PORTION)
    [made], [patient] = taken, said.patients
    if made.error is not None:
        raise made.error
    assert made.alias is not None
    [version] = patient.versions
    handle = made.deposited.handles.get(version.record_id)
    known = made.deposited.known.get(version.record_id, b"")
    return Written(PATIENT, made.alias.hex(), (handle or known).hex(), handle is not None)


def _read_person(body: bytes, unique: bytes, namespace: bytes) -> Staged:
    resource = {name: each for name, each in sent(PATIENT, body).items() if name != "id"}
    entry = {"fullUrl": f"urn:uuid:{UUID(bytes=unique[:16])}", "resource": resource}
    return read(canonical({"resourceType": "Bundle", "type": "collection", "entry": [entry]}), namespace)


def read_first() -> None:
    """What a process does before the first Bundle comes: it reads a sample patient, and has loaded what that takes."""
    name = next(iter(sample_names()))
    staged(import_bundle(sample_file(name), name, namespace=name.encode()))


def read(data: bytes, namespace: bytes) -> Staged:
    """What a Bundle holds, read and judged; raises FhirRefused."""
    return staged(import_bundle(data, "the bundle", namespace=namespace))


def outcome_of(refusal: Refusal) -> tuple[int, Resource]:
    """The answer to an entry that is not taken, with its place."""
    where = f"{refusal.path}: " if refusal.path else ""
    said = outcomes.outcome("error", "invalid", f"{where}{refusal.why}")
    return refusal.index, {"response": {"status": "400 Bad Request", "outcome": said}}


def answers(patient: StagedPatient, made: TakenIn) -> Sequence[tuple[int, Resource]]:
    """What became of each of one patient's entries, with its place in the file."""
    if made.error is not None:
        return [(version.index, refused(made.error)) for version in patient.versions]
    assert made.alias is not None
    found = []
    for version in patient.versions:
        new = version.load()
        handle = made.deposited.handles.get(new.record_id)
        known = made.deposited.known.get(new.record_id)
        id = made.alias.hex() if new.resource_type == "Patient" else str(UUID(bytes=new.record_id))
        response: Resource = {"status": "201 Created" if handle is not None else "200 OK"}
        if (there := handle or known) is not None:
            response["location"] = f"{new.resource_type}/{id}/_history/{there.hex()}"
            response["etag"] = f'W/"{there.hex()}"'
        if new.resource_type == consents.KIND:
            response["outcome"] = consents.grants_nothing()
        found.append((version.index, {"response": response}))
    return found


def refused(error: CareLedgerError) -> Resource:
    """The answer to an entry that was refused."""
    kind = outcomes.kind_of(error)
    return {"response": {"status": str(kind.status), "outcome": outcomes.refusal(error)}}
