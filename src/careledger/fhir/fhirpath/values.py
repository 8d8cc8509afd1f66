"""What FHIRPath sees of FHIR JSON: the children of an element, its value, and how values compare."""

from __future__ import annotations

import re
from collections.abc import Container
from datetime import date
from decimal import Decimal
from typing import Any

from careledger.fhir.json_text import Number

_MOMENT = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d):(\d\d(?:\.\d+)?)(Z|[+-]\d\d:\d\d))?)?)?", re.ASCII
)


class Bare(dict[str, Any]):
    """A primitive that has an id or extensions and no value."""


def plain(item: Any) -> Any:
    """A value as it compares: a number as a Decimal, everything else as it is."""
    return item.decimal if type(item) is Number else item


def has_value(item: Any) -> bool:
    """Whether this is a primitive with a value."""
    return type(item) in (str, bool, Number, Decimal, int)


def children(item: Any, name: str, choices: Container[str] = ()) -> list[Any]:
    """The children of one name; ``choices`` are the names that it has where its type is chosen."""
    if not isinstance(item, dict):
        return []
    if not choices or name in item:
        return _named(item, name)
    found = {key.removeprefix("_"): None for key in item if key.removeprefix("_") in choices}
    return [each for key in found for each in _named(item, key)]


def _named(item: dict[str, Any], name: str) -> list[Any]:
    found, beside = item.get(name), item.get(f"_{name}")
    if beside is None:
        return [] if found is None else list(found) if isinstance(found, list) else [found]
    return _with_beside(_listed(found), _listed(beside))


def _listed(found: Any) -> list[Any]:
    return found if isinstance(found, list) else [found]


def _with_beside(values: list[Any], beside: list[Any]) -> list[Any]:
    longest = max(len(values), len(beside))
    padded = (values + [None] * longest)[:longest]
    extras = (beside + [None] * longest)[:longest]
    pairs = zip(padded, extras, strict=True)
    made = [
        value if value is not None else Bare(extra) if isinstance(extra, dict) else None
        for value, extra in pairs
    ]
    return [each for each in made if each is not None]


def all_children(item: Any) -> list[Any]:
    """Everything one step below."""
    if not isinstance(item, dict):
        return []
    names = {name.removeprefix("_"): None for name in item if name != "resourceType"}
    return [each for name in names for each in _named(item, name)]


def descendants(item: Any) -> list[Any]:
    """Everything below."""
    made, level = [], [item]
    while level:
        level = [below for each in level for below in all_children(each)]
        made += level
    return made


def truth(items: list[Any]) -> bool | None:
    """A collection as a condition: one boolean is itself, one other thing is true, nothing is unknown."""
    if not items:
        return None
    return items[0] if len(items) == 1 and type(items[0]) is bool else True


def equal(left: list[Any], right: list[Any]) -> bool | None:
    """Whether two collections are equal; None if one of them is empty."""
    if not left or not right:
        return None
    return [plain(each) for each in left] == [plain(each) for each in right]


def distinct(items: list[Any]) -> list[Any]:
    """The items without repeats, in order."""
    made: list[Any] = []
    for each in map(plain, items):
        if each not in made:
            made.append(each)
    return made


def compared(left: list[Any], right: list[Any]) -> int | None:
    """-1, 0 or 1 as the left is smaller, equal or greater; None where that cannot be said."""
    if len(left) != 1 or len(right) != 1:
        return None
    one, other = plain(left[0]), plain(right[0])
    if isinstance(one, dict) and isinstance(other, dict):
        return _quantities(one, other)
    if isinstance(one, str) and isinstance(other, str):
        return _texts(one, other)
    if isinstance(one, (int, Decimal)) and isinstance(other, (int, Decimal)):
        return _order(one, other)
    return None


def _order(one: Any, other: Any) -> int:
    return int(one > other) - int(one < other)


def _quantities(one: dict[str, Any], other: dict[str, Any]) -> int | None:
    """Quantities of one unit; units are not converted."""
    if any(one.get(name) != other.get(name) for name in ("system", "code", "unit")):
        return None
    return compared([one.get("value")], [other.get("value")])


def _texts(one: str, other: str) -> int | None:
    if len(one) == len(other) and one[10:11] == other[10:11] == "T" and one[19:] == other[19:]:
        return _order(one, other)  # two moments of one precision and zone
    first, second = _MOMENT.fullmatch(one), _MOMENT.fullmatch(other)
    if first is None or second is None:
        return _order(one, other)
    if first[4] and second[4]:
        return _order(_instant(first), _instant(second))
    # Without a time there is no zone: only what both state can be compared, and equal so far is not known.
    shared = min(len(one), len(other), 10)
    found = _order(one[:shared], other[:shared])
    return found if found or len(one) == len(other) else None


def _instant(found: re.Match[str]) -> tuple[int, Decimal]:
    """Minutes since the year 0 in UTC, and seconds; raises ValueError for a day that does not exist."""
    zone = found[7]
    offset = 0 if zone == "Z" else int(zone[0] + "1") * (int(zone[1:3]) * 60 + int(zone[4:]))
    day = date(int(found[1]), int(found[2]), int(found[3])).toordinal()
    return day * 1_440 + int(found[4]) * 60 + int(found[5]) - offset, Decimal(found[6])
