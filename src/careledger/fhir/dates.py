"""FHIR dates: real days only, and the clinical month."""

from __future__ import annotations

import re
from calendar import monthrange

from careledger.fhir.json_text import Resource
from careledger.fhir.paths import first_at

_DATE = re.compile(
    r"(?P<year>\d{4})(-(?P<month>\d\d)(-(?P<day>\d\d)"
    r"(T(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)(\.\d{1,9})?"
    r"(Z|[+-](?P<zone_hour>\d\d):(?P<zone_minute>\d\d)))?)?)?",
    re.ASCII,
)
# fmt: off
# When the thing happened is asked before when it was written down.
CLINICAL = (
    "effectiveDateTime", "effectivePeriod.start", "effectiveInstant", "effectiveTiming.event",
    "performedDateTime", "performedPeriod.start", "occurrenceDateTime", "occurrencePeriod.start",
    "onsetDateTime", "onsetPeriod.start", "started", "period.start", "billablePeriod.start",
    "servicedDate", "servicedPeriod.start", "whenHandedOver", "whenPrepared", "authoredOn", "startDate",
    "createdDateTime", "createdPeriod.start", "collection.collectedDateTime", "context.period.start",
    "recordedDate", "assertedDate", "dateAsserted", "dateTime", "detected", "date", "start",
    "sent", "issued", "created", "recorded", "timingDateTime", "timingPeriod.start", "statusDate",
)
# fmt: on
_CLINICAL_HEADS = tuple((path.partition(".")[0], path) for path in CLINICAL)


def is_date(text: str) -> bool:
    """Whether this is a FHIR date, dateTime or instant of a day that exists (R4 datatypes)."""
    found = _DATE.fullmatch(text)
    if not found:
        return False
    part = {name: int(value) for name, value in found.groupdict().items() if value}
    year, month = part["year"], part.get("month", 1)
    return (
        year > 0
        and 1 <= month <= 12
        and 1 <= part.get("day", 1) <= monthrange(year, month)[1]
        and part.get("hour", 0) <= 23
        and part.get("minute", 0) <= 59
        and part.get("second", 0) <= 60
        and part.get("zone_hour", 0) <= 14
        and part.get("zone_minute", 0) <= 59
    )


def clinical_date(resource: Resource) -> str | None:
    """When what the resource states happened, as written; None if it does not say."""
    for head, path in _CLINICAL_HEADS:
        found = first_at(resource, path) if head in resource else None
        if isinstance(found, str) and is_date(found):
            return found
    return None


def month_of(date: str | None) -> str | None:
    """``YYYY-MM`` of a date of at least that precision, in the date's own zone; else None."""
    return date[:7] if date and len(date) >= 7 else None
