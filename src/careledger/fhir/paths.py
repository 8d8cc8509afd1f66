"""Small questions to a resource: what stands at a path, which codes, which name."""

from __future__ import annotations

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


def first_at(value: Any, path: str) -> Any:
    """The first thing at a dotted path, or None."""
    found = all_at(value, path)
    return found[0] if found else None


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
    coding = concept.get("coding") or [{}]
    shown = [_text(concept.get("text"))] + [_text(c.get(k)) for k in ("display", "code") for c in coding]
    return next((text for text in shown if text), "")


def name_of(resource: Resource) -> str:
    """The name of a person or an organisation as stated; empty if it states none."""
    name = resource.get("name")
    if isinstance(name, str):
        return name
    first = next((item for item in name or [] if isinstance(item, dict)), {})
    if first.get("text"):
        return str(first["text"])
    parts = [*first.get("prefix", []), *first.get("given", []), first.get("family", "")]
    return " ".join(part for part in parts if part)


def identifiers_of(resource: Resource) -> list[tuple[str, str]]:
    """The resource's business identifiers as (system, value), national provider number first."""
    found = resource.get("identifier", [])
    listed = found if isinstance(found, list) else [found]
    pairs = [(_text(i.get("system")), _text(i.get("value"))) for i in listed if isinstance(i, dict)]
    return sorted([pair for pair in pairs if pair[1]], key=lambda pair: pair[0] != NPI)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
