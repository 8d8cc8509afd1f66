"""What a client gave, as pairs of name and value, to a query."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from careledger.fhir.searching import links, moments, quantities, results, texts, tokens
from careledger.fhir.searching.criteria import (
    Chained,
    Composed,
    Criterion,
    Missing,
    OfEach,
    Referred,
    composed,
    valued,
)
from careledger.fhir.searching.elements import elements
from careledger.fhir.searching.parameters import EVERY_TYPE, Parameter, parameters_of
from careledger.fhir.searching.query import Query
from careledger.fhir.searching.values import Made, malformed, plain, split

MOST_PARAMETERS = 200
MOST_VALUES = 2_000  # of all parameters; a chain's count for each type that it may lead to
MOST_CHARACTERS = 200_000  # of all values
MOST_STEPS = 4  # of one chain
MOST_TYPES = 40  # that one chain may lead to without saying which
_NAME = re.compile(r"[A-Za-z0-9_:.\-*]{1,200}", re.ASCII)
_UNNAMED = "(no name of a parameter)"


def parse(
    resource_type: str, given: Sequence[tuple[str, str]], *, base: str = "", now: datetime | None = None
) -> Query:
    """The query of these pairs of name and value, already decoded from the URL or the form.

    Names that repeat all have to hold; of values between commas any one. ``resource_type`` "Resource" searches all
    types by what all have, or those of ``_type`` by what each of them has under the same name too (R4
    http.html#search). ``base`` is the address of this server, so that references to it are known as its own; ``now``
    is what the prefix ``ap`` measures dates from. A name that is unknown, not built or has no value, as forms send it,
    is in ``ignored`` of the query.

    Raises SearchRefused (path, problem) for a value that cannot be, a modifier that the parameter does not have, and
    more than is taken; the refusal never says the value.
    """
    if len(given) > MOST_PARAMETERS:
        raise malformed("search", f"more than {MOST_PARAMETERS} parameters")
    if sum(len(value) for _, value in given) > MOST_CHARACTERS:
        raise malformed("search", f"more than {MOST_CHARACTERS} characters")
    base = base if not base or base.endswith("/") else f"{base}/"
    reader = _Reader(resource_type, base, now, _types(given) if resource_type == EVERY_TYPE else ())
    wanted = results.Wanted(resource_type, base)
    used = []
    for name, value in given:
        before = len(reader.ignored) + len(wanted.ignored)
        if not value:
            reader.ignored.append(named(name))
        elif not wanted.take(name, value):
            reader.take(name, value)
        if before == len(reader.ignored) + len(wanted.ignored):
            used.append((name, value))
    query = wanted.query(tuple(reader.criteria), tuple(reader.ignored))
    return replace(query, used=tuple(used))


@dataclass(slots=True)
class _Budget:
    """How many types the chains of one parameter may still lead to."""

    name: str
    left: int = MOST_TYPES

    def spend(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise malformed(
                self.name, "a chain that may lead to too many types: say which, as in subject:Patient"
            )


@dataclass(slots=True)
class _Reader:
    resource_type: str
    base: str
    now: datetime | None
    types: tuple[str, ...] = ()
    values: int = 0
    criteria: list[Criterion] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)

    def take(self, name: str, value: str) -> None:
        if named(name) == _UNNAMED:
            self.ignored.append(_UNNAMED)
            return
        made = self._criterion(self.resource_type, name, value, MOST_STEPS, _Budget(_first(name)))
        if made is None:
            made = self._of_each(name, value)
        if made is None:
            self.ignored.append(name)
        else:
            self.criteria.append(made)

    def _criterion(self, kind: str, name: str, value: str, steps: int, budget: _Budget) -> Criterion | None:
        """The demand that a name and its value make of resources of a type; None if the name is unknown there."""
        if name.startswith("_has:"):
            return self._has(kind, name, value, steps, budget)
        first, dot, rest = name.partition(".")
        code, _, modifier = first.partition(":")
        parameter = parameters_of(kind).get(code)
        if parameter is None:
            return None
        if dot:
            return self._chain(kind, parameter, modifier, rest, value, steps, budget)
        return self._own(kind, parameter, modifier, value)

    def _of_each(self, name: str, value: str) -> Criterion | None:
        """The same of each of the types that are searched; None if one of them does not know the name."""
        found = dict[str, Criterion]()
        for kind in self.types:
            made = self._criterion(kind, name, value, MOST_STEPS, _Budget(_first(name)))
            if made is None:
                return None
            found[kind] = made
        return OfEach(name, tuple(map(plain, split(value, ","))), found) if found else None

    def _own(self, kind: str, parameter: Parameter, modifier: str, value: str) -> Criterion:
        name = f"{parameter.name}:{modifier}" if modifier else parameter.name
        if modifier and not _has_modifier(parameter, modifier):
            raise malformed(parameter.name, "a modifier that is unknown or not implemented")
        if modifier == "missing":
            return _missing(kind, parameter, value)
        values = tuple(split(value, ","))
        self.values += len(values)
        if self.values > MOST_VALUES:
            raise malformed(name, f"with it more than {MOST_VALUES} values")
        if not all(values):
            raise malformed(name, "an empty value")
        if parameter.type == "composite":
            return self._composite(kind, parameter, values)
        made = [self._made(parameter.type, parameter.name, each, modifier) for each in values]
        return valued(kind, parameter, modifier, tuple(map(plain, values)), made)

    def _made(self, kind: str, name: str, text: str, modifier: str = "") -> Made:
        """How one value of a parameter of this type is tested."""
        match kind:
            case "date":
                return moments.tests(name, text, self.now)
            case "number":
                return quantities.numbers(name, text)
            case "quantity":
                return quantities.quantities(name, text)
            case "string":
                return texts.strings(name, text, modifier)
            case "uri":
                return texts.uris(name, text, modifier)
            case "reference":
                return links.references(name, text, modifier, self.base)
        return tokens.tokens(name, text, modifier)

    def _composite(self, kind: str, parameter: Parameter, values: tuple[str, ...]) -> Composed:
        made = []
        for value in values:
            parts = split(value, "$")
            if len(parts) != len(parameter.parts) or not all(parts):
                raise malformed(parameter.name, f"not {len(parameter.parts)} values with $ between them")
            pairs = zip(parameter.parts, parts, strict=True)
            made.append([self._made(part.type, parameter.name, text) for part, text in pairs])
        return composed(kind, parameter, tuple(map(plain, values)), made)

    def _chain(
        self,
        kind: str,
        parameter: Parameter,
        modifier: str,
        rest: str,
        value: str,
        steps: int,
        budget: _Budget,
    ) -> Criterion | None:
        if parameter.type != "reference":
            return None
        if modifier and modifier not in parameter.targets:
            raise malformed(parameter.name, "a type that this parameter does not refer to")
        if not steps:
            raise malformed(parameter.name, f"a chain of more than {MOST_STEPS} steps")
        queries = {}
        for target in (modifier,) if modifier else parameter.targets:
            inner = self._sub(target, rest, value, steps - 1, budget)
            if inner is not None:
                queries[target] = inner
        if not queries:
            return None
        found = elements(kind, parameter.expression)
        return Chained(f"{parameter.name}.{rest}", tuple(map(plain, split(value, ","))), found, queries)

    def _sub(self, kind: str, name: str, value: str, steps: int, budget: _Budget) -> Query | None:
        """The query that is asked at the other end of a chain; None if the type has no such parameter."""
        code = _first(name)
        if code != "_has" and code not in parameters_of(kind):
            return None
        budget.spend()
        made = self._criterion(kind, name, value, steps, budget)
        return None if made is None else Query(kind, (made,))

    def _has(self, kind: str, name: str, value: str, steps: int, budget: _Budget) -> Criterion | None:
        _, other, link, rest = [*name.split(":", 3), "", "", ""][:4]
        parameter = parameters_of(other).get(link)
        if parameter is None or parameter.type != "reference" or not rest:
            return None
        if not steps:
            raise malformed("_has", f"a chain of more than {MOST_STEPS} steps")
        if kind not in parameter.targets and kind != EVERY_TYPE:
            raise malformed("_has", "a parameter that does not refer to this type")
        inner = self._sub(other, rest, value, steps - 1, budget)
        if inner is None:
            return None
        found = elements(other, parameter.expression)
        return Referred(name, tuple(map(plain, split(value, ","))), other, found, inner, self.base)


def _types(given: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """What ``_type`` names, each once."""
    listed = ",".join(value for name, value in given if name == "_type")
    return tuple(dict.fromkeys(each for each in listed.split(",") if each))


def named(name: str) -> str:
    """How a parameter is named to whoever gave it: by its name, if that can be one."""
    return name if _NAME.fullmatch(name) else _UNNAMED


def _first(name: str) -> str:
    """The parameter with which a name begins, without what a point or a colon adds."""
    return re.split("[.:]", name, maxsplit=1)[0]


def _has_modifier(parameter: Parameter, modifier: str) -> bool:
    return modifier in parameter.modifiers


def _missing(kind: str, parameter: Parameter, value: str) -> Missing:
    if value not in ("true", "false"):
        raise malformed(f"{parameter.name}:missing", "neither true nor false")
    finds = tuple(each.find for each in elements(kind, parameter.expression))
    return Missing(f"{parameter.name}:missing", (value,), finds, value == "true")
