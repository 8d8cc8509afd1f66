"""A mixed soak of the gateway over HTTP: what an hour does to its memory and its answers' times, and what it loses.

    python bench/soak.py [--minutes M] [--pace R] [--out DIR] [--directory DIR] [--json]

``careledger up`` runs in a process of its own. About R acts a second are begun: records are read in leases and afresh,
searched, written and changed, patients' agents give and revoke consents, people sign in by passkey and by password,
end sessions, and have theirs ended, services get, use and revoke tokens, an app renews its own, staff joins and leaves
by SCIM. A process beside it does the same work again and again, so that other processes' load can be divided out.

At the end the server is killed (``kill -9``) under this load and started again. Then whatever was acknowledged has to
hold: every version reads back, whatever was ended is refused, what was given stands, patients' audits are complete and
have every reading; and ``careledger doctor`` finds nothing once the server has stopped.

Verdicts are slopes over what lies behind the first quarter, which is warm-up: leases last fifteen minutes, what nobody
asks for any more is forgotten after thirty, so that of memory a soak of two hours says most. DIR gets a table of each
minute (soak.tsv) and what is printed (soak.txt).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen

from _measured import Figure, run
from _soak_kept import doctored, lost, own_log, sorted_counts, wait_until_ready
from _soak_load import OPENED, SHARES, Load
from _soak_people import Person
from _soak_samples import (
    ENDS,
    Probe,
    Sample,
    Slope,
    against,
    by_minute,
    plotted,
    sample,
    slope,
    warm,
)
from _soak_world import Cast, cast_of
from over_http import Line, started

COMMAND = "python bench/soak.py"
EVERY = 10.0
"""Seconds between two samples."""
SPARE = 7_200
"""Seconds that tokens are good for beyond the soak."""
Points = list[tuple[float, float]]


@dataclass
class Soaked:
    """What was seen, and what was lost."""

    length: float
    begun: float
    load: Load
    samples: list[Sample]
    probe: Points
    lost: list[str] = field(default_factory=list)

    @property
    def memory(self) -> Points:
        """MiB by time."""
        return [(each.at, each.memory) for each in self.samples]

    def times(self, kind: str) -> Points:
        """Medians of a kind of act by minute, in milliseconds."""
        return by_minute((at - self.begun, took) for at, each, took in self.load.taken if each == kind)

    def steady(self, kind: str) -> Points:
        """The same, the machine's own speed divided out."""
        return against(self.times(kind), self.probed)

    @property
    def probed(self) -> Points:
        """Medians of the fixed work by minute."""
        return by_minute((at - self.begun, took) for at, took in self.probe)

    def series(self) -> Iterator[tuple[str, str, Points]]:
        """Everything that has to stay flat, with its unit."""
        yield "memory", "MiB", self.memory
        yield "open files", "files", [(each.at, each.files) for each in self.samples]
        yield "threads", "threads", [(each.at, each.threads) for each in self.samples]
        yield "logs of databases", "MiB", [(each.at, each.wal) for each in self.samples]
        for kind in (*SHARES, OPENED):
            yield kind, "ms", self.steady(kind)

    def slope(self, points: Points) -> Slope | None:
        """Behind the warm-up."""
        return slope(warm(points, self.length))


def soaked(folder: Path, minutes: float, pace: float) -> Soaked:
    """A whole soak in a new directory: load, kill -9, start, what was lost, stop, doctor."""
    length = 60 * minutes
    cast = cast_of(folder, int(length) + SPARE, leavers=5 + int(length * pace * SHARES["leave"] / 900))
    base, running = started(folder)
    try:
        load = signed_up(base, cast)
        with Probe() as probe:
            load.once()
            made = driven(folder, load, length, pace, running, probe)
        running = started_again(folder, base)
        made.lost += lost(load.kept, cast, base, time.time())
        running.terminate()
        if running.wait() != 0:
            made.lost.append("the server did not end in order")
        made.lost += [*own_log(load.kept, folder), *doctored(folder)]
        return made
    finally:
        if running.poll() is None:
            running.kill()
            running.wait()


def started_again(folder: Path, base: str) -> Popen[str]:
    """The server at the same address, ready."""
    again, running = started(folder, int(base.removesuffix("/fhir").rpartition(":")[2]))
    wait_until_ready(again)
    return running


def signed_up(base: str, cast: Cast) -> Load:
    """Everybody has an account and a session, and each app was let act for somebody."""
    line = Line(base, cast.reading)
    there = json.loads(Line(base).ask("/identity/organisations"))["items"]
    city = next(each["id"] for each in there if each["name"] == "City Hospital")
    operator = Person(base, city)
    operator.sign_up(cast.officer, by_password=False)
    load = Load(base, cast, [], operator)
    for codes, by_password in ((cast.passkeys, False), (cast.passwords, True)):
        for code in codes:
            person = Person(base, city)
            person.sign_up(code, by_password)
            load.people.append(person)
            load.kept.sessions[person.session] = time.time()
    for client, person in zip(cast.apps, load.people, strict=False):
        load.kept.refresh[client] = person.launch(client)["refresh_token"]
    found = json.loads(line.ask(f"/fhir/Observation?patient={cast.alias}&_count=200"))
    load.observations = [
        each["resource"]["id"] for each in found["entry"] if each["search"]["mode"] == "match"
    ]
    return load


