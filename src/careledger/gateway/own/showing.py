"""An own writing as it is shown: under its record id, with its version and the time of its deposit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from careledger.fhir.export import resource_of
from careledger.fhir.references import rewritten
from careledger.gateway.views import Shown
from careledger.workflows.chart import ChartEntry


def as_shown(entry: ChartEntry, made: int, place: int) -> Shown:
    """One's own version, its references as the record has them; ``made`` is when it was deposited (unix seconds), at
    which place. Raises FhirRefused for what is no FHIR."""
    resource = resource_of(entry.body)
    kind, copy = str(resource["resourceType"]), entry.copy
    id = copy.alias.hex() if kind == "Patient" else str(UUID(bytes=copy.record_id))
    updated = datetime.fromtimestamp(made, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    stated = resource.get("meta")
    version = copy.handle.hex()
    meta = {**(stated if isinstance(stated, dict) else {}), "versionId": version, "lastUpdated": updated}
    return Shown(kind, id, version, 0, {**resource, "id": id, "meta": meta}, (made, place))


def linked(shown: Shown, named: Callable[[str], str | None]) -> Shown:
    """The same with references to what is shown as ``TYPE/ID``."""
    return replace(shown, resource=rewritten(shown.resource, named))
