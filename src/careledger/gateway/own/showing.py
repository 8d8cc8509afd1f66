"""An own writing as it is shown: under its record id, with its version and the time of its deposit."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache

from careledger.fhir.export import resource_of
from careledger.fhir.json_text import Resource, read_again
from careledger.fhir.references import rewritten
from careledger.gateway.views import Shown
from careledger.workflows.chart import ChartEntry

_NAMED = re.compile(r'"(?:reference|url)":"(urn:uuid:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"')
"""References in canonical JSON: no quotation mark stands unescaped inside a text, so none looks like one of these."""


@dataclass(frozen=True, repr=False)
class Removed:
    """A record that its author took back, at its address; ``at`` in unix seconds, 0 where that was not kept."""

    path: str
    at: int


def as_shown(entry: ChartEntry, made: int, place: int) -> Shown:
    """One's own version, its references as the record has them; ``made`` is when it was deposited (unix seconds), at
    which place. Raises FhirRefused for what is no FHIR."""
    return _shown(resource_of(entry.body), entry, made, place)


def named_in(entry: ChartEntry) -> list[str]:
    """The URNs under which that version refers to records."""
    return _NAMED.findall(entry.body.canonical.decode())


def shown_again(entry: ChartEntry, made: int, place: int, named: Callable[[str], str | None]) -> Shown:
    """What ``as_shown`` took when it was indexed, with references to what is shown as ``TYPE/ID``. What the digest in
    the copy says is the same text needs no second check; that its names stand in the text itself spares a walk."""

    def written(found: re.Match[str]) -> str:
        path = named(found[1])
        return found[0] if path is None else found[0].replace(found[1], path)

    text = _NAMED.sub(written, entry.body.canonical.decode())
    return _shown(read_again(text), entry, made, place)


def _shown(resource: Resource, entry: ChartEntry, made: int, place: int) -> Shown:
    kind, copy = str(resource["resourceType"]), entry.copy
    id = copy.alias.hex() if kind == "Patient" else uuid_text(copy.record_id)
    stated = resource.get("meta")
    version = copy.handle.hex()
    meta = {
        **(stated if isinstance(stated, dict) else {}),
        "versionId": version,
        "lastUpdated": instant(made),
    }
    made_so = {**resource, "id": id, "meta": meta}
    return Shown(kind, id, version, 0, made_so, (made, place), entry.body.beside, copy.alias)


def uuid_text(id: bytes) -> str:
    """A record id as FHIR has it."""
    digits = id.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


@lru_cache(1_024)
def instant(made: int) -> str:
    """Unix seconds as a FHIR instant."""
    return datetime.fromtimestamp(made, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def linked(shown: Shown, named: Callable[[str], str | None]) -> Shown:
    """The same with references to what is shown as ``TYPE/ID``."""
    return replace(shown, resource=rewritten(shown.resource, named))
