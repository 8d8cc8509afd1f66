"""Times as people type them: ``2026-12-31``, ``2026-12-31T18:00``, ``30d``, ``2h``, ``now``; all in UTC."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

import typer

FORMS = "a day (2026-12-31), a minute (2026-12-31T18:00), a time from now (45m, 2h, 30d, 6w, 1y), or now"
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400, "y": 365 * 86_400}
_DURATION = re.compile(r"(\d{1,9})([smhdwy])")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")


def duration(said: str, option: str) -> int:
    """Seconds of ``90s``, ``45m``, ``2h``, ``30d``, ``6w``, ``1y``, or 0; raises BadParameter."""
    found = _DURATION.fullmatch(said.strip())
    if said.strip() == "0":
        return 0
    if found is None:
        raise typer.BadParameter(
            f"{said!r} is no length of time; write 45m, 2h, 30d, 6w or 1y", param_hint=option
        )
    return int(found[1]) * _SECONDS[found[2]]


def start(said: str, now: int, option: str = "--from") -> int:
    """Unix seconds at which something begins: a day begins at its first second; raises BadParameter."""
    return _moment(said, now, option, whole_day=False)


def end(said: str, now: int, option: str = "--until") -> int:
    """Unix seconds until before which something lasts: a day is included whole; raises BadParameter."""
    return _moment(said, now, option, whole_day=True)


def month(said: str, option: str) -> str:
    """``YYYY-MM`` as it is; raises BadParameter for anything else."""
    if not _MONTH.fullmatch(said):
        raise typer.BadParameter(f"{said!r} is no month; write 2026-01", param_hint=option)
    return said


def day_text(said: str, option: str) -> str:
    """A date with its precision (``2026``, ``2026-01``, ``2026-01-31``) as it is; raises BadParameter.

    What was typed is not repeated: it may be a birth date.
    """
    padded = said + "2000-01-01"[len(said) :] if len(said) in (4, 7) else said
    try:
        if not _DAY.fullmatch(padded):
            raise ValueError
        return said if date.fromisoformat(padded) else ""
    except ValueError:
        raise typer.BadParameter(
            "this is no date; write 1979-02-27, 1979-02 or 1979", param_hint=option
        ) from None


def _moment(said: str, now: int, option: str, whole_day: bool) -> int:
    text = said.strip()
    if text == "now":
        return now
    if _DURATION.fullmatch(text):
        return now + duration(text, option)
    try:
        if not _DAY.match(text):
            raise ValueError
        found = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{said!r} is no time; write {FORMS}", param_hint=option) from None
    found = found.replace(tzinfo=UTC) if found.tzinfo is None else found
    if whole_day and len(text) == 10:
        found += timedelta(days=1)
    return int(found.timestamp())
