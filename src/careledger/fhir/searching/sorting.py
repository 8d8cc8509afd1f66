"""The order that ``_sort`` asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from careledger.fhir.fhirpath.compiled import Scope
from careledger.fhir.fhirpath.naming import Resolve, text_of
from careledger.fhir.json_text import Resource
from careledger.fhir.references import Form, taken_apart
from careledger.fhir.searching.elements import Element
from careledger.fhir.searching.moments import SPANS
from careledger.fhir.searching.quantities import RANGES
from careledger.fhir.searching.texts import normal, texts
from careledger.fhir.searching.tokens import pairs

Order = Callable[[Element, Any], list[Any]]


@dataclass(frozen=True, slots=True)
class Key:
    """One name of ``_sort``: of a parameter's type ``kind``, descending if a hyphen stood before it."""

    name: str
    kind: str
    descending: bool
    elements: tuple[Element, ...]


def sortable(kind: str) -> bool:
    """Whether a parameter of this type has an order."""
    return kind in _ORDERS


def in_order(resources: Iterable[Resource], keys: tuple[Key, ...], resolve: Resolve) -> list[Resource]:
    """By the first key, then the next; of several values of one resource the one that comes first in the order
    counts, and a resource without a value comes last (R4 search.html#sort)."""
    made = list(resources)
    for key in reversed(keys):
        valued = [(value, each) for each in made if (value := _value(key, each, resolve)) is not None]
        without = [each for each in made if _value(key, each, resolve) is None]
        valued.sort(key=lambda pair: pair[0], reverse=key.descending)
        made = [each for _, each in valued] + without
    return made


def _value(key: Key, resource: Resource, resolve: Resolve) -> Any:
    scope = Scope(resource, resource, resource, resolve)
    values = [
        found
        for element in key.elements
        for item in element.find(resource, scope)
        for found in values_in_order(key.kind, element, item)
    ]
    return ends(values)[key.descending] if values else None


def values_in_order(kind: str, element: Element, item: Any) -> list[Any]:
    """What a value of a parameter of this type is ordered by: texts, or pairs of where a range begins and ends."""
    return _ORDERS[kind](element, item)


def ends(values: list[Any]) -> tuple[Any, Any]:
    """Of several values of one resource what counts in ascending order, and what does in descending order."""
    if isinstance(values[0], tuple):
        return min(each[0] for each in values), max(each[1] for each in values)
    return min(values), max(values)


def _spans(element: Element, item: Any) -> list[Any]:
    read = SPANS.get(element.type)
    found = read(item) if read else None
    return [found] if found else []


def _ranges(element: Element, item: Any) -> list[Any]:
    read = RANGES.get(element.type)
    found = read(item, None) if read else None
    return [found] if found else []


def _named(element: Element, text: str) -> str:
    """The id that a Reference names: whether its reader sees what it leads to, and so its type, makes no difference.
    Of what names none, and of a canonical, the text."""
    taken = taken_apart(text) if element.type == "Reference" else None
    if taken is None:
        return text
    if taken.form is Form.UUID:
        return text.removeprefix("urn:uuid:")
    return taken.id if taken.form in (Form.RELATIVE, Form.ABSOLUTE) else text


_ORDERS: dict[str, Order] = {
    "date": _spans,
    "number": _ranges,
    "quantity": _ranges,
    "string": lambda element, item: [normal(each) for each in texts(element, item)],
    "token": lambda element, item: [code.casefold() for _, code in pairs(item)],
    "reference": lambda element, item: [_named(element, text)] if (text := text_of(item)) else [],
    "uri": lambda element, item: [item] if isinstance(item, str) else [],
}
