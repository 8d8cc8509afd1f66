"""What was found in a resource, and where: never what it says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from careledger.fhir.json_text import Resource

Key = str | int | None
Spot = tuple[Any, Key, str]  # the object or array, the name or index in it, what is said of it


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about one place of a resource; ``path`` is FHIRPath without the type (``component[2].code``)."""

    path: str
    what: str


class Walk:
    """What is gathered on the way through one resource.

    ``errors`` and ``warnings`` are spots; ``advice`` the keys of best practices that it does not follow; ``coded``
    the objects with a code; ``references`` the Reference objects with the types that they may name (none: all);
    ``linked`` the objects with a URL that may name another resource.
    """

    __slots__ = ("advice", "coded", "errors", "linked", "outermost", "references", "resource", "warnings")

    def __init__(self, resource: Resource) -> None:
        self.resource = self.outermost = resource
        self.errors: list[Spot] = []
        self.warnings: list[Spot] = []
        self.advice: list[str] = []
        self.coded: list[Resource] = []
        self.references: list[tuple[Resource, frozenset[str]]] = []
        self.linked: list[Resource] = []


def located(root: Any, spots: Iterable[Spot]) -> list[Finding]:
    """The spots with their paths, each said once."""
    wanted = list(spots)
    places = _places(root, {id(holder) for holder, _, _ in wanted}) if wanted else {}
    made = [Finding(_joined(places.get(id(holder), ""), key), what) for holder, key, what in wanted]
    return list(dict.fromkeys(made))


def _joined(place: str, key: Key) -> str:
    if key is None:
        return place
    return f"{place}[{key}]" if isinstance(key, int) else f"{place}.{key}".lstrip(".")


def _places(root: Any, wanted: set[int]) -> dict[int, str]:
    """The paths of the containers with these identities."""
    found: dict[int, str] = {}
    waiting: list[tuple[Any, str]] = [(root, "")]
    while waiting and len(found) < len(wanted):
        value, place = waiting.pop()
        if id(value) in wanted:
            found[id(value)] = place
        keyed: Iterable[tuple[str | int, Any]] = (
            value.items() if isinstance(value, dict) else enumerate(value)
        )
        waiting += [(inner, _joined(place, key)) for key, inner in keyed if isinstance(inner, (dict, list))]
    return found
