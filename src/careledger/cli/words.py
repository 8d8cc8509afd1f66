"""How values are written for people and for machines: text without tricks, times, identifiers, JSON."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

NONE = "–"
_TRICKS = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_JOINERS = "\u200c\u200d"  # Bengali and Nepali are written with them


def plain(value: object) -> str:
    """A value as text that cannot steer a terminal: controls and direction marks are shown as U+FFFD.

    Records come from other organisations, so whatever they hold is shown, never obeyed.
    """
    return "".join(_shown(sign) for sign in str(value))


def _shown(sign: str) -> str:
    if sign == "\n" or sign in _JOINERS or unicodedata.category(sign) not in _TRICKS:
        return sign
    return "\N{REPLACEMENT CHARACTER}"


def moment(seconds: int) -> str:
    """Unix seconds as UTC to the second, as RFC 3339 writes it; a dash for 0."""
    if not seconds:
        return NONE
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def minute(seconds: int) -> str:
    """Unix seconds as UTC to the minute, for tables; a dash for 0."""
    return moment(seconds)[:16].replace("T", " ") if seconds else NONE


def day(seconds: int) -> str:
    """Unix seconds as a day in UTC."""
    return moment(seconds)[:10]


def counted(count: int, one: str, many: str = "") -> str:
    """A number with its noun: ``1 record``, ``2 records``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def listed(words: Sequence[str]) -> str:
    """Words with commas, a dash for none."""
    return ", ".join(words) or NONE


Facts = dict[str, Any]
"""What a command found, as it stands in its ``--json`` output: names, numbers, hex, RFC 3339 times."""
