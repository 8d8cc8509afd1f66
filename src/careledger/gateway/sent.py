"""What a body that is a single resource has to be before anything is done with it."""

from __future__ import annotations

from typing import Any

from careledger.domain.errors import FhirRefused
from careledger.fhir.json_text import Flaw, Resource, read
from careledger.fhir.validation.check import examine


def sent(kind: str, body: bytes, other: str = "") -> Resource:
    """The one valid resource of that type in a body; raises FhirRefused, for anything ``other`` in these words."""
    try:
        made: Any = read(body)
    except Flaw as flaw:
        raise FhirRefused(path=flaw.path, problem=flaw.why) from None
    if not isinstance(made, dict) or made.get("resourceType") != kind:
        raise FhirRefused(path="resourceType", problem=other or f"not one {kind}")
    for error in examine(made).errors:
        raise FhirRefused(path=f"{kind}.{error.path}", problem=error.what)
    return made
