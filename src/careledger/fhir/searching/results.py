"""The parameters that say what is wanted back, not what is looked for: order, number, includes, views."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from careledger.fhir.definitions.tables import resource_types
from careledger.fhir.searching.criteria import Criterion
from careledger.fhir.searching.elements import Element, elements
from careledger.fhir.searching.parameters import EVERY_TYPE, Parameter, parameters_of
from careledger.fhir.searching.query import Include, Query
from careledger.fhir.searching.sorting import Key, sortable
from careledger.fhir.searching.subsets import UNNARROWED, Subset
from careledger.fhir.searching.values import malformed

MOST_COUNT = 2**31 - 1
_ELEMENT = re.compile(r"[a-z][A-Za-z0-9]{0,63}")
_CHOICES = {
    "_summary": ("true", "text", "data", "count", "false"),
    "_total": ("none", "estimate", "accurate"),
    "_pretty": ("true", "false"),
    "_contained": ("false",),
}
_INCLUDES = {"_include": "includes", "_revinclude": "revincludes"}


class Wanted:
    """The result parameters of one search in the making."""

    def __init__(self, resource_type: str, base: str) -> None:
        self._type = resource_type
        self._base = base
        self._found: dict[str, Any] = {}
        self.ignored: list[str] = []

    def take(self, name: str, value: str) -> bool:
        """Take this one if it is a result parameter; raises SearchRefused."""
        plain, _, modifier = name.partition(":")
        if plain in _INCLUDES:
            self._include(plain, modifier, value)
            return True
        reader = _READERS.get(name)
        if reader is None:
            return False
        if name in self._found:
            raise malformed(name, "given twice")
        self._found[name] = reader(self, name, value)
        return True

    def query(self, criteria: tuple[Criterion, ...], ignored: tuple[str, ...]) -> Query:
        """The query with these demands; raises SearchRefused for wishes that R4 does not let go together."""
        found = self._found
        subset = Subset(found.get("_summary", ""), found.get("_elements", ()))
        _check_together(subset, bool(found.get("includes") or found.get("revincludes")))
        return Query(
            resource_type=self._type,
            criteria=criteria,
            ignored=(*ignored, *self.ignored),
            sort=found.get("_sort", ()),
            count=found.get("_count"),
            includes=tuple(found.get("includes", ())),
            revincludes=tuple(found.get("revincludes", ())),
            subset=subset,
            total=found.get("_total", ""),
            format=found.get("_format", ""),
            pretty=found.get("_pretty") == "true",
            types=found.get("_type", ()),
            base=self._base,
        )

    def _choice(self, name: str, value: str) -> str:
        if name == "_contained" and value in ("true", "both"):
            self.ignored.append(name)
            return value
        return one_of(name, value)

    def _count(self, name: str, value: str) -> int:
        if not (value.isascii() and value.isdigit() and len(value) <= 10 and int(value) <= MOST_COUNT):
            raise malformed(name, "not a number of resources")
        return int(value)

    def _elements(self, name: str, value: str) -> tuple[str, ...]:
        return names_of_elements(name, value)

    def _format(self, name: str, value: str) -> str:
        if not value or len(value) > 100 or not value.isprintable():
            raise malformed(name, "not a media type")
        return value

    def _types(self, name: str, value: str) -> tuple[str, ...]:
        made = tuple(value.split(","))
        if self._type != EVERY_TYPE:
            self.ignored.append(name)
        elif not set(made) <= resource_types():
            raise malformed(name, "not a resource type of R4")
        return made

    def _sort(self, name: str, value: str) -> tuple[Key, ...]:
        keys = [self._key(each) for each in value.split(",")]
        if None in keys:
            self.ignored.append(name)
            return ()
        return tuple(each for each in keys if each)

    def _key(self, text: str) -> Key | None:
        code = text.removeprefix("-")
        parameter = parameters_of(self._type).get(code)
        if not code:
            raise malformed("_sort", "an empty name")
        if parameter is None or not sortable(parameter.type):
            return None
        found = elements(self._type, parameter.expression)
        return Key(code, parameter.type, text != code, found)

    def _include(self, name: str, modifier: str, value: str) -> None:
        made = self._included(name, value, modifier == "iterate") if modifier in ("", "iterate") else []
        if not made:
            self.ignored.append(f"{name}:{modifier}" if modifier else name)
        self._found.setdefault(_INCLUDES[name], []).extend(made)

    def _included(self, name: str, value: str, iterate: bool) -> list[Include]:
        """One include; nothing if the parameter that it names is unknown."""
        source, _, rest = value.partition(":")
        if value == "*":
            source, rest = self._type, "*"
        code, _, target = rest.partition(":")
        known = {*resource_types(), self._type}
        if source not in known or not code or (target and target not in known):
            raise malformed(name, "not Type:parameter or Type:parameter:Type")
        links = _links(source, code)
        return [Include(source, code, target, iterate, links, self._base)] if links else []


def one_of(name: str, value: str) -> str:
    """The value of a parameter that has but few; raises SearchRefused."""
    if value not in _CHOICES[name]:
        raise malformed(name, f"none of {', '.join(_CHOICES[name])}")
    return value


def names_of_elements(name: str, value: str) -> tuple[str, ...]:
    """The names in ``_elements``; raises SearchRefused."""
    made = tuple(value.split(","))
    if not all(_ELEMENT.fullmatch(each) for each in made):
        raise malformed(name, "not the names of elements")
    return made


def subset_of(given: Sequence[tuple[str, str]]) -> Subset:
    """How much is wanted where no search is made, in a read for example; raises SearchRefused."""
    found = {name: value for name, value in given if value and name in ("_summary", "_elements")}
    summary = one_of("_summary", found["_summary"]) if "_summary" in found else ""
    if summary == "count":
        raise malformed("_summary", "only a search counts")
    elements = names_of_elements("_elements", found["_elements"]) if "_elements" in found else ()
    subset = Subset(summary, elements)
    _check_together(subset, False)
    return subset


def _check_together(subset: Subset, including: bool) -> None:
    """R4 search.html#summary: a summary of the text alone brings nothing along."""
    if subset.summary == "text" and including:
        raise malformed("_summary", "text goes without _include and _revinclude")
    if subset.summary not in UNNARROWED and subset.elements:
        raise malformed("_summary", "goes without _elements")


def _links(source: str, code: str) -> tuple[Element, ...]:
    found: dict[str, Parameter] = dict(parameters_of(source))
    chosen = found.values() if code == "*" else [found[code]] if code in found else []
    named = [each for each in chosen if each.type == "reference"]
    return tuple(element for each in named for element in elements(source, each.expression))


_READERS: dict[str, Any] = {
    **dict.fromkeys(_CHOICES, Wanted._choice),
    "_count": Wanted._count,
    "_elements": Wanted._elements,
    "_format": Wanted._format,
    "_type": Wanted._types,
    "_sort": Wanted._sort,
}
