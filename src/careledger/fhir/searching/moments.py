"""Dates as ranges of time: nanoseconds since the year 1 in UTC, both ends included."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import UTC, date, datetime
from typing import Any

from careledger.fhir.fhirpath.compiled import Scope
from careledger.fhir.searching.elements import Element
from careledger.fhir.searching.values import Compare, Made, Test, comparing, malformed, prefix_of

Span = tuple[int, int]
_DATE = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[ +-]\d\d:\d\d)?)?)?)?",
    re.ASCII,
)
_SECOND = 10**9
_MINUTE = 60 * _SECOND
_DAY = 1440 * _MINUTE
ALWAYS = 4_000_000 * _DAY  # later than any date that FHIR can write


def span(text: Any) -> Span | None:
    """From the first to the last nanosecond of a date as precisely as it is stated; None if it is no date.

    Without a zone it is UTC's (R4 search.html#date leaves that to the server). Minutes without seconds are taken, and a
    space for the plus of a zone, as which one arrives that was not escaped in an address.
    """
    found = _DATE.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        return None
    year, month, day = int(found[1]), int(found[2] or 1), int(found[3] or 1)
    if not (year and 1 <= month <= 12 and 1 <= day <= monthrange(year, month)[1]):
        return None
    first = date(year, month, day).toordinal() * _DAY
    if found[4]:
        return _moment(found, first)
    if found[3]:
        return first, first + _DAY - 1
    months = (month,) if found[2] else range(1, 13)
    return first, first + sum(monthrange(year, each)[1] for each in months) * _DAY - 1


def _moment(found: re.Match[str], day: int) -> Span | None:
    hour, minute, second, zone = int(found[4]), int(found[5]), int(found[6] or 0), found[8] or "Z"
    ahead = 0 if zone == "Z" else int(zone[0] + "1") * (int(zone[1:3]) * 60 + int(zone[4:]))
    if hour > 23 or minute > 59 or second > 60 or abs(ahead) > 14 * 60 or int(zone[-2:].strip("Z") or 0) > 59:
        return None
    fraction = found[7] or ""
    start = day + (hour * 60 + minute - ahead) * _MINUTE + second * _SECOND
    start += int(fraction.ljust(9, "0")) if fraction else 0
    length = 10 ** (9 - len(fraction)) if found[6] else _MINUTE
    return start, start + length - 1


def period(item: Any) -> Span | None:
    """The range of a Period: an end that is missing is open."""
    if not isinstance(item, dict):
        return None
    start, end = span(item.get("start")), span(item.get("end"))
    if start is None and end is None:
        return None
    return start[0] if start else -ALWAYS, end[1] if end else ALWAYS


def timing(item: Any) -> Span | None:
    """The outer limits of a Timing, from its events and the period that bounds it."""
    if not isinstance(item, dict):
        return None
    events, repeat = item.get("event"), item.get("repeat")
    found = [span(each) for each in events] if isinstance(events, list) else []
    found.append(period(repeat.get("boundsPeriod")) if isinstance(repeat, dict) else None)
    spans = [each for each in found if each]
    return (min(each[0] for each in spans), max(each[1] for each in spans)) if spans else None


SPANS = {"date": span, "dateTime": span, "instant": span, "Period": period, "Timing": timing}


def tests(name: str, text: str, now: datetime | None) -> Made:
    """Makes the test of a date parameter's value; ``now`` is what ``ap`` measures its tenth from."""
    prefix, stated = prefix_of(text)
    asked = asked_span(prefix, stated, now)
    if asked is None:
        raise malformed(name, "not a date")
    compare = comparing(prefix, *asked)
    return lambda element: _test(element, compare)


def asked_span(prefix: str, stated: str, now: datetime | None) -> Span | None:
    """The range that a date with that prefix is compared as; None for no date."""
    asked = span(stated)
    if asked is None or prefix != "ap" or now is None:
        return asked
    tenth = abs(_since(now) - asked[0]) // 10
    return asked[0] - tenth, asked[1] + tenth


def _test(element: Element, compare: Compare) -> Test | None:
    read = SPANS.get(element.type)
    if read is None:
        return None

    def asked(item: Any, scope: Scope) -> bool:
        found = read(item)
        return found is not None and compare(*found)

    return asked


def _since(now: datetime) -> int:
    """A moment as ``span`` counts; one without a zone is UTC's."""
    return span((now.replace(tzinfo=UTC) if now.tzinfo is None else now).isoformat())[0]  # type: ignore[index]


def since_of(text: str) -> int | None:
    """The second (unix) with which a moment begins; None for what is no date."""
    found = span(text)
    return None if found is None else (found[0] - _EPOCH) // _SECOND


_EPOCH = date(1970, 1, 1).toordinal() * _DAY
