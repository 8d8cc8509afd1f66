"""What every part of the benchmarks shares: one figure beside its rival, a table of them, JSON."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One measured value. ``ratio`` is value ÷ rival_value; rival and both are empty where there is none."""

    name: str
    value: float
    unit: str
    rival: str
    rival_value: float | None
    ratio: float | None
    command: str

    @classmethod
    def of(
        cls, name: str, value: float, unit: str, command: str, rival: str = "", against: float | None = None
    ) -> Figure:
        """A figure, and the rival that was measured in the same run."""
        return cls(name, value, unit, rival, against, value / against if against else None, command)


def show(figures: Iterable[Figure]) -> None:
    """Prints a table."""
    for each in figures:
        beside = (
            f"{each.rival}: {_short(each.rival_value)}, ratio {each.ratio:.2f}"
            if each.ratio is not None
            else ""
        )
        print(f"{each.name:52} {_short(each.value):>10} {each.unit:14} {beside}", flush=True)


def _short(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def run(
    doc: str, measure: Callable[[argparse.Namespace], list[Figure]], *options: tuple[str, dict[str, Any]]
) -> None:
    """The main function of a part: parses options, measures, prints a table, or a list of objects with ``--json``."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print a list of objects")
    for name, words in options:
        parser.add_argument(name, **words)
    chosen = parser.parse_args()
    figures = measure(chosen)
    if chosen.json:
        json.dump([asdict(each) for each in figures], sys.stdout, indent=2)
        print()
    else:
        show(figures)


def spread(work: Callable[[], object], times: int) -> tuple[float, float]:
    """Median and 99th percentile in milliseconds."""
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        work()
        taken.append(1000 * (time.perf_counter() - begun))
    return statistics.median(taken), sorted(taken)[min(len(taken) - 1, int(0.99 * len(taken)))]


def size_of(folder: Path) -> int:
    """Bytes of all files."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
