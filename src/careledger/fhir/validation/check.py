"""One resource against the definitions."""

from __future__ import annotations

from dataclasses import dataclass

from careledger.fhir.json_text import Resource
from careledger.fhir.paths import objects_at
from careledger.fhir.validation.findings import Finding, Spot, Walk, located
from careledger.fhir.validation.shapes import any_resource, shape


@dataclass(frozen=True, slots=True, repr=False)
class Examined:
    """What a resource is, beside what FHIR R4 allows.

    ``errors`` refuse it, ``warnings`` are for people, ``advice`` names best practices that it does not follow.
    ``codings`` are all its codings as (system, code); ``references`` its Reference objects with the types that each
    may name (none: all); ``linked`` the objects in it with a URL. Contained resources are part of it. Of a resource
    with errors only these are said.
    """

    errors: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()
    advice: tuple[str, ...] = ()
    codings: frozenset[tuple[str, str]] = frozenset()
    references: tuple[tuple[Resource, frozenset[str]], ...] = ()
    linked: tuple[Resource, ...] = ()


def examine(resource: Resource) -> Examined:
    """Everything that can be said of a resource by itself; its type must be one of R4."""
    walk = Walk(resource)
    if not any_resource(resource, walk):
        walk.errors.append((resource, "resourceType", "not a resource type of FHIR R4"))
    if "contained" in resource and not walk.errors:
        walk.errors += _unused(resource, walk)
    if walk.errors:
        return Examined(errors=tuple(located(resource, walk.errors)))
    return Examined(
        warnings=tuple(located(resource, walk.warnings)) if walk.warnings else (),
        advice=tuple(walk.advice),
        codings=frozenset([(each.get("system", ""), each["code"]) for each in walk.coded if "code" in each]),
        references=tuple(walk.references),
        linked=tuple(walk.linked),
    )


def _unused(resource: Resource, walk: Walk) -> list[Spot]:
    """dom-3: the contained resources that nothing refers to and that do not refer to their container."""
    contained = objects_at(resource, "contained")
    named = {each.get("reference") for each, _ in walk.references}
    if all(f"#{inner.get('id')}" in named for inner in contained):
        return []
    texts = _texts(resource)
    return [
        (inner, None, "dom-3: a contained resource that nothing refers to")
        for inner in contained
        if f"#{inner.get('id', '')}" not in texts and "#" not in _texts(inner)
    ]


def _texts(value: object) -> set[str]:
    """Every text inside."""
    if isinstance(value, str):
        return {value}
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return {text for each in inner for text in _texts(each)}


def strange_in(kind: str, value: Resource, known: frozenset[str]) -> tuple[str, str] | None:
    """What is wrong with the envelope of a resource, as (path, what): the elements of ``kind`` but the ``known``.

    Invariants are not asked: a bundle is how records travel and is none itself.
    """
    found = shape(kind)
    walk = Walk(value)
    for place, (name, inner) in enumerate(value.items()):
        if name not in known:
            found.check_element(place, name, inner, value, walk)
    first = located(value, walk.errors[:1])
    return (first[0].path, first[0].what) if first else None
