"""Opening a data directory again, folding the ledger's facts anew, and the release log: how much a second.

    python bench/opening.py [--json] [--copies N] [--resources N] [--minutes M] [--entries N] [--roots N]
                            [--directory DIR]

The directory holds ``--copies`` imports of the sample, and with ``--resources`` goes on until so many are in or
``--minutes`` are over. Opening takes all custodians in, whose logs are made again and
compared with the ledger. Rebuilding the index drops the projection and folds it from the chain's first block on;
records come on the chain as roots over whole deposits, so it is done too with ``--roots`` records that were deposited
one by one, each root in a block of its own. The log is one custodian's: sealed lines for one patient, durable in groups
of a hundred, what a line takes in memory, and the patient's proof that none of ``--entries`` is missing. The rival
beside the log is SQLite with one synced transaction for each group.
"""

from __future__ import annotations

import argparse
import gc
import os
import sqlite3
import tempfile
import time
import tracemalloc
from pathlib import Path

from _importing import imported_copies, written
from _measured import Figure, run
from _network import new_patient, new_stage

from careledger.app.world import open_world
from careledger.cli.demo.founding import CITY
from careledger.cli.demo.stage import Stage
from careledger.fhir.sample import sample_files
from careledger.proofs.release_log import KeptLog
from careledger.workflows.actors import Holder
from careledger.workflows.audit import audit
from careledger.workflows.custodian import logbook
from careledger.workflows.custodian.custodian import Custodian
from careledger.workflows.custodian.logbook import Event
from careledger.workflows.epochs import own_statement

COMMAND = "python bench/opening.py"
GROUP = 100
LINE = 1_500


def grown(stage: Stage, holder: Holder, entries: int) -> float:
    """Lines a second at the first custodian of the patient's list, sealed and durable."""
    statement, _ = own_statement(holder)
    link = stage.world.custodians[statement.custodians[0]]
    assert isinstance(link, Custodian)
    custody, view = link._custody, stage.world.ledger.fresh_head()
    begun = time.perf_counter()
    for _ in range(entries // GROUP):
        with custody.journal.transaction():
            for _ in range(GROUP):
                logbook.write(custody, view, statement, Event("released", request=os.urandom(16), reader=7))
    return entries / (time.perf_counter() - begun)


def remembered(custodian: object) -> float:
    """Bytes of memory that a line of a custodian's log takes once its head was made."""
    assert isinstance(custodian, Custodian)
    log = KeptLog("measured", custodian._custody.journal.log())
    tracemalloc.start()
    log.head()
    gc.collect()
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return taken / log.size


def plain(folder: Path, entries: int) -> float:
    """The same number of rows of that length in plain SQLite."""
    db = sqlite3.connect(folder / "plain.db", isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute("CREATE TABLE lines (number INTEGER PRIMARY KEY, body BLOB)")
    begun = time.perf_counter()
    for _ in range(entries // GROUP):
        db.execute("BEGIN")
        db.executemany("INSERT INTO lines (body) VALUES (?)", [(os.urandom(LINE),) for _ in range(GROUP)])
        db.execute("COMMIT")
    db.close()
    return entries / (time.perf_counter() - begun)


def rebuilt_singles(folder: Path, count: int) -> float:
    """Records a second where each was deposited alone: roots of our own making, over one leaf each."""
    stage = new_stage(folder)
    city = stage.organisations[CITY]
    for _ in range(count):
        stage.world.ledger.anchor(os.urandom(32), 1, city.number, city.controller)
    begun = time.perf_counter()
    stage.world.ledger.rebuild()
    rate = count / (time.perf_counter() - begun)
    stage.world.close()
    return rate


def measure(chosen: argparse.Namespace) -> list[Figure]:
    """Log, audit, opening, rebuilding."""
    with tempfile.TemporaryDirectory(dir=chosen.directory) as scratch:
        folder = Path(scratch) / "network"
        stage, paths = new_stage(folder), written(Path(scratch) / "files", list(sample_files()))
        total = sum(copy.resources for copy in imported_copies(stage, paths, chosen))
        holder = new_patient(stage).holder
        lines, rival = grown(stage, holder, chosen.entries), plain(Path(scratch), chosen.entries)
        for link in stage.world.custodians.values():
            link.call("checkpoint", b"")
        begun = time.perf_counter()
        audit(stage.world.network, holder)
        audited = time.perf_counter() - begun
        kept = remembered(stage.world.custodians[own_statement(holder)[0].custodians[0]])
        stage.world.close()
        begun, used = time.perf_counter(), time.process_time()
        world = open_world(folder)
        for link in world.custodians.values():
            link.call("checkpoint", b"")
        opened, used = time.perf_counter() - begun, time.process_time() - used
        begun = time.perf_counter()
        world.ledger.rebuild()
        rebuilt = time.perf_counter() - begun
        world.close()
        singles = rebuilt_singles(Path(scratch) / "singles", chosen.roots)
    return [
        Figure.of(
            "release log, lines durable", lines, "lines/s", COMMAND, "SQLite rows of that length", rival
        ),
        Figure.of("memory of a line of the release log", kept, "bytes", COMMAND),
        Figure.of(f"audit of {chosen.entries:,} lines", audited, "s", COMMAND),
        Figure.of(f"opening {total:,} records, five custodians", opened, "s", COMMAND),
        Figure.of("processor time of that", used, "s", COMMAND),
        Figure.of("rebuilding the index", total / rebuilt, "records/s", COMMAND),
        Figure.of("the same, a root and a block each", singles, "records/s", COMMAND),
    ]


if __name__ == "__main__":
    run(
        __doc__ or "", measure,
        ("--copies", {"type": int, "default": 4}), ("--entries", {"type": int, "default": 10_000}),
        ("--resources", {"type": int, "default": 0}), ("--minutes", {"type": float, "default": 30}),
        ("--roots", {"type": int, "default": 3_000}), ("--directory", {"type": Path, "default": None}),
    )  # fmt: skip
