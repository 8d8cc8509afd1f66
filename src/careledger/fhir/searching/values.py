"""What a search value is made of: escapes, prefixes, and the ranges that ordered values stand for."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Context, Decimal
from typing import Any

from careledger.domain.errors import SearchRefused
from careledger.fhir.fhirpath.compiled import Scope
from careledger.fhir.searching.elements import Element

# Whether one value of a resource is what was asked for, and how to make that test for an element of one type: None
# where the element's type has nothing to compare.
Test = Callable[[Any, Scope], bool]
Made = Callable[[Element], Test | None]
Compare = Callable[[Any, Any], bool]

_NUMBER = re.compile(r"[+-]?\d{1,40}(\.\d{1,40})?([eE][+-]?\d{1,3})?", re.ASCII)
_PREFIX = re.compile(r"(?:eq|ne|gt|lt|ge|le|sa|eb|ap)(?=[-+\d])")
_ESCAPED = re.compile(r"\\([,$|\\])")
_EXACT = Context(prec=1200)
INFINITE = Decimal("Infinity")


def malformed(name: str, problem: str) -> SearchRefused:
    """The refusal of one parameter; what was asked stays out of it."""
    return SearchRefused(path=name, problem=problem)


def split(text: str, sign: str) -> list[str]:
    """The parts between the signs that no backslash precedes; escapes stay in them."""
    if "\\" not in text:
        return text.split(sign)
    made, start, at = [], 0, 0
    while at < len(text):
        if text[at] == sign:
            made.append(text[start:at])
            start = at + 1
        at += 2 if text[at] == "\\" else 1
    return [*made, text[start:]]


def plain(text: str) -> str:
    """A part without its escapes (R4 search.html#escaping)."""
    return _ESCAPED.sub(r"\1", text) if "\\" in text else text


def prefix_of(text: str) -> tuple[str, str]:
    """The prefix of an ordered value, "eq" if none stands there, and the rest."""
    found = _PREFIX.match(text)
    return (found[0], text[2:]) if found else ("eq", text)


def number_of(text: str) -> Decimal | None:
    """A number as FHIR writes it, at most forty digits before and after the point; else None."""
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def precision_of(text: str) -> Decimal:
    """Half of the last digit that was written: 100 means 99.5 to 100.5.

    With an exponent and no point the mantissa counts as one with one decimal, so that 1e2 means 95 to 105 as R4's
    example has it.
    """
    found = Decimal(text).as_tuple().exponent
    exponent = found if isinstance(found, int) else 0
    if "." not in text and "e" in text.lower():
        exponent -= 1
    return Decimal(5).scaleb(exponent - 1, _EXACT)


def comparing(prefix: str, low: Any, high: Any) -> Compare:
    """The test of a prefix against the range of a value, both ends included (R4 search.html#prefix).

    What lies above a value begins where its range ends for ``gt``, and where its range begins for ``ge``.
    """

    def equal(first: Any, last: Any) -> bool:
        return bool(low <= first and last <= high)

    tests: dict[str, Compare] = {
        "eq": equal,
        "ne": lambda first, last: not equal(first, last),
        "gt": lambda first, last: last > high,
        "lt": lambda first, last: first < low,
        "ge": lambda first, last: last >= low,
        "le": lambda first, last: first <= high,
        "sa": lambda first, last: first > high,
        "eb": lambda first, last: last < low,
        "ap": lambda first, last: first <= high and low <= last,
    }
    return tests[prefix]


def number_range(prefix: str, text: str) -> Compare | None:
    """The test of a number; its ends are pairs of a number and -1, 0 or 1 for just below it, at it, just above it.

    Only ``eq`` and ``ne`` regard the precision; ``ap`` is within a tenth (R4 search.html#number).
    """
    found = number_bounds(prefix, text)
    if found is None:
        return None
    return comparing(prefix, (found[0], 0), (found[1], -1 if prefix in ("eq", "ne") else 0))


def number_bounds(prefix: str, text: str) -> tuple[Decimal, Decimal] | None:
    """From where to where a number with that prefix reaches, its precision or tenth regarded; None for no number."""
    value = number_of(text)
    if value is None:
        return None
    width = Decimal(0)
    if prefix in ("eq", "ne"):
        width = precision_of(text)
    elif prefix == "ap":
        width = _EXACT.divide(abs(value), Decimal(10))
    return _EXACT.subtract(value, width), _EXACT.add(value, width)
