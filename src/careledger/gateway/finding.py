"""What a search finds among what is shown, what it brings along, and how much of each resource it wants."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from careledger.fhir.json_text import Resource
from careledger.fhir.searching.query import Include, Query
from careledger.gateway.own.sight import Sight
from careledger.gateway.views import Shown


@dataclass(frozen=True, repr=False)
class Found:
    """A search over a pool of resources that the reader may see: nothing else is looked into, but what chains and
    includes lead to in ``own``. Never printed."""

    query: Query
    pool: Sequence[Shown]
    own: Sight | None = None

    @cached_property
    def matches(self) -> list[Shown]:
        """What answers the query, in its order."""
        answers = self.answers
        found = [shown for shown in self.pool if answers(shown.resource)]
        by_resource = {id(each.resource): each for each in found}
        ordered = self.query.sorted([each.resource for each in found], self._resolve)
        return [by_resource[id(resource)] for resource in ordered]

    @cached_property
    def answers(self) -> Callable[[Resource], bool]:
        """Whether a resource answers the query."""
        return self.query.within(self._resolve, self._of_type)

    def precedes(self, one: Shown, other: Shown) -> bool:
        """Whether the one comes before the other in the query's order, or is not told apart from it."""
        return self.query.sorted([one.resource, other.resource], self._resolve)[0] is one.resource

    def included(self, page: Sequence[Shown]) -> list[Shown]:
        """What ``_include`` and ``_revinclude`` bring along with these matches, each once and no match again."""
        taken = {each.path: each for each in page}
        before: Sequence[Shown] = page
        following = [*self.query.includes, *self.query.revincludes]
        while before:
            new = [each for each in self._reached(before, following) if each.path not in taken]
            taken.update({each.path: each for each in new})
            before = list({each.path: each for each in new}.values())
            following = [each for each in following if each.iterate]
        return list(taken.values())[len(page) :]

    def narrowed(self, shown: Shown) -> Resource:
        """A match, or as much of it as is wanted, marked as not all of it."""
        return self.query.subset.of(shown.resource)

    def summarised(self, shown: Shown) -> Resource:
        """The same of what comes along, which ``_elements`` does not speak of."""
        return replace(self.query.subset, elements=()).of(shown.resource)

    def _reached(self, matches: Sequence[Shown], following: Iterable[Include]) -> list[Shown]:
        reached = []
        for each in following:
            if each in self.query.revincludes:
                reached += [
                    shown
                    for shown in (*self.pool, *(self.own.referring(each, matches) if self.own else ()))
                    if any(each.leads(shown.resource, match.resource, self._resolve) for match in matches)
                ]
                continue
            for match in matches:
                found = each.reached(match.resource, self._resolve)
                reached += [shown for one in found if (shown := self._shown(one)) is not None]
        return reached

    def _shown(self, resource: Resource) -> Shown | None:
        """What is shown as that resource; None for one that stands inside another."""
        own = self.own.of_resource(id(resource)) if self.own else None
        return self._by_resource.get(id(resource)) or own

    @cached_property
    def _by_path(self) -> dict[str, Shown]:
        return {each.path: each for each in self.pool}

    @cached_property
    def _by_resource(self) -> dict[int, Shown]:
        return {id(each.resource): each for each in self.pool}

    def _resolve(self, reference: str) -> Resource | None:
        found = self._by_path.get(reference) or (self.own.resolve(reference) if self.own else None)
        return found.resource if found is not None else None

    def _of_type(self, kind: str) -> list[Resource]:
        own = self.own.all_of(kind) if self.own else ()
        return [each.resource for each in self.pool if each.type == kind] + [each.resource for each in own]
