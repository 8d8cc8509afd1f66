"""Record bodies back to FHIR: as the source wrote them, or under CareLedger's own ids."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import NAMESPACE_OID, UUID, uuid5

from careledger.domain.errors import FhirRefused
from careledger.fhir.canonical import canonical
from careledger.fhir.json_text import Flaw, Resource, read
from careledger.fhir.references import rewritten
from careledger.formats.bodies import RecordBody


def resource_of(body: RecordBody) -> Resource:
    """The resource under CareLedger's record ids; raises FhirRefused if the body holds no FHIR JSON."""
    try:
        resource = read(body.canonical)
    except Flaw as flaw:
        raise FhirRefused(path=flaw.path, problem=flaw.why) from None
    if not isinstance(resource, dict) or "resourceType" not in resource:
        raise FhirRefused(problem="not a resource")
    return resource


def as_received(body: RecordBody) -> Resource:
    """The resource with the source's own id and references, equal to the original's canonical form except
    ``meta.versionId`` and ``meta.lastUpdated``."""
    names = {f"urn:uuid:{UUID(bytes=r.record_id)}": r.stated for r in body.references}
    made = rewritten(resource_of(body), names.get)
    if body.source_id is None:
        del made["id"]
        return made
    return {**made, "id": body.source_id}


def export_bundle(bodies: Iterable[RecordBody], *, received: bool = False) -> bytes:
    """A collection Bundle of these records as canonical JSON.

    With ``received`` ids, references and fullUrls are the source's own (as_received); otherwise every record is
    called ``urn:uuid:`` and its record id, so that records of several sources can stand together.
    """
    entries = [_entry(body, received) for body in bodies]
    bundle: Resource = {"resourceType": "Bundle", "type": "collection"}
    return canonical({**bundle, "entry": entries} if entries else bundle)


def _entry(body: RecordBody, received: bool) -> Resource:
    if not received:
        resource = resource_of(body)
        return {"fullUrl": f"urn:uuid:{resource['id']}", "resource": resource}
    entry: Resource = {"resource": as_received(body)}
    return {"fullUrl": body.full_url, **entry} if body.full_url else entry


def unnamed(resource: Resource, at: int) -> Resource:
    """An entry of what has no address, in the same words and place always under the same name: every entry needs one
    of its own."""
    name = uuid5(NAMESPACE_OID, f"{at} {canonical(resource).decode()}")
    return {"fullUrl": f"urn:uuid:{name}", "resource": resource}
