"""A mixed soak of the gateway over HTTP: what an hour does to its memory and its answers' times, and what it loses.

    python bench/soak.py [--minutes M] [--pace R] [--directory DIR] [--json]

``careledger up`` runs in a process of its own. Readers read one resource, search a compartment, ask for everything and
for a fresh release of a patient whom they have open; a desk sends new patients' Bundles, a doctor single records of
theirs, and what was acknowledged is remembered. Each second ``--pace`` requests are begun in all. At the end all that
was acknowledged is read back.

Figures compare the last quarter of the time with the second one: the first is warm-up, for leases last fifteen minutes.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import statistics
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from _measured import Figure, run
from over_http import Line, prepared, serving

from careledger.fhir.sample import sample_file, sample_names

COMMAND = "python bench/soak.py"
ENTRIES = 12
SHARES = {"read": 55, "search": 15, "everything": 8, "fresh": 8, "create": 8, "update": 4, "bundle": 2}
"""Of a hundred requests."""
_UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@dataclass
class Load:
    """What was asked, when and how long it took, and what was acknowledged."""

    base: str
    alias: str
    reading: str
    doctor: str
    desk: str
    taken: list[tuple[float, str, float]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    acknowledged: list[tuple[str, str]] = field(default_factory=list)
    patients: list[str] = field(default_factory=list)
    observations: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def one(self, reader: Line, doctor: Line, desk: Line, chance: random.Random) -> None:
        """One request of the mix, timed."""
        kind = chance.choices(list(SHARES), list(SHARES.values()))[0]
        begun = time.perf_counter()
        try:
            getattr(self, f"_{kind}")(reader, doctor, desk, chance)
        except (RuntimeError, OSError) as error:
            self.failed.append(f"{kind}: {error}")
            raise
        self.taken.append((begun, kind, 1000 * (time.perf_counter() - begun)))

    def _read(self, reader: Line, doctor: Line, desk: Line, chance: random.Random) -> None:
        reader.ask(f"/fhir/Observation/{chance.choice(self.observations)}")

    def _search(self, reader: Line, doctor: Line, desk: Line, chance: random.Random) -> None:
        reader.ask(f"/fhir/Observation?patient={self.alias}&_count=50")

    def _everything(self, reader: Line, doctor: Line, desk: Line, chance: random.Random) -> None:
        reader.ask(f"/fhir/Patient/{self.alias}/$everything?_count=100")

    def _fresh(self, reader: Line, doctor: Line, desk: Line, chance: random.Random) -> None:
        path = f"/fhir/Observation/{chance.choice(self.observations)}"
        reader.ask(path, None, {"Cache-Control": "no-cache"})

    def _create(self, reader: Line, doctor: Line, desk: Line, chance: random.Random) -> None:
        if not self.patients:
            self._bundle(reader, doctor, desk, chance)
        with self.lock:
            alias = self.patients[-1]
        body = {
            "resourceType": "Observation",
            "status": "final",
            "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category",
                                      "code": "vital-signs"}]}],
            "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
            "subject": {"reference": f"Patient/{alias}"},
            "effectiveDateTime": "2026-11-02",
            "valueQuantity": {"value": chance.randint(50, 120), "unit": "/min"},
        }  # fmt: skip
        made = json.loads(doctor.ask("/fhir/Observation", json.dumps(body).encode()))
        with self.lock:
            self.acknowledged.append((alias, f"Observation/{made['id']}"))

    def _update(self, reader: Line, doctor: Line, desk: Line, chance: random.Random) -> None:
        with self.lock:
            alias, path = self.acknowledged[-1] if self.acknowledged else ("", "")
        if not path.startswith("Observation/"):
            self._create(reader, doctor, desk, chance)
            return
        doctor.ask(f"/fhir/Patient/{alias}")
        now = json.loads(doctor.ask(f"/fhir/{path}"))
        now["note"] = [{"text": f"looked at again, {chance.random()}"}]
        doctor.put(f"/fhir/{path}", json.dumps(now).encode())

    def _bundle(self, reader: Line, doctor: Line, desk: Line, chance: random.Random) -> None:
        response = json.loads(desk.ask("/fhir", new_patient()))
        places = [each["response"]["location"].split("/_history")[0] for each in response["entry"]]
        alias = next(each for each in places if each.startswith("Patient/")).removeprefix("Patient/")
        with self.lock:
            self.patients.append(alias)
            self.acknowledged += [(alias, each) for each in places]


def new_patient() -> bytes:
    """A small patient whom nobody has seen: the sample's, under new ids."""
    name = next(each for each in sample_names() if each.startswith("Shayne60"))
    said = json.loads(sample_file(name))
    said["entry"] = said["entry"][:ENTRIES]
    names: dict[bytes, bytes] = {}

    def renamed(found: re.Match[bytes]) -> bytes:
        return names.setdefault(found[0], str(uuid.uuid4()).encode())

    return _UUID.sub(renamed, json.dumps({**said, "type": "transaction"}).encode())


