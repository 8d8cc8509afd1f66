"""Small questions to a resource: what stands at a path, which codes, which name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from careledger.fhir.json_text import Resource

NPI = "http://hl7.org/fhir/sid/us-npi"


def all_at(value: Any, path: str) -> list[Any]:
    """Everything at a dotted path; arrays on the way are flattened."""
    found = [value]
    for name in path.split("."):
        found = [each for item in found for each in _inside(item, name)]
    return found


def _inside(value: Any, name: str) -> list[Any]:
    inner = value.get(name) if isinstance(value, dict) else None
    if inner is None:
        return []
    return inner if isinstance(inner, list) else [inner]


def there(resource: Resource, paths: Iterable[str]) -> list[str]:
    """The dotted paths of which the resource has the first element."""
    return [path for path in paths if path.partition(".")[0] in resource]


def first_at(value: Any, path: str) -> Any:
    """The first thing at a dotted path, or None."""
    found = all_at(value, path)
    return found[0] if found else None


def texts_at(value: Any, path: str) -> list[str]:
    """The texts at a dotted path; what is no text there is passed over."""
    return [found for found in all_at(value, path) if isinstance(found, str)]


def objects_at(value: Any, path: str) -> list[Resource]:
    """The objects at a dotted path; what is no object there is passed over."""
    return [found for found in all_at(value, path) if isinstance(found, dict)]


def codings(value: Any) -> set[tuple[str, str]]:
    """Every coding anywhere inside, contained resources included, as (system, code)."""
    found: set[tuple[str, str]] = set()
    _collect_codings(value, found)
    return found


def _collect_codings(value: Any, found: set[tuple[str, str]]) -> None:
    if type(value) is list:
        for item in value:
            _collect_codings(item, found)
    elif type(value) is dict:
        code = value.get("code")
        if type(code) is str:
            found.add((_text(value.get("system")), code))
        for inner in value.values():
            if type(inner) is dict or type(inner) is list:
                _collect_codings(inner, found)


def codes_at(resource: Resource, path: str) -> set[tuple[str, str]]:
    """The codings of the concepts, codings or plain codes at a dotted path, as (system, code)."""
    made: set[tuple[str, str]] = set()
    for found in all_at(resource, path):
        made |= {("", found)} if isinstance(found, str) else codings(found)
    return made


def concept_text(concept: Any) -> str:
    """How people read a CodeableConcept: its text, else the first display, else the first code."""
    if not isinstance(concept, dict):
        return ""
    shown = [text for path in ("text", "coding.display", "coding.code") for text in texts_at(concept, path)]
    return next(iter(shown), "")


def name_of(resource: Resource) -> str:
    """The name of a person or an organisation as stated; empty if it states none."""
    name = resource.get("name")
    if isinstance(name, str):
        return name
    first = next(iter(objects_at(resource, "name")), {})
    parts = [part for path in ("prefix", "given", "family") for part in texts_at(first, path)]
    return next(iter(texts_at(first, "text")), " ".join(parts))


def identifiers_of(resource: Resource) -> list[tuple[str, str]]:
    """The resource's business identifiers as (system, value), national provider number first."""
    found = objects_at(resource, "identifier")
    pairs = [(_text(each.get("system")), _text(each.get("value"))) for each in found]
    return sorted([pair for pair in pairs if pair[1]], key=lambda pair: pair[0] != NPI)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
