"""Reading: one record by a fresh request, inside a lease, a compartment, a large record; milliseconds.

    python bench/reading.py [--json] [--times N] [--directory DIR]

One process with five custodians; each fresh request is logged durably before it is answered. The rival beside a fresh
request is one synced SQLite transaction on the same disk; beside the 1 MB record, decrypting it with bare AES-256-GCM.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import tempfile
from pathlib import Path

from _measured import Figure, run, spread
from _network import DESK, Registered, import_for, new_patient, new_stage
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from careledger.cli.demo.founding import CITY
from careledger.cli.demo.stage import Stage
from careledger.domain.categories import Category, Compartment
from careledger.domain.records import Ground
from careledger.fhir.sample import sample_file, sample_names
from careledger.formats.bodies import RecordBody
from careledger.workflows.accesses import by_registrar
from careledger.workflows.asking import Access
from careledger.workflows.batches import NewVersion, Writer
from careledger.workflows.deposit import deposit
from careledger.workflows.epochs import own_statement
from careledger.workflows.lease import open_lease
from careledger.workflows.retrieve import retrieve

COMMAND = "python bench/reading.py"
DOCTOR = "Dr Rahman, City"
REPORT = Compartment(Category.REPORT)
SAMPLE = "Alda400_Paucek755"


def synced(folder: Path, times: int) -> tuple[float, float]:
    """One row and its sync."""
    db = sqlite3.connect(folder / "synced.db", isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute("CREATE TABLE rows (body BLOB)")
    taken = spread(lambda: db.execute("INSERT INTO rows VALUES (?)", (os.urandom(1500),)), times)
    db.close()
    return taken


def access(stage: Stage, patient: Registered) -> Access:
    """The registrar's desk, for care."""
    statement, _ = own_statement(patient.holder)
    return by_registrar(stage.world.network, stage.session(DOCTOR), patient.holder, statement, [REPORT])


def large(stage: Stage, patient: Registered) -> bytes:
    """A report of 1 MB is deposited; returns its handle."""
    statement, _ = own_statement(patient.holder)
    writer = Writer(stage.organisations[CITY], Ground.REGISTRAR, stage.session(DESK))
    content = os.urandom(1_000_000)
    made = NewVersion(
        os.urandom(16), 1, None, "DocumentReference", "", REPORT, RecordBody(content, content, None, None, ()),
        "application/pdf", "imported", "large", 1, "2026-01-01",
    )  # fmt: skip
    return next(iter(deposit(stage.world.network, writer, statement, [made]).handles.values()))


def measure(chosen: argparse.Namespace) -> list[Figure]:
    """One record, a lease, a compartment, a large record."""
    with tempfile.TemporaryDirectory(dir=chosen.directory) as scratch:
        sync = synced(Path(scratch), chosen.times)
        stage = new_stage(Path(scratch) / "network")
        network, patient = stage.world.network, new_patient(stage)
        name = next(each for each in sample_names() if each.startswith(SAMPLE))
        import_for(stage, patient, sample_file(name), name)
        statement, _ = own_statement(patient.holder)
        by = access(stage, patient)
        found = retrieve(network, by, statement, [REPORT])
        handle, many = found.records[0].handle, [each.handle for each in found.records[:200]]
        one = spread(lambda: retrieve(network, by, statement, handles=[handle]), chosen.times)
        several = spread(lambda: retrieve(network, by, statement, handles=many), max(3, chosen.times // 20))
        session = stage.session(DOCTOR)
        leased = by_registrar(network, session, patient.holder, statement, [REPORT])
        lease = open_lease(network, session, leased, statement, [REPORT])
        inside = spread(lambda: lease.records(network), chosen.times)
        big = large(stage, patient)
        megabyte = spread(lambda: retrieve(network, by, statement, handles=[big]), max(3, chosen.times // 10))
        key, data = AESGCM(os.urandom(32)), os.urandom(1_000_000)
        bare = spread(lambda: key.encrypt(bytes(12), data, None), 50)
        stage.world.close()
    rival = "one synced SQLite transaction"
    return [
        Figure.of("one record, fresh request, median", one[0], "ms", COMMAND, rival, sync[0]),
        Figure.of("one record, fresh request, p99", one[1], "ms", COMMAND, rival, sync[1]),
        Figure.of("a look inside a lease, median", inside[0], "ms", COMMAND, rival, sync[0]),
        Figure.of(f"{len(many)} records, fresh request, median", several[0], "ms", COMMAND, rival, sync[0]),
        Figure.of(
            "a 1 MB record, fresh request, median", megabyte[0], "ms", COMMAND, "AES-256-GCM of 1 MB", bare[0]
        ),
    ]


if __name__ == "__main__":
    run(
        __doc__ or "", measure,
        ("--times", {"type": int, "default": 200}), ("--directory", {"type": Path, "default": None}),
    )  # fmt: skip