def driven(folder: Path, load: Load, length: float, pace: float, running: Popen[str], probe: Probe) -> Soaked:
    """The load for so long, and samples meanwhile; at its end the server is killed under it."""
    begun = time.perf_counter()
    samples: list[Sample] = []
    threads = load.run(pace)
    try:
        while (at := time.perf_counter() - begun) < length:
            samples.append(sample(running.pid, folder, begun))
            told = f"{len(load.taken):7} acts  {len(load.failed)} failed  {load.kept.count} versions"
            print(f"{at / 60:6.1f} min  {samples[-1].memory:7.1f} MiB  {told}", file=sys.stderr, flush=True)
            time.sleep(max(0.0, min(EVERY, begun + length - time.perf_counter())))
    finally:
        load.over.set()  # what fails from now on was not acknowledged
        running.kill()
        running.wait()
        for each in threads:
            each.join()
    return Soaked(length, begun, load, samples, probe.taken)


def report(made: Soaked) -> list[str]:
    """The plot, the verdicts and what was lost, line by line."""
    said = [plotted("the machine's own speed, ms", made.probed)]
    for name, unit, points in made.series():
        found = made.slope(points)
        said.append(f"{plotted(f'{name}, {unit}', points)}  {found or 'too short to tell'}")
    said += ["", "rows of the books, first and last"]
    first, last = made.samples[0].rows, made.samples[-1].rows
    for kind in sorted(last):
        ends = f"gone after {ENDS[kind]:,} s" if kind in ENDS else ""
        said.append(f"{kind:34} {first.get(kind, 0):8,} {last[kind]:8,}  {ends}")
    said += ["", f"{len(made.load.taken):,} acts, {len(made.load.failed)} failed"]
    said += [f"failed: {each}" for each in made.load.failed[:10]]
    said += [f"lost: {what} ({count})" for what, count in sorted_counts(made.lost)] or ["Nothing was lost."]
    return said


def table(made: Soaked) -> Iterator[str]:
    """What was seen each minute, separated by tabs."""
    kinds = {kind: dict(made.times(kind)) for kind in SHARES}
    probe = dict(made.probed)
    rows = sorted({kind for each in made.samples for kind in each.rows})
    names = ["minute", "memory MiB", "files", "threads", "logs MiB", "disk MiB", "machine ms"]
    yield "\t".join([*names, *(f"{kind} ms" for kind in SHARES), *(f"rows {kind}" for kind in rows)])
    seen: dict[int, Sample] = {int(each.at // 60): each for each in made.samples}
    for minute, each in sorted(seen.items()):
        middle = (minute + 0.5) * 60
        cells = [each.memory, each.files, each.threads, each.wal, each.disk, probe.get(middle, 0.0)]
        cells += [kinds[kind].get(middle, 0.0) for kind in SHARES]
        cells += [each.rows.get(kind, 0) for kind in rows]
        yield "\t".join([str(minute), *(f"{cell:.5g}" for cell in cells)])


def figures(made: Soaked) -> Iterator[Figure]:
    """Memory, times and counts: the last quarter beside the second one."""
    for name, unit, points in made.series():
        second = [value for at, value in points if made.length / 4 <= at <= made.length / 2]
        last = [value for at, value in points if at >= 3 * made.length / 4]
        if second and last:
            early, late = (sorted(each)[len(each) // 2] for each in (second, last))
            yield Figure.of(f"soak: {name}, last quarter", late, unit, COMMAND, "second quarter", early)
        found = made.slope(points)
        if found is not None:
            yield Figure.of(f"soak: {name}, slope", 100 * found.hourly, "% an hour", COMMAND)
            yield Figure.of(f"soak: {name}, twice its error", 100 * found.error, "% an hour", COMMAND)
    counts = {"acts": len(made.load.taken), "acts that failed": len(made.load.failed)}
    counts |= {"versions acknowledged": made.load.kept.count, "things lost": len(made.lost)}
    for name, value in counts.items():
        yield Figure.of(f"soak: {name}", value, "", COMMAND)


def measure(chosen: argparse.Namespace) -> list[Figure]:
    """The whole soak on one server."""
    with tempfile.TemporaryDirectory(dir=chosen.directory) as scratch:
        made = soaked(Path(scratch) / "data", chosen.minutes, chosen.pace)
    said = "\n".join(report(made)) + "\n"
    print(said, file=sys.stderr)
    if chosen.out:
        chosen.out.mkdir(parents=True, exist_ok=True)
        (chosen.out / "soak.txt").write_text(said)
        (chosen.out / "soak.tsv").write_text("\n".join(table(made)) + "\n")
    return list(figures(made))


if __name__ == "__main__":
    run(
        __doc__ or "",
        measure,
        ("--minutes", {"type": float, "default": 60.0, "help": "how long (60)"}),
        ("--pace", {"type": float, "default": 20.0, "help": "acts a second in all (20)"}),
        ("--out", {"type": Path, "default": None, "help": "where table and plot are written"}),
        ("--directory", {"type": Path, "default": None, "help": "where the data lie meanwhile"}),
    )
