"""Several workers on one data directory: reads within leases a second, and the processor time that each process takes.

    python bench/workers.py [--json] [--seconds S] [--workers N …] [--directory DIR]

A gateway in a process of its own is asked over sixteen connections, each with a token of its own. The first worker has
the directory, the others read beside it. Where gateway, load and workers have fewer cores than they are processes, the
rate says what the machine has; the processor time of a request at the busiest worker says what more cores would give.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from _measured import Figure, run
from over_http import CARELEDGER, CONNECTIONS, Line, prepared

COMMAND = "python bench/workers.py"
TICKS = os.sysconf("SC_CLK_TCK")


@contextmanager
def started(folder: Path, *words: str) -> Iterator[tuple[dict[str, str], int]]:
    """One process, ended afterwards: what it said first, and its process id."""
    line = [sys.executable, "-c", CARELEDGER, *words, "--data", str(folder), "--json"]
    running = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    said = ""
    try:
        while not said.endswith("}\n") and (more := running.stdout.readline()):
            said += more
        yield json.loads(said), running.pid
    finally:
        running.terminate()
        running.wait()


def processor(pid: int) -> float:
    """Seconds of processor time that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def asked(base: str, paths: list[str], given: list[str], seconds: float) -> float:
    """How many reads were answered a second over all connections."""
    counts, ends = [0] * CONNECTIONS, time.perf_counter() + seconds

    def work(mine: int) -> None:
        line = Line(base, given[mine])
        while time.perf_counter() < ends:
            line.ask(paths[counts[mine] % len(paths)])
            counts[mine] += 1

    threads = [threading.Thread(target=work, args=(each,)) for each in range(CONNECTIONS)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return sum(counts) / seconds


def of(
    folder: Path, workers: int, alias: str, given: list[str], seconds: float
) -> tuple[float, float, float]:
    """With so many workers: reads a second, and milliseconds of processor time of each read at the busiest worker and
    at the first."""
    with ExitStack() as stack:
        pids = [stack.enter_context(started(folder, "worker"))[1] for _ in range(workers)]
        gateway, _ = stack.enter_context(started(folder, "gateway", "--port", "0"))
        base = gateway["url"]
        paths: list[str] = []
        for token in given:
            found = json.loads(Line(base, token).ask(f"/fhir/Observation?patient={alias}&_count=50"))
            matches = [each["resource"] for each in found["entry"] if each["search"]["mode"] == "match"]
            paths = [f"/fhir/Observation/{each['id']}" for each in matches]
        asked(base, paths, given, 1.0)
        before = [processor(pid) for pid in pids]
        rate = asked(base, paths, given, seconds)
        taken = [processor(pid) - begun for pid, begun in zip(pids, before, strict=True)]
        return rate, 1000 * max(taken) / (rate * seconds), 1000 * taken[0] / (rate * seconds)


def measure(chosen: argparse.Namespace) -> list[Figure]:
    """One number of workers after the other, on one directory."""
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(dir=chosen.directory) as scratch:
        folder = Path(scratch) / "data"
        alias, given, _ = prepared(folder)
        alone: tuple[float, float] | None = None
        for workers in chosen.workers:
            rate, each, first = of(folder, workers, alias, given[:CONNECTIONS], chosen.seconds)
            alone = alone or (rate, each)
            rivals = ("", None, None) if not figures else (f"{chosen.workers[0]} worker", *alone)
            name = f"GET within a lease, {workers} worker{'s' if workers > 1 else ''}"
            figures.append(Figure.of(name, rate, "requests/s", COMMAND, rivals[0], rivals[1]))
            figures.append(
                Figure.of(f"{name}, busiest worker's processor", each, "ms", COMMAND, rivals[0], rivals[2])
            )
            figures.append(Figure.of(f"{name}, first worker's processor", first, "ms", COMMAND))
    return figures


if __name__ == "__main__":
    run(
        __doc__ or "",
        measure,
        ("--seconds", {"type": float, "default": 10.0, "help": "of each rate"}),
        (
            "--workers",
            {"type": int, "nargs": "+", "default": [1, 2, 3], "help": "how many, one after the other"},
        ),
        ("--directory", {"type": Path, "default": None, "help": "where the data lie meanwhile"}),
    )
