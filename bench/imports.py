"""Importing the sample, everything on, and what it takes on disk; beside it the same files put into one SQLite table.

    python bench/imports.py [--json] [--copies N] [--directory DIR]

Parse, validate, classify, seal, shares and escrow durable at custodians, blocks durable, anchored: registering the
patients is not counted, their epochs are. Files are read ahead in a second process. The rival seals, logs and anchors
nothing: json.loads, one row for each resource, one synced transaction a file. ``--copies`` imports the sample so often,
each time for new patients: the cost per resource of the last copy as a multiple of the first one's has to stay flat.
Disk is counted over the sample patients that the dictionary was not trained on, and once with a deposit for
each record.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import tempfile
import time
from pathlib import Path

from _measured import Figure, run, size_of
from _network import DESK, import_for, new_patient, new_stage, timed_import

from careledger.cli.demo.founding import CITY
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


def measure(chosen: argparse.Namespace) -> list[Figure]:
    """Speed, flatness, disk."""
    files = list(sample_files())
    with tempfile.TemporaryDirectory(dir=chosen.directory) as scratch:
        rival = plain(Path(scratch), files)
        stage, paths = new_stage(Path(scratch) / "speed"), written(Path(scratch) / "files", files)
        rates, used = [], 0.0
        for _ in range(chosen.copies):
            total, seconds, processor = timed_import(stage, paths)
            rates.append(total / seconds)
            used = used or 1e6 * processor / total
        stage.world.close()
        figures = [
            Figure.of("import, everything on", rates[0], "resources/s", COMMAND, "JSON into one SQLite table", rival),
            Figure.of("processor time of one resource", used, "µs", COMMAND),
            Figure.of(
                f"cost of copy {len(rates)} of the sample", rates[0] / rates[-1], "× first", COMMAND,
                f"resources by then: {total * len(rates):,}",
            ),
        ]  # fmt: skip
        others = [each for place, each in enumerate(files) if place % TRAINED_ON]
        figures.append(disk(Path(scratch) / "disk", others))
        figures.append(disk_single(Path(scratch) / "single", *others[0]))
    return figures


if __name__ == "__main__":
    run(
        __doc__ or "", measure,
        ("--copies", {"type": int, "default": 2}), ("--directory", {"type": Path, "default": None}),
    )  # fmt: skip
