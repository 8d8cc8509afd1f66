"""The search parameters of each resource type, as R4 defines them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from careledger.fhir.definitions.tables import SearchDefinition, resource_types, search_definitions

EVERY_TYPE = "Resource"
PREFIXES = ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")
WITH_PREFIX = ("date", "number", "quantity")
# What may stand after the colon; a reference also takes the name of a type that it may point to.
MODIFIERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "composite": (),
        "date": ("missing",),
        "number": ("missing",),
        "quantity": ("missing",),
        "reference": ("missing", "identifier"),
        "string": ("missing", "exact", "contains"),
        "token": ("missing", "not", "text", "of-type"),
        "uri": ("missing", "above", "below"),
    }
)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a composite parameter; ``expression`` is relative to what the composite's own finds."""

    name: str
    type: str
    expression: str


@dataclass(frozen=True, slots=True)
class Parameter:
    """A search parameter of one resource type.

    ``type`` is R4's (number, date, string, token, reference, composite, quantity, uri), ``url`` its definition,
    ``targets`` the types that a reference may point to, ``parts`` those of a composite parameter.
    """

    name: str
    type: str
    url: str
    expression: str
    targets: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()

    @property
    def modifiers(self) -> tuple[str, ...]:
        """What may stand after the colon."""
        found = MODIFIERS[self.type]
        return found + self.targets if self.type == "reference" else found

    @property
    def prefixes(self) -> tuple[str, ...]:
        """What may stand before the value."""
        return PREFIXES if self.type in WITH_PREFIX else ()


def parameters_of(resource_type: str) -> Mapping[str, Parameter]:
    """The parameters of a type that are built, those of every type included; "Resource" has only the latter.

    For a name that is no resource type of R4 it is empty.
    """
    return _tables().get(resource_type, _NONE)


def not_built() -> tuple[SearchDefinition, ...]:
    """R4's parameters that compare no element as it stands: of full text, of sound and of nearness."""
    return tuple(each for each in search_definitions() if not _is_built(each))


_NONE: Mapping[str, Parameter] = MappingProxyType({})


def _is_built(each: SearchDefinition) -> bool:
    return bool(each.expression) and each.usage == "normal" and each.type in MODIFIERS


@cache
def _tables() -> dict[str, Mapping[str, Parameter]]:
    own: dict[str, dict[str, Parameter]] = {name: {} for name in (*resource_types(), EVERY_TYPE)}
    for each in filter(_is_built, search_definitions()):
        parts = tuple(Part(*part) for part in each.parts)
        made = Parameter(each.name, each.type, each.url, each.expression, each.targets, parts)
        for base in each.bases:
            own.setdefault(base, {})[each.name] = made
    every = own[EVERY_TYPE]
    return {base: MappingProxyType(dict(sorted((every | found).items()))) for base, found in own.items()}
