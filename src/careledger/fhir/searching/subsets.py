"""Part of a resource: a summary of it, or some of its elements, with what R4 says has to stay and marked as a part.

A part is a view of a record and never the record: what is stored and signed stays whole. Extensions of what is kept
are left out of a summary, except those that change a meaning and those without which an element would be empty.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from careledger.fhir.definitions.tables import definitions
from careledger.fhir.json_text import Resource

SUBSETTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}
ALWAYS = frozenset({"resourceType", "id", "meta", "implicitRules", "modifierExtension"})
UNNARROWED = ("", "false", "count")


@dataclass(frozen=True, slots=True)
class Subset:
    """How much of a resource is wanted: ``summary`` as R4's ``_summary`` says it, empty if it was not given, and the
    names in ``_elements``."""

    summary: str = ""
    elements: tuple[str, ...] = ()

    def of(self, resource: Resource) -> Resource:
        """The part of a resource, tagged SUBSETTED; the resource itself where all of it is wanted (R4
        search.html#summary, #elements)."""
        if self.summary in UNNARROWED and not self.elements:
            return resource
        kept = _kept(resource, self)
        meta = resource.get("meta", {})
        return {**kept, "meta": {**meta, "tag": [*meta.get("tag", ()), SUBSETTED]}}


WHOLE = Subset()


def is_part(resource: Any) -> bool:
    """Whether a resource says that it is only a part of one."""
    meta = resource.get("meta") if isinstance(resource, dict) else None
    tags = meta.get("tag") if isinstance(meta, dict) else None
    return any(
        isinstance(each, dict) and (each.get("system"), each.get("code")) == tuple(SUBSETTED.values())
        for each in (tags if isinstance(tags, list) else ())
    )


def _kept(resource: Resource, wanted: Subset) -> Resource:
    kind = str(resource.get("resourceType", ""))
    if wanted.elements:
        return _only(resource, ALWAYS | _mandatory(kind) | _modifiers(kind) | _named(kind, wanted.elements))
    if wanted.summary == "text":
        return _only(resource, ALWAYS | _mandatory(kind) | {"text"})
    if wanted.summary == "data":
        return {name: value for name, value in resource.items() if name.lstrip("_") != "text"}
    return _summarised(resource, kind)


def _only(value: Resource, names: frozenset[str] | set[str]) -> Resource:
    return {name: each for name, each in value.items() if name.lstrip("_") in names}


def _summarised(value: Resource, shape: str) -> Resource:
    """What is marked as summary in the definition of a type, what is mandatory and what changes a meaning, of every
    element within likewise."""
    names, elements = _in_summary(shape), definitions().shapes[shape]["elements"]
    if names is None:
        return value
    made = {name: _part(each, name, elements) for name, each in _only(value, names).items()}
    return made or _only(value, frozenset({"extension"}))


def _part(value: Any, name: str, elements: dict[str, Any]) -> Any:
    inner = elements.get(name, {}).get("type", "")
    if isinstance(value, list):
        return [_part(each, name, elements) for each in value]
    if not isinstance(value, dict) or inner not in definitions().shapes or inner == "Resource":
        return value
    return _summarised(value, inner)


@cache
def _in_summary(shape: str) -> frozenset[str] | None:
    """The names that a summary of a type has; None where the definition marks none, so that all of it stays."""
    elements: dict[str, Any] = definitions().shapes[shape]["elements"]
    marked = {name for name, each in elements.items() if each.get("summary")}
    if not marked:
        return None
    return frozenset({"resourceType"} | marked) | _mandatory(shape) | _modifiers(shape)


@cache
def _mandatory(shape: str) -> frozenset[str]:
    found = definitions().shapes.get(shape, {"elements": {}})
    chosen = [names for least, names in found.get("choices", {}).values() if least]
    plain = {name for name, each in found["elements"].items() if each["min"]}
    return frozenset(plain.union(*chosen))


@cache
def _modifiers(shape: str) -> frozenset[str]:
    elements = definitions().shapes.get(shape, {"elements": {}})["elements"]
    return frozenset(name for name, each in elements.items() if each.get("modifier"))


def _named(kind: str, names: tuple[str, ...]) -> frozenset[str]:
    """The elements with these names; ``value`` is each of ``valueQuantity``, ``valueString`` and so on."""
    choices = definitions().shapes.get(kind, {}).get("choices", {})
    return frozenset(each for name in names for each in (name, *choices.get(name, (0, ()))[1]))
