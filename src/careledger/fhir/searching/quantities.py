"""Numbers, and quantities with their units; units are compared as written and not converted."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from careledger.fhir.fhirpath.compiled import Scope
from careledger.fhir.json_text import Number
from careledger.fhir.searching.values import (
    INFINITE,
    Compare,
    Made,
    Test,
    malformed,
    number_of,
    number_range,
    plain,
    prefix_of,
    split,
)

End = tuple[Decimal, int]
Range = tuple[End, End]
MOST_SAMPLES = 100_000
_LOWEST, _HIGHEST = (-INFINITE, 0), (INFINITE, 0)
_CURRENCIES = "urn:iso:std:iso:4217"


def numbers(name: str, text: str) -> Made:
    """Makes the test of a number parameter's value."""
    compare = number_range(*prefix_of(text))
    if compare is None:
        raise malformed(name, "not a number")
    return lambda element: _tested(_NUMBERS.get(element.type), compare, None)


def quantities(name: str, text: str) -> Made:
    """Makes the test of a quantity parameter's value: ``number``, ``number|system|code`` or ``number||code``."""
    stated, *unit = [plain(each) for each in split(text, "|")]
    compare = number_range(*prefix_of(stated))
    if compare is None or len(unit) not in (0, 2):
        raise malformed(name, "not a quantity")
    asked = _unit(*unit) if any(unit) else None
    return lambda element: _tested(_QUANTITIES.get(element.type), compare, asked)


Unit = Callable[[dict[str, Any]], bool]
Reader = Callable[[Any, Unit | None], Range | None]


def _unit(system: str, code: str) -> Unit:
    def asked(item: dict[str, Any]) -> bool:
        if "currency" in item:
            return system in ("", _CURRENCIES) and code in ("", item["currency"])
        if system:
            return item.get("system") == system and code in ("", item.get("code"))
        return code in (item.get("code"), item.get("unit"))

    return asked


def _tested(read: Reader | None, compare: Compare, unit: Unit | None) -> Test | None:
    if read is None:
        return None

    def asked(item: Any, scope: Scope) -> bool:
        found = read(item, unit)
        return found is not None and compare(*found)

    return asked


def number(item: Any, unit: Unit | None = None) -> Range | None:
    """A number as a range without width."""
    return ((item.decimal, 0), (item.decimal, 0)) if isinstance(item, Number) else None


def quantity(item: Any, unit: Unit | None = None) -> Range | None:
    """A quantity's number; one that is "<5" is all below five."""
    value = item.get("value") if isinstance(item, dict) else None
    if not isinstance(value, Number) or (unit and not unit(item)):
        return None
    found, sign = value.decimal, item.get("comparator")
    ranges: dict[object, Range] = {
        "<": (_LOWEST, (found, -1)),
        "<=": (_LOWEST, (found, 0)),
        ">": ((found, 1), _HIGHEST),
        ">=": ((found, 0), _HIGHEST),
    }
    return ranges.get(sign if isinstance(sign, str) else "", ((found, 0), (found, 0)))


def bounds(item: Any, unit: Unit | None = None) -> Range | None:
    """A Range from its low to its high; an end that is missing is open."""
    if not isinstance(item, dict):
        return None
    low, high = quantity(item.get("low"), unit), quantity(item.get("high"), unit)
    if low is None and high is None:
        return None
    return low[0] if low else _LOWEST, high[1] if high else _HIGHEST


def samples(item: Any, unit: Unit | None = None) -> Range | None:
    """SampledData from its least to its greatest value, in the unit of its origin."""
    origin = quantity(item.get("origin"), unit) if isinstance(item, dict) else None
    data = item.get("data") if origin else None
    if origin is None or not isinstance(data, str):
        return None
    factor = item["factor"].decimal if isinstance(item.get("factor"), Number) else Decimal(1)
    found = [number_of(each) for each in data.split(maxsplit=MOST_SAMPLES)[:MOST_SAMPLES]]
    values = [origin[0][0] + each * factor for each in found if each is not None]
    return ((min(values), 0), (max(values), 0)) if values else None


_NUMBERS: dict[str, Reader] = {"integer": number, "decimal": number, "Range": bounds}
_QUANTITIES: dict[str, Reader] = {
    **dict.fromkeys(("Quantity", "Age", "Duration", "Money"), quantity),
    "Range": bounds,
    "SampledData": samples,
}
RANGES = _NUMBERS | _QUANTITIES
