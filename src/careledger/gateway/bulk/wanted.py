"""What an export wants, and the steps and lines that a walk gives it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from careledger.domain.categories import Category
from careledger.fhir.fhirpath.naming import Resolve
from careledger.fhir.json_text import Resource
from careledger.fhir.searching.query import Query
from careledger.fhir.searching.subsets import Subset
from careledger.gateway.bulk.jobs import OUTPUT

ALIAS = 32
END = b"\xff" * 16
"""Behind an alias: all of this patient."""
OUTCOME = "OperationOutcome"
Answers = Mapping[str, Sequence[Callable[[Resource], bool]]]
"""By type, whether a resource answers one of the searches that choose among those of that type."""


@dataclass(frozen=True)
class Owner:
    """Whose records a line is of, and the commitment of the consent by which they were released, empty where they were
    released to the registrar; both empty for what the organisation may say of its own."""

    alias: bytes = b""
    consent: bytes = b""


NOBODYS = Owner()


@dataclass(frozen=True, repr=False)
class Line:
    """A line of one of the manifest's lists; never printed."""

    list: str
    type: str
    resource: Resource
    owner: Owner = NOBODYS


@dataclass(frozen=True, repr=False)
class Step:
    """How far a walk is, and the lines that it made there; ``ended``: nothing more of this patient."""

    cursor: bytes
    lines: Sequence[Line] = ()
    ended: bool = False


@dataclass(frozen=True, repr=False)
class Filter:
    """A search among the resources of one type, of these patients or of all; never printed."""

    aliases: tuple[bytes, ...] | None
    query: Query

    def covers(self, alias: bytes) -> bool:
        """Whether it may find something of that patient."""
        return self.aliases is None or alias in self.aliases


@dataclass(frozen=True, repr=False)
class Wanted:
    """What of everything is to be written: types (all, if none is named), what is not older than ``since``, filters by
    type, which elements by type ("" for those not named); of these aliases, or of all; nothing of a closed category; a
    filter looks through references into types that the token ``shows``. Never printed."""

    types: frozenset[str]
    since: int | None
    filters: Mapping[str, Sequence[Filter]]
    elements: Mapping[str, Subset]
    patients: bytes
    closed: frozenset[Category]
    shows: Callable[[str], bool]

    def changed(self, at: int | None) -> bool:
        """Whether what changed then is wanted; what changed nobody knows when is."""
        return self.since is None or at is None or at >= self.since

    def after(self, readable: int | None) -> bool:
        """Whether what became readable then was so to no export up to ``since``; at any time, if nobody knows when."""
        return self.since is None or readable is None or readable > self.since

    def of_type(self, kind: str) -> bool:
        """Whether resources of that type are."""
        return not self.types or kind in self.types

    def answers(self, alias: bytes, resolve: Resolve) -> Answers:
        """The filters as they are answered by one patient's resources."""
        return {
            kind: [each.query.within(resolve) for each in filters if each.covers(alias)]
            for kind, filters in self.filters.items()
        }

    def line(self, resource: Resource, answers: Answers, owner: Owner = NOBODYS) -> list[Line]:
        """As much of it as is wanted; nothing of what does not answer."""
        kind = str(resource["resourceType"])
        if not self.of_type(kind) or (kind in answers and not any(each(resource) for each in answers[kind])):
            return []
        return [Line(OUTPUT, kind, self.elements.get(kind, self.elements[""]).of(resource), owner)]
