"""Moments as RFC 3339 has them, in UTC, as every answer writes them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from msgspec import Meta

Moment = Annotated[
    str,
    Meta(
        description="RFC 3339, in UTC.",
        extra_json_schema={"format": "date-time"},
        examples=["2026-05-04T09:30:00Z"],
    ),
]


def moment(seconds: int) -> str:
    """Unix seconds in words."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
