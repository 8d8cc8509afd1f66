"""What ``imports.py`` measures: a module of its own, because the process that reads ahead loads the main one again."""

from __future__ import annotations

import argparse
import json
import sqlite3
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from _measured import Figure, size_of
from _network import DESK, import_for, new_patient, new_stage, timed_import

from careledger.cli.demo.founding import CITY
from careledger.cli.demo.stage import Stage
from careledger.domain.records import Ground
from careledger.fhir.sample import sample_files
from careledger.fhir.split import import_bundle
from careledger.workflows.batches import Writer
from careledger.workflows.deposit import deposit
from careledger.workflows.epochs import own_statement
from careledger.workflows.from_fhir import new_version

COMMAND = "python bench/imports.py"
TRAINED_ON = 3  # tools/train_dictionary.py takes every third file
SINGLE = 200


def plain(folder: Path, files: list[tuple[str, bytes]]) -> float:
    """Resources a second of the rival."""
    db = sqlite3.connect(folder / "plain.db", isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute("CREATE TABLE resources (number INTEGER PRIMARY KEY, body BLOB)")
    begun, total = time.perf_counter(), 0
    for _, data in files:
        db.execute("BEGIN")
        rows = [(json.dumps(entry["resource"]).encode(),) for entry in json.loads(data)["entry"]]
        db.executemany("INSERT INTO resources (body) VALUES (?)", rows)
        db.execute("COMMIT")
        total += len(rows)
    db.close()
    return total / (time.perf_counter() - begun)


def written(folder: Path, files: list[tuple[str, bytes]]) -> list[Path]:
    """The sample as files."""
    folder.mkdir()
    for name, data in files:
        (folder / f"{name}.json").write_bytes(data)
    return sorted(folder.iterdir())


def disk(folder: Path, files: list[tuple[str, bytes]]) -> Figure:
    """Bytes of all stores together for each byte of canonical JSON, by bundles."""
    stage = new_stage(folder)
    before = size_of(folder)
    canonical = 0
    for name, data in files:
        imported = import_for(stage, new_patient(stage), data, name)
        canonical += sum(len(version.canonical) for version in imported.report.versions)
    stage.world.close()
    grown = size_of(folder) - before
    return Figure.of(
        "disk, bundles", grown / canonical, "× canonical", COMMAND, "canonical JSON, bytes", None
    )


def disk_single(folder: Path, name: str, data: bytes) -> Figure:
    """The same where every record is a deposit of its own."""
    stage = new_stage(folder)
    before = size_of(folder)
    patient = new_patient(stage)
    import_for(stage, patient, data, name)
    statement, _ = own_statement(patient.holder)
    report = import_bundle(data, name, namespace=b"singly")
    writer = Writer(stage.organisations[CITY], Ground.REGISTRAR, stage.session(DESK))
    bundled, canonical = size_of(folder) - before, 0
    for version in report.versions[:SINGLE]:
        deposit(stage.world.network, writer, statement, [new_version(version, report.mapping_version)])
        canonical += len(version.canonical)
    stage.world.close()
    grown = size_of(folder) - before - bundled
    return Figure.of("disk, one deposit a record", grown / canonical, "× canonical", COMMAND)


class Copy(NamedTuple):
    """One import of the sample: resources, seconds, processor seconds."""

    resources: int
    seconds: float
    processor: float

    @property
    def rate(self) -> float:
        """Resources a second."""
        return self.resources / self.seconds

    @property
    def cost(self) -> float:
        """Microseconds of processor time for a resource."""
        return 1e6 * self.processor / self.resources


def imported_copies(stage: Stage, paths: list[Path], chosen: argparse.Namespace) -> list[Copy]:
    """So many imports of the sample as were asked for."""
    copies: list[Copy] = []
    until = time.monotonic() + 60 * chosen.minutes
    while len(copies) < chosen.copies or (
        sum(copy.resources for copy in copies) < chosen.resources and time.monotonic() < until
    ):
        copies.append(Copy(*timed_import(stage, paths)))
    return copies


def measure(chosen: argparse.Namespace) -> list[Figure]:
    """Speed, flatness, disk."""
    files = list(sample_files())
    with tempfile.TemporaryDirectory(dir=chosen.directory) as scratch:
        rival = plain(Path(scratch), files)
        stage, paths = new_stage(Path(scratch) / "speed"), written(Path(scratch) / "files", files)
        copies = imported_copies(stage, paths, chosen)
        stage.world.close()
        total = sum(copy.resources for copy in copies)
        first, last = copies[0], copies[-1]
        figures = [
            Figure.of("import, everything on", first.rate, "resources/s", COMMAND, "JSON into one SQLite table", rival),
            Figure.of("processor time of one resource", first.cost, "µs", COMMAND),
            Figure.of(
                f"time for copy {len(copies)} of the sample", first.rate / last.rate, "× first", COMMAND,
                f"resources by then: {total:,}",
            ),
            Figure.of(
                f"processor time for copy {len(copies)}", last.cost / first.cost, "× first", COMMAND,
                f"resources by then: {total:,}",
            ),
        ]  # fmt: skip
        others = [each for place, each in enumerate(files) if place % TRAINED_ON]
        figures.append(disk(Path(scratch) / "disk", others))
        figures.append(disk_single(Path(scratch) / "single", *others[0]))
    return figures
