"""A parsed search: what it demands, what it wants back and in which order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from careledger.fhir.fhirpath.compiled import Scope
from careledger.fhir.fhirpath.naming import Resolve
from careledger.fhir.json_text import Resource
from careledger.fhir.searching.criteria import Criterion, OfType, Sight
from careledger.fhir.searching.elements import Element
from careledger.fhir.searching.links import asking, followed, key_of
from careledger.fhir.searching.sorting import Key, in_order
from careledger.fhir.searching.subsets import WHOLE, Subset


def nothing(reference: str) -> None:
    """Resolves no reference."""


def none_of_type(resource_type: str) -> Iterable[Resource]:
    """Sees no resource."""
    return ()


@dataclass(frozen=True, slots=True)
class Include:
    """One ``_include`` or ``_revinclude``: the resources to which ``parameter`` of ``source`` leads.

    ``parameter`` is "*" for all references of the type; ``target`` is the only type wanted, or empty; ``iterate``
    is whether what was included is followed as well.
    """

    source: str
    parameter: str
    target: str
    iterate: bool
    links: tuple[Element, ...]
    base: str = ""

    def reached(self, resource: Resource, resolve: Resolve) -> list[Resource]:
        """What the resource leads to among what the reader may see; nothing if it is not of the source's type."""
        if resource.get("resourceType") != self.source:
            return []
        scope = Scope(resource, resource, resource, asking(resolve, self.base))
        found = [
            followed(element, item, scope) for element in self.links for item in element.find(resource, scope)
        ]
        return [each for each in found if each and self.target in ("", each.get("resourceType"))]

    def leads(self, resource: Resource, to: Resource, resolve: Resolve) -> bool:
        """Whether the one resource refers to the other, as ``_revinclude`` asks."""
        return key_of(to) in [key_of(each) for each in self.reached(resource, resolve)]


@dataclass(frozen=True, slots=True, repr=False)
class Query:
    """A search for resources of one type; ``resource_type`` "Resource" is a search over all types, or ``types``.

    ``ignored`` names what was given and is unknown or not built: whoever asked for strict handling is refused for
    it; ``used`` is all else that was given. ``base`` is the address of this server, ``count`` None where none was
    given, ``subset`` how much of each match is wanted; ``total`` and ``format`` are empty where not given; ``pretty``
    is ``_pretty``.
    """

    resource_type: str
    criteria: tuple[Criterion, ...] = ()
    ignored: tuple[str, ...] = ()
    sort: tuple[Key, ...] = ()
    count: int | None = None
    includes: tuple[Include, ...] = ()
    revincludes: tuple[Include, ...] = ()
    subset: Subset = WHOLE
    total: str = ""
    format: str = ""
    pretty: bool = False
    types: tuple[str, ...] = ()
    base: str = ""
    used: tuple[tuple[str, str], ...] = ()

    @property
    def counts(self) -> bool:
        """Whether only the number of matches is wanted (R4 search.html#count)."""
        return self.subset.summary == "count" or self.count == 0

    def within(self, resolve: Resolve, of_type: OfType = none_of_type) -> Callable[[Resource], bool]:
        """Whether a resource answers the query, among what the reader may see.

        ``resolve`` finds what a reference names, ``of_type`` all resources of a type; neither may give what the
        reader may not read. ``resolve`` is given references to this server as relative ones, and all without a
        version. What ``_has`` asks is looked up once, when it is first needed.
        """
        resolve = asking(resolve, self.base)
        sight = Sight(resolve, of_type)
        demands = [each.within(sight) for each in self.criteria]
        kinds = self.kinds

        def answers(resource: Resource) -> bool:
            if kinds and resource.get("resourceType") not in kinds:
                return False
            scope = Scope(resource, resource, resource, resolve)
            return all(holds(resource, scope) for holds in demands)

        return answers

    def matches(self, resource: Resource, resolve: Resolve = nothing, of_type: OfType = none_of_type) -> bool:
        """Whether this one resource answers the query; for many, ask ``within`` once."""
        return self.within(resolve, of_type)(resource)

    def sorted(self, resources: Iterable[Resource], resolve: Resolve = nothing) -> Sequence[Resource]:
        """The resources as ``_sort`` wants them; what it does not tell apart keeps its order."""
        return in_order(resources, self.sort, asking(resolve, self.base))

    @property
    def kinds(self) -> tuple[str, ...]:
        """The types that are searched; none for all of them."""
        return self.types if self.resource_type == "Resource" else (self.resource_type,)
