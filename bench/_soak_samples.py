"""What a server takes while it is asked, looked at again and again; whether it stays so: slopes with their errors."""

from __future__ import annotations

import math
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

MINUTE, HOUR = 60.0, 3_600.0
WARM_UP = 0.25
"""The part of the time that is warm-up: leases last a quarter of an hour."""
TOLERATED = 0.03
"""How much more an hour of something still counts as flat."""
UNCLEAR = 0.25
"""A slope whose error is more than that an hour says nothing."""
ENDS = {
    "sign-in-challenge": 720, "signed-in": 2_400, "signed-in-of": 2_400, "app-access": 86_400, "attempts": 86_400,
    "answered-once": 604_800, "accepted-later": 86_400, "said-later": 86_400,
}  # fmt: skip
"""Seconds after which a row of that kind in an organisation's books is gone, with the pause between two sweeps."""
PROBE = """
import hashlib, sys, time
while True:
    begun = time.perf_counter()
    for _ in range(400): hashlib.sha256(bytes(65536)).digest()
    sum(each * each for each in range(600000))  # longer than a slice of the scheduler, else it sees no crowd
    print(1000 * (time.perf_counter() - begun), flush=True)
    time.sleep(2.0)
"""


@dataclass(frozen=True)
class Sample:
    """At some second: MiB in memory of the server and all its processes, files, threads, MiB of the databases' logs and
    of everything on the disk, rows of the books by kind."""

    at: float
    memory: float
    files: int
    threads: int
    wal: float
    disk: float
    rows: dict[str, int]


@dataclass
class Probe:
    """A process that does the same work again and again: how fast this machine is just then."""

    taken: list[tuple[float, float]] = field(default_factory=list)

    def __enter__(self) -> Probe:
        self._process = subprocess.Popen([sys.executable, "-c", PROBE], stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self._read, daemon=True).start()
        return self

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.taken.append((time.perf_counter(), float(line)))

    def __exit__(self, *given: object) -> None:
        self._process.terminate()
        self._process.wait()


def sample(process: int, folder: Path, begun: float) -> Sample:
    """Now; raises SystemExit if the server has ended."""
    there = processes(process)
    if not there or _status(process, "VmRSS:") == 0:
        raise SystemExit("the server has ended")
    files = [path for path in folder.rglob("*") if path.is_file()]
    sizes = {path: _size(path) for path in files}
    return Sample(
        time.perf_counter() - begun,
        sum(_status(each, "VmRSS:") for each in there) / 1024,
        sum(_count(Path(f"/proc/{each}/fd")) for each in there),
        sum(_status(each, "Threads:") for each in there),
        sum(size for path, size in sizes.items() if path.name.endswith("-wal")) / 2**20,
        sum(sizes.values()) / 2**20,
        rows_by_kind(folder),
    )


def processes(process: int) -> list[int]:
    """A process and all that it started."""
    try:
        found = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:
        return []
    return [process, *(each for child in found for each in processes(int(child)))]


def rows_by_kind(folder: Path) -> dict[str, int]:
    """Rows of all organisations' books."""
    found: dict[str, int] = defaultdict(int)
    for path in folder.glob("organisations/*/books.db"):
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as books:
            for kind, count in books.execute("SELECT kind, count(*) FROM books GROUP BY kind"):
                found[kind] += count
    return dict(found)


def _status(process: int, name: str) -> int:
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(name)), 0)


def _count(folder: Path) -> int:
    try:
        return sum(1 for _ in folder.iterdir())
    except OSError:
        return 0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # gone meanwhile
        return 0


# Slopes -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Slope:
    """How much something changes in an hour, as a part of its level, with twice its error. ``level``: the mean."""

    hourly: float
    error: float
    level: float

    @property
    def verdict(self) -> str:
        """Whether it grows: more than what is tolerated, and more than its error explains."""
        if self.hourly - self.error > 0 and self.hourly > TOLERATED:
            return "grows"
        if self.hourly + self.error < 0 and self.hourly < -TOLERATED:
            return "falls"
        return "flat" if self.error <= UNCLEAR else "unclear"

    def __str__(self) -> str:
        return f"{100 * self.hourly:+.1f} ± {100 * self.error:.1f} % an hour: {self.verdict}"


def slope(points: Sequence[tuple[float, float]]) -> Slope | None:
    """By least squares over (seconds, value); what one value has of the one before makes the error larger. None for
    fewer than five points, or a level of nothing."""
    if len(points) < 5:
        return None
    at, values = [each / HOUR for each, _ in points], [value for _, value in points]
    middle, level = statistics.fmean(at), statistics.fmean(values)
    spread = sum((each - middle) ** 2 for each in at)
    if not spread or not level:
        return None
    rises = sum((x - middle) * (y - level) for x, y in zip(at, values, strict=True)) / spread
    rest = [y - level - rises * (x - middle) for x, y in zip(at, values, strict=True)]
    squares = sum(each * each for each in rest)
    error = math.sqrt(squares / (len(points) - 2) / spread)
    follows = sum(a * b for a, b in pairwise(rest)) / squares if squares else 0.0
    follows = min(0.9, max(0.0, follows))
    error *= math.sqrt((1 + follows) / (1 - follows))
    return Slope(rises / level, 2 * error / abs(level), level)


def by_minute(points: Iterable[tuple[float, float]], length: float = MINUTE) -> list[tuple[float, float]]:
    """Medians of each minute, at its middle."""
    found: dict[int, list[float]] = defaultdict(list)
    for at, value in points:
        found[int(at // length)].append(value)
    return [((minute + 0.5) * length, statistics.median(each)) for minute, each in sorted(found.items())]


def against(
    times: Sequence[tuple[float, float]], probe: Sequence[tuple[float, float]]
) -> list[tuple[float, float]]:
    """Times divided by how slow the machine was in that minute, beside its median."""
    known = dict(probe)
    usual = statistics.median(known.values()) if known else 1.0
    return [(at, value * usual / known[at]) for at, value in times if known.get(at)]


def warm(points: Sequence[tuple[float, float]], length: float) -> list[tuple[float, float]]:
    """What lies behind the warm-up."""
    return [each for each in points if each[0] >= WARM_UP * length]


# What is shown ------------------------------------------------------------------------------------


def plotted(name: str, points: Sequence[tuple[float, float]], width: int = 60) -> str:
    """One line: least and most, and bars between them."""
    if not points:
        return f"{name:34} nothing"
    first, last = points[0][0], points[-1][0]
    columns: dict[int, list[float]] = defaultdict(list)
    for at, value in points:
        columns[int((at - first) / max(last - first, 1e-9) * (width - 1))].append(value)
    values = [value for _, value in points]
    least, most = min(values), max(values)
    bars = "".join(
        " ▁▂▃▄▅▆▇█"[1 + int(7 * (statistics.fmean(columns[at]) - least) / max(most - least, 1e-9))]
        if at in columns
        else " "
        for at in range(width)
    )
    return f"{name:34} {least:10,.4g} {bars} {most:,.4g}"
