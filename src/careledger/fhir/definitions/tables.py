"""The tables, read when they are first needed: nothing that validates no resource pays for them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import zstandard

MOST_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Constraint:
    """An invariant of the definitions: ``expression`` is FHIRPath, ``human`` what HL7 says of it.

    ``refuses`` is whether breaking it is an error there; ``advice`` whether it is only called best practice.
    """

    key: str
    refuses: bool
    human: str
    expression: str
    advice: bool


@dataclass(frozen=True, slots=True)
class Definitions:
    """The tables of one version of FHIR.

    ``shapes`` has, by type and by path of an element with elements of its own (``Patient.contact``), its elements
    by JSON name (``max`` 1 is one, 0 is many; nothing in R4 has another), its choices and the numbers of its
    constraints, ``summary`` and ``modifier`` where R4 marks them so; ``sets`` the codes of the value sets by URL, or
    why they are not listed; ``primitives`` the patterns of the primitive types.
    """

    fhir: str
    package: str
    resources: frozenset[str]
    primitives: dict[str, str]
    constraints: tuple[Constraint, ...]
    shapes: dict[str, dict[str, Any]]
    sets: dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class SearchDefinition:
    """A search parameter as HL7 publishes it, of all types in ``bases``.

    ``usage`` is "normal", or why no element of the resource is compared as it stands ("phonetic", "nearby");
    ``parts`` has name, type and expression of each part of a composite one, relative to what ``expression`` finds.
    """

    name: str
    type: str
    url: str
    bases: tuple[str, ...]
    expression: str
    targets: tuple[str, ...]
    usage: str
    parts: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class CompartmentDefinition:
    """What HL7 counts as a patient's: ``url`` of the definition, ``types`` with the parameters by which one of them is
    that patient's."""

    url: str
    types: dict[str, tuple[str, ...]]


def _table(name: str) -> Any:
    packed = resources.files("careledger.fhir.definitions").joinpath(name).read_bytes()
    return json.loads(zstandard.ZstdDecompressor().decompress(packed, max_output_size=MOST_BYTES))


@cache
def definitions() -> Definitions:
    """The definitions of FHIR R4."""
    table = _table("r4.json.zst")
    source = table["source"]
    return Definitions(
        fhir=source["fhir"],
        package=f"{source['package']}:{source['version']}",
        resources=frozenset(table["resources"]),
        primitives=table["primitives"],
        constraints=tuple(
            Constraint(key, severity == "error", human, expression, bool(best))
            for key, severity, human, expression, best in table["constraints"]
        ),
        shapes=table["shapes"],
        sets=table["sets"],
    )


@cache
def choices() -> dict[str, frozenset[str]]:
    """For each element of chosen type its names in JSON."""
    found: dict[str, set[str]] = {}
    for shape in definitions().shapes.values():
        for name, (_, names) in shape.get("choices", {}).items():
            found.setdefault(name, set()).update(names)
    return {name: frozenset(names) for name, names in found.items()}


@cache
def search_definitions() -> tuple[SearchDefinition, ...]:
    """The search parameters of FHIR R4."""
    return tuple(
        SearchDefinition(
            each["name"],
            each["type"],
            each["url"],
            tuple(each["bases"]),
            each.get("expression", ""),
            tuple(each.get("targets", ())),
            each.get("usage", "normal"),
            tuple((name, kind, expression) for name, kind, expression in each.get("parts", ())),
        )
        for each in _table("search.json.zst")["parameters"]
    )


ABSTRACT = frozenset({"Resource", "DomainResource"})
"""What no resource is by itself."""


@cache
def patient_compartment() -> CompartmentDefinition:
    """The Patient compartment of FHIR R4."""
    text = resources.files("careledger.fhir.definitions").joinpath("compartment.json").read_bytes()
    table = json.loads(text)
    return CompartmentDefinition(table["url"], {name: tuple(found) for name, found in table["types"].items()})


@cache
def resource_types() -> frozenset[str]:
    """The 146 types that a resource of FHIR R4 may have, without the two abstract ones; the tables are not read for
    them."""
    text = resources.files("careledger.fhir.definitions").joinpath("types.txt").read_text("utf-8")
    return frozenset(text.split()) - ABSTRACT
