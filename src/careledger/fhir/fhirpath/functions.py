"""FHIRPath's functions over collections, as far as R4's invariants and search parameters use them."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from careledger.fhir.fhirpath.values import all_children, descendants, distinct, has_value, plain, truth

Items = list[Any]
Inner = Callable[[Any, Any], Items]
_WHOLE = re.compile(r"[+-]?\d{1,20}", re.ASCII)


def with_condition(name: str, given: list[Inner]) -> Callable[[Items, Any], Items] | None:
    """The functions whose arguments are asked of each item, not of the whole; None for the others."""
    if name == "iif" and len(given) in (2, 3):
        return _choice(given)
    if len(given) != 1:
        return None
    made = _CONDITIONED.get(name)
    return made(given[0]) if made else None


def _choice(given: list[Inner]) -> Callable[[Items, Any], Items]:
    def chosen(items: Items, scope: Any) -> Items:
        this = items[0] if items else None
        if truth(given[0](this, scope)):
            return given[1](this, scope)
        return given[2](this, scope) if len(given) == 3 else []

    return chosen


def _where(condition: Inner) -> Callable[[Items, Any], Items]:
    return lambda items, scope: [each for each in items if truth(condition(each, scope)) is True]


def _select(inner: Inner) -> Callable[[Items, Any], Items]:
    return lambda items, scope: [found for each in items for found in inner(each, scope)]


def _all(condition: Inner) -> Callable[[Items, Any], Items]:
    return lambda items, scope: [all(truth(condition(each, scope)) is not False for each in items)]


def _exists(condition: Inner) -> Callable[[Items, Any], Items]:
    return lambda items, scope: [any(truth(condition(each, scope)) is True for each in items)]


_CONDITIONED = {"where": _where, "select": _select, "all": _all, "exists": _exists}


def _text(items: Items) -> str | None:
    return items[0] if len(items) == 1 and isinstance(items[0], str) else None


def _of_text(answer: Callable[..., Any]) -> Callable[..., Items]:
    """A function of one text and its arguments; of anything else it gives nothing."""

    def asked(items: Items, *arguments: Items) -> Items:
        text = _text(items)
        given = [plain(each[0]) for each in arguments if each]
        return [] if text is None or len(given) != len(arguments) else [answer(text, *given)]

    return asked


def _substring(text: str, start: Decimal, length: Decimal | None = None) -> str:
    return text[int(start) :] if length is None else text[int(start) :][: int(length)]


def _whole(items: Items) -> Items:
    found = plain(items[0]) if len(items) == 1 else None
    if isinstance(found, str):
        return [Decimal(found)] if _WHOLE.fullmatch(found) else []
    return [found] if isinstance(found, (int, Decimal)) and found == int(found) else []


def _as_text(items: Items) -> Items:
    if len(items) != 1:
        return []
    found = items[0]
    return [getattr(found, "text", found)] if has_value(found) else []


FUNCTIONS: dict[str, Callable[..., Items]] = {
    "exists": lambda items: [bool(items)],
    "empty": lambda items: [not items],
    "not": lambda items: [not truth(items)] if items else [],
    "hasValue": lambda items: [len(items) == 1 and has_value(items[0])],
    "count": lambda items: [Decimal(len(items))],
    "first": lambda items: items[:1],
    "skip": lambda items, count: items[int(plain(count[0])) :] if count else [],
    "tail": lambda items: items[1:],
    "distinct": distinct,
    "isDistinct": lambda items: [len(distinct(items)) == len(items)],
    "combine": lambda items, others: items + others,
    "intersect": lambda items, others: [each for each in distinct(items) if each in distinct(others)],
    "allFalse": lambda items: [all(each is False for each in items)],
    "children": lambda items: [below for each in items for below in all_children(each)],
    "descendants": lambda items: [below for each in items for below in descendants(each)],
    "trace": lambda items, *said: items,
    "matches": _of_text(lambda text, pattern: bool(re.fullmatch(pattern, text))),
    "replaceMatches": _of_text(lambda text, pattern, other: re.sub(pattern, other, text)),
    "startsWith": _of_text(str.startswith),
    "contains": _of_text(lambda text, part: part in text),
    "length": _of_text(len),
    "substring": _of_text(_substring),
    "toInteger": _whole,
    "toString": _as_text,
}
