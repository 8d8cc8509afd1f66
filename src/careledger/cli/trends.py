"""What was measured over time: one line of blocks for each kind of number that was measured more than once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal

from careledger.cli.screen import Screen
from careledger.cli.words import Facts
from careledger.domain.errors import FhirRefused
from careledger.fhir.export import resource_of
from careledger.fhir.search import Measured, measured
from careledger.workflows.retrieve import Record

BLOCKS = "▁▂▃▄▅▆▇█"
WIDEST = 40


def trends(records: Iterable[Record]) -> list[Facts]:
    """Each kind of number with its points, oldest first; kinds measured once are left out."""
    series: dict[tuple[str, str], list[Measured]] = defaultdict(list)
    for record in records:
        try:
            found = list(measured(resource_of(record.body)))
        except FhirRefused:
            continue
        for each in found:
            series[each.what, each.unit].append(each)
    return [_facts(what, unit, points) for (what, unit), points in sorted(series.items()) if len(points) > 1]


def _facts(what: str, unit: str, points: list[Measured]) -> Facts:
    points.sort(key=lambda each: each.date)
    return {
        "what": what,
        "unit": unit,
        "points": [{"date": each.date, "value": str(each.value)} for each in points],
    }


def sparkline(values: list[Decimal], width: int = WIDEST) -> str:
    """The values as blocks of eighths between their lowest and highest; the newest ``width`` of them."""
    shown = values[-width:]
    low, high = min(shown), max(shown)
    if low == high:
        return BLOCKS[3] * len(shown)
    steps = len(BLOCKS) - 1
    return "".join(BLOCKS[round((value - low) / (high - low) * steps)] for value in shown)


def show(screen: Screen, found: list[Facts]) -> None:
    """A row for each kind."""
    rows = []
    for each in found:
        values = [Decimal(point["value"]) for point in each["points"]]
        shown = [f"{value:.1f}".rstrip("0").rstrip(".") for value in (min(values), max(values), values[-1])]
        period = f"{each['points'][0]['date']}\n{each['points'][-1]['date']}"
        rows.append(
            (each["what"], sparkline(values), f"{shown[0]}–{shown[1]}", f"{shown[2]} {each['unit']}", period)
        )
    if rows:
        screen.table("Over time", ("what", "trend", "range", "newest", "from, to"), rows, whole=("trend",))