def lines(load: Load) -> tuple[Line, Line, Line]:
    """New connections of the reader, of the doctor who writes, and of the desk."""
    return Line(load.base, load.reading), Line(load.base, load.doctor), Line(load.base, load.desk)


def drive(load: Load, minutes: float, pace: float, memory: Callable[[], float]) -> list[tuple[float, float]]:
    """Asks until the time is over, four at a time; returns (seconds, MiB) every ten seconds."""
    begun, seen = time.perf_counter(), []
    ends = begun + 60 * minutes

    def work(seed: int) -> None:
        chance = random.Random(seed)
        reader, doctor, desk = lines(load)
        while time.perf_counter() < ends:
            try:
                load.one(reader, doctor, desk, chance)
            except (RuntimeError, OSError):
                reader, doctor, desk = lines(load)
            time.sleep(chance.expovariate(pace / 4))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for each in threads:
        each.start()
    while any(each.is_alive() for each in threads):
        seen.append((time.perf_counter() - begun, memory()))
        asked = f"{len(load.taken):7} asked  {len(load.failed)} failed  {len(load.acknowledged)} acknowledged"
        print(f"{seen[-1][0] / 60:6.1f} min  {seen[-1][1]:7.1f} MiB  {asked}", file=sys.stderr, flush=True)
        time.sleep(10)
    for each in threads:
        each.join()
    return seen


def lost(load: Load) -> int:
    """How many of the acknowledged records are not there."""
    doctor, missing = lines(load)[1], 0
    by_patient: dict[str, set[str]] = {}
    for alias, path in load.acknowledged:
        by_patient.setdefault(alias, set()).add(path)
    for paths in by_patient.values():
        for path in sorted(paths):
            if path.startswith("Patient/"):
                continue
            try:
                doctor.ask(f"/fhir/{path}")
            except RuntimeError as error:
                missing += 1
                print(f"{path.partition('/')[0]}: {str(error)[:120]}", file=sys.stderr)
    return missing


def quarters(values: list[tuple[float, float]], length: float) -> tuple[float, float]:
    """Medians of the second and the last quarter of the time."""
    second = [value for at, value in values if length / 4 <= at <= length / 2]
    last = [value for at, value in values if at >= 3 * length / 4]
    return statistics.median(second), statistics.median(last)


def figures(load: Load, seen: list[tuple[float, float]], begun: float, length: float) -> list[Figure]:
    """Memory, times and counts."""
    early, late = quarters(seen, length)
    made = [Figure.of("soak: memory, last quarter", late, "MiB", COMMAND, "second quarter", early)]
    for kind in SHARES:
        times = [(at - begun, took) for at, each, took in load.taken if each == kind]
        if len(times) > 40:
            early, late = quarters(times, length)
            made.append(
                Figure.of(f"soak: {kind}, median, last quarter", late, "ms", COMMAND, "second quarter", early)
            )
    made.append(Figure.of("soak: requests", len(load.taken), "requests", COMMAND))
    made.append(Figure.of("soak: requests that failed", len(load.failed), "requests", COMMAND))
    made.append(Figure.of("soak: records acknowledged", len(load.acknowledged), "records", COMMAND))
    made.append(Figure.of("soak: acknowledged records that are not there", lost(load), "records", COMMAND))
    return made


def measure(chosen: argparse.Namespace) -> list[Figure]:
    """The whole soak on one server."""
    with tempfile.TemporaryDirectory(dir=chosen.directory) as scratch:
        folder = Path(scratch) / "data"
        alias, given, desk = prepared(folder, chosen.minutes * 60 + 3_600)
        with serving(folder) as (base, process):
            load = Load(base, alias, given[-1], given[0], desk)
            line = Line(base, given[-1])
            found = json.loads(line.ask(f"/fhir/Observation?patient={alias}&_count=200"))
            load.observations = [
                each["resource"]["id"] for each in found["entry"] if each["search"]["mode"] == "match"
            ]
            begun = time.perf_counter()
            seen = drive(load, chosen.minutes, chosen.pace, lambda: resident(process))
            for each in load.failed[:5]:
                print(each[:300], file=sys.stderr)
            return figures(load, seen, begun, 60 * chosen.minutes)


def resident(process: int) -> float:
    """MiB of a process that are in memory."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise SystemExit("the gateway has ended")


if __name__ == "__main__":
    run(
        __doc__ or "",
        measure,
        ("--minutes", {"type": float, "default": 60.0, "help": "how long (60)"}),
        ("--pace", {"type": float, "default": 40.0, "help": "requests a second in all (40)"}),
        ("--directory", {"type": Path, "default": None, "help": "where the data lie meanwhile"}),
    )
