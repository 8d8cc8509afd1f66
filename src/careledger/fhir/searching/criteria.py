"""What a query demands of a resource, one class for each way of demanding it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol

from careledger.fhir.fhirpath.compiled import Expression, Scope
from careledger.fhir.fhirpath.naming import Resolve
from careledger.fhir.json_text import Resource
from careledger.fhir.searching.elements import Element, elements
from careledger.fhir.searching.links import followed, key_of, target_of
from careledger.fhir.searching.parameters import Parameter
from careledger.fhir.searching.values import Made, Test

Holds = Callable[[Resource, Scope], bool]
OfType = Callable[[str], Iterable[Resource]]


@dataclass(frozen=True, slots=True)
class Sight:
    """What the reader may see: what a reference names, and all resources of one type."""

    resolve: Resolve
    of_type: OfType


class Criterion(Protocol):
    """One demand; ``name`` is the parameter's, ``values`` what was given for it, any one of which will do."""

    @property
    def name(self) -> str: ...

    @property
    def values(self) -> tuple[str, ...]: ...

    def within(self, sight: Sight) -> Holds:
        """The demand as a function of a resource, among what the reader may see."""
        ...


@dataclass(frozen=True, slots=True, repr=False)
class OfEach:
    """A parameter of several types that have it: of a resource what its own type's demands; of others it is not met."""

    name: str
    values: tuple[str, ...]
    by: Mapping[str, Criterion]

    def within(self, sight: Sight) -> Holds:
        """By the type."""
        made = {kind: each.within(sight) for kind, each in self.by.items()}

        def holds(resource: Resource, scope: Scope) -> bool:
            found = made.get(str(resource.get("resourceType")))
            return found is not None and found(resource, scope)

        return holds


@dataclass(frozen=True, slots=True, repr=False)
class Valued:
    """An element of the resource has one of the values; ``negated``: none has."""

    name: str
    modifier: str
    values: tuple[str, ...]
    tests: tuple[tuple[Expression, Test], ...]
    negated: bool = False

    def within(self, sight: Sight) -> Holds:
        tests, found = self.tests, not self.negated

        def holds(resource: Resource, scope: Scope) -> bool:
            for find, test in tests:
                for item in find(resource, scope):
                    if test(item, scope):
                        return found
            return not found

        return holds


@dataclass(frozen=True, slots=True, repr=False)
class Missing:
    """No element of the parameter is there; or one is, where ``missing`` is false."""

    name: str
    values: tuple[str, ...]
    finds: tuple[Expression, ...]
    missing: bool

    def within(self, sight: Sight) -> Holds:
        return lambda resource, scope: any(find(resource, scope) for find in self.finds) is not self.missing


Parts = tuple[tuple[tuple[Expression, Test], ...], ...]


@dataclass(frozen=True, slots=True, repr=False)
class Composed:
    """One element has all parts of one of the values: ``alternatives`` pairs where it stands with tests by part."""

    name: str
    values: tuple[str, ...]
    alternatives: tuple[tuple[Expression, Parts], ...]

    def within(self, sight: Sight) -> Holds:
        return lambda resource, scope: any(
            all(any(_finds(find, test, item, scope) for find, test in part) for part in parts)
            for place, parts in self.alternatives
            for item in place(resource, scope)
        )


def _finds(find: Expression, test: Test, item: Any, scope: Scope) -> bool:
    return any(test(each, scope) for each in find(item, scope))


class Asks(Protocol):
    """A query, as far as chains need to know one."""

    def within(self, resolve: Resolve, of_type: OfType) -> Callable[[Resource], bool]: ...


@dataclass(frozen=True, slots=True, repr=False)
class Chained:
    """What a reference leads to answers another query, by its type: ``subject:Patient.name=…``."""

    name: str
    values: tuple[str, ...]
    links: tuple[Element, ...]
    queries: Mapping[str, Asks]

    def within(self, sight: Sight) -> Holds:
        asked = {kind: each.within(sight.resolve, sight.of_type) for kind, each in self.queries.items()}

        def leads(element: Element, item: Any, scope: Scope) -> bool:
            found = followed(element, item, scope)
            answers = asked.get(found.get("resourceType", "")) if isinstance(found, dict) else None
            return answers is not None and answers(found)

        return lambda resource, scope: any(
            leads(element, item, scope) for element in self.links for item in element.find(resource, scope)
        )


@dataclass(frozen=True, slots=True, repr=False)
class Referred:
    """Another resource of type ``kind`` that answers a query refers to this one: ``_has:Observation:patient:…``."""

    name: str
    values: tuple[str, ...]
    kind: str
    links: tuple[Element, ...]
    query: Asks
    base: str = field(default="")

    def within(self, sight: Sight) -> Holds:
        @cache
        def targets() -> frozenset[str]:
            answers = self.query.within(sight.resolve, sight.of_type)
            return frozenset(
                key
                for other in sight.of_type(self.kind)
                if answers(other)
                for key in self._targets(other, sight.resolve)
            )

        return lambda resource, scope: key_of(resource) in targets()

    def _targets(self, other: Resource, resolve: Resolve) -> Iterable[str]:
        scope = Scope(other, other, other, resolve)
        for element in self.links:
            for item in element.find(other, scope):
                yield target_of(element, item, scope, self.base)


def valued(
    resource_type: str, parameter: Parameter, modifier: str, values: tuple[str, ...], made: list[Made]
) -> Valued:
    """The demand that one of these values stands at the parameter's elements."""
    tests = []
    for element in elements(resource_type, parameter.expression):
        asked = [test for each in made if (test := each(element)) is not None]
        if asked:
            tests.append((element.find, _any_of(asked)))
    return Valued(parameter.name, modifier, values, tuple(tests), modifier == "not")


def _any_of(tests: list[Test]) -> Test:
    return tests[0] if len(tests) == 1 else lambda item, scope: any(test(item, scope) for test in tests)


def composed(
    resource_type: str, parameter: Parameter, values: tuple[str, ...], made: list[list[Made]]
) -> Composed:
    """The demand of a composite parameter; ``made`` has, for each value, how to test each part."""
    alternatives = []
    for place in elements(resource_type, parameter.expression):
        for value in made:
            parts = tuple(
                tuple(
                    (element.find, test)
                    for element in elements(place.type, part.expression, resource_type)
                    if (test := each(element)) is not None
                )
                for part, each in zip(parameter.parts, value, strict=True)
            )
            alternatives.append((place.find, parts))
    return Composed(parameter.name, values, tuple(alternatives))
