"""Moments as RFC 3339 has them, in UTC, as every answer writes them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated

from msgspec import Meta

from careledger.fhir.consent.times import LAST

Moment = Annotated[
    str,
    Meta(
        description="RFC 3339, in UTC.",
        extra_json_schema={"format": "date-time"},
        examples=["2026-05-04T09:30:00Z"],
    ),
]


def is_day(text: str, now: int) -> bool:
    """Whether a year, a month or a day is one of the calendar that has come; it is tomorrow already east of here."""
    tomorrow = moment(now + 24 * 3600)[:10]
    try:
        date.fromisoformat(text + "-01-01"[len(text) - 4 :])
    except ValueError:
        return False
    return text <= tomorrow


def moment(seconds: int) -> str:
    """Unix seconds in words; what is later than the year 9999 as its end."""
    return datetime.fromtimestamp(min(seconds, LAST), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
