"""Periods of a Consent as windows of seconds and as whole clinical months."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import UTC, date, datetime
from typing import Any

from careledger.fhir.consent.agreed import refused
from careledger.fhir.dates import is_date
from careledger.fhir.searching.moments import span

Months = tuple[str | None, str | None]
SECOND = 10**9
LAST = 253_402_300_799
"""The last second that a year of four digits has."""
EPOCH = date(1970, 1, 1).toordinal() * 86_400
_DAY = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?", re.ASCII)


def seconds(text: Any, path: str) -> tuple[int, int]:
    """The first unix second of a date and the first after it; without a zone it is UTC's. Raises CannotExpress."""
    found = span(text) if isinstance(text, str) and is_date(text) else None
    if found is None:
        raise refused(path, "not a date")
    if found[0] % SECOND or (found[1] + 1) % SECOND:
        raise refused(path, "finer than a second")
    return found[0] // SECOND - EPOCH, (found[1] + 1) // SECOND - EPOCH


def instant(second: int) -> str:
    """A unix second as a FHIR instant; raises CannotExpress for one after the year 9999."""
    if second > LAST:
        raise refused("provision.period", "later than the year 9999")
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def months(period: dict[str, Any], path: str) -> Months:
    """The first and the last month of a period of whole months; raises CannotExpress for any other."""
    start, end = period.get("start"), period.get("end")
    if start is None and end is None:
        raise refused(path, "neither start nor end")
    first = None if start is None else _month(start, f"{path}.start", last=False)
    last = None if end is None else _month(end, f"{path}.end", last=True)
    if first is not None and last is not None and first > last:
        raise refused(path, "it ends before it starts")
    return first, last


def _month(text: Any, path: str, last: bool) -> str:
    found = _DAY.fullmatch(text) if isinstance(text, str) and is_date(text) else None
    if found is None:
        raise refused(path, "not a day, a month or a year")
    year, month, day = found[1], found[2] or ("12" if last else "01"), found[3]
    edge = monthrange(int(year), int(month))[1] if last else 1
    if day is not None and int(day) != edge:
        raise refused(path, "the ledger keeps clinical months, so a period of days cannot be carried")
    return f"{year}-{month}"


def outside(inner: Months) -> list[Months]:
    """What lies before and after a period; a record whose month is unknown lies in neither."""
    first, last = inner
    parts: list[Months] = []
    if first is not None and first > "0001-01":
        parts.append((None, _moved(first, -1)))
    if last is not None and last < "9999-12":
        parts.append((_moved(last, 1), None))
    return parts


def shared(one: Months, other: Months) -> Months | None:
    """The months that lie in both; None if there are none."""
    first = max((each for each in (one[0], other[0]) if each is not None), default=None)
    last = min((each for each in (one[1], other[1]) if each is not None), default=None)
    return None if first is not None and last is not None and first > last else (first, last)


def _moved(month: str, by: int) -> str:
    count = int(month[:4]) * 12 + int(month[5:]) - 1 + by
    return f"{count // 12:04d}-{count % 12 + 1:02d}"
