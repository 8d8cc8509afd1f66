"""Reading: one record by a fresh request, inside a lease, a compartment, a large record; milliseconds.

    python bench/reading.py [--json] [--times N] [--directory DIR]

One process with five custodians, opened anew after the records were deposited, as a gateway is; each fresh request is
logged durably before it is answered. The rival beside a fresh request is one synced SQLite transaction on the same
disk; beside the 1 MB record, decrypting it with bare AES-256-GCM.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from _measured import Figure, run, spread
from _network import DESK, import_for, new_patient, new_stage
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from careledger.app.world import World, open_world
from careledger.cli.demo.founding import CITY
from careledger.cli.demo.stage import Stage
from careledger.domain.categories import Category, Compartment
from careledger.domain.records import Ground
from careledger.fhir.sample import sample_file, sample_names
from careledger.formats.bodies import RecordBody
from careledger.formats.patients import AliasStatement
from careledger.workflows.accesses import by_registrar
from careledger.workflows.actors import Organisation, Session, open_session
from careledger.workflows.asking import Access
from careledger.workflows.batches import Writer
from careledger.workflows.deposit import deposit
from careledger.workflows.epochs import ensure_epochs, own_statement
from careledger.workflows.lease import open_lease
from careledger.workflows.network import Network
from careledger.workflows.new_versions import NewVersion
from careledger.workflows.register import kept_holder
from careledger.workflows.retrieve import retrieve

COMMAND = "python bench/reading.py"
DOCTOR = "Dr Rahman, City"
REPORT = Compartment(Category.REPORT)
SAMPLE = "Alda400_Paucek755"
MANY = 200


def synced(folder: Path, times: int) -> tuple[float, float]:
    """One row and its sync."""
    db = sqlite3.connect(folder / "synced.db", isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute("CREATE TABLE rows (body BLOB)")
    taken = spread(lambda: db.execute("INSERT INTO rows VALUES (?)", (os.urandom(1500),)), times)
    db.close()
    return taken


@dataclass
class Reading:
    """A doctor of the registrar in a gateway that was started after the records were deposited."""

    network: Network
    city: Organisation
    session: Session

    def patient(self, alias: bytes) -> tuple[AliasStatement, Access]:
        """A patient's newest statement, and what the doctor reads their reports with."""
        holder = kept_holder(self.city, alias)
        statement, _ = own_statement(holder)
        return statement, by_registrar(self.network, self.session, holder, statement, [REPORT])


def report(number: int, content: bytes, mime: str = "application/fhir+json") -> NewVersion:
    """A report of that content."""
    body = RecordBody(content, content, None, None, ())
    return NewVersion(
        os.urandom(16), 1, None, "DiagnosticReport", "", REPORT, body, mime, "imported", str(number), 1, "2026-01-01"
    )  # fmt: skip


def filled(stage: Stage) -> tuple[bytes, bytes, bytes]:
    """The aliases of a sample patient, of one with so many reports, of one with a large one."""
    name = next(each for each in sample_names() if each.startswith(SAMPLE))
    usual = new_patient(stage)
    import_for(stage, usual, sample_file(name), name)
    many = [
        report(number, b'{"resourceType":"DiagnosticReport","id":"%d"}' % number) for number in range(MANY)
    ]
    large = [report(0, os.urandom(1_000_000), "application/pdf")]
    writer = Writer(stage.organisations[CITY], Ground.REGISTRAR, stage.session(DESK))
    return usual.holder.alias, deposited(stage, writer, many), deposited(stage, writer, large)


def deposited(stage: Stage, writer: Writer, versions: Sequence[NewVersion]) -> bytes:
    """The alias of a new patient with these reports."""
    holder = new_patient(stage).holder
    ensure_epochs(stage.world.network, holder, [REPORT.number])
    deposit(stage.world.network, writer, own_statement(holder)[0], versions)
    return holder.alias


def started(world: World, now: int) -> Reading:
    """The doctor's session in a world that was just opened."""
    city = world.keyring.organisation(CITY)
    doctor = world.keyring.all_staff(city)[DOCTOR]
    return Reading(world.network, city, open_session(doctor, world.ledger.deployment, now))


def fresh(reading: Reading, alias: bytes, times: int) -> tuple[float, float, int]:
    """All reports of a patient by requests of their own: median and p99, and how many reports there are."""
    statement, by = reading.patient(alias)
    number = len(retrieve(reading.network, by, statement, [REPORT]).records)
    return *spread(lambda: retrieve(reading.network, by, statement, [REPORT]), times), number


def single(reading: Reading, alias: bytes, times: int) -> tuple[float, float]:
    """One report of a patient, named, by requests of their own."""
    statement, by = reading.patient(alias)
    handle = retrieve(reading.network, by, statement, [REPORT]).records[0].handle
    return spread(lambda: retrieve(reading.network, by, statement, handles=[handle]), times)


def leased(reading: Reading, alias: bytes, times: int) -> tuple[float, float]:
    """A look at the reports that a lease opened."""
    statement, by = reading.patient(alias)
    lease = open_lease(reading.network, reading.session, by, statement, [REPORT])
    return spread(lambda: lease.records(reading.network), times)


def measure(chosen: argparse.Namespace) -> list[Figure]:
    """One record, a lease, a compartment, a large record."""
    times, few = chosen.times, max(5, chosen.times // 10)
    with tempfile.TemporaryDirectory(dir=chosen.directory) as scratch:
        sync, folder = synced(Path(scratch), times), Path(scratch) / "network"
        stage = new_stage(folder)
        usual, many, large = filled(stage)
        stage.world.close()
        world = open_world(folder, stage.clock)
        reading = started(world, stage.clock.now())
        one, inside = single(reading, usual, times), leased(reading, usual, times)
        some, all_of_many = fresh(reading, usual, few), fresh(reading, many, few)
        look, megabyte = leased(reading, many, times), single(reading, large, few)
        world.close()
    key, data = AESGCM(os.urandom(32)), os.urandom(1_000_000)
    bare = spread(lambda: key.encrypt(bytes(12), data, None), 50)
    rival = "one synced SQLite transaction"
    return [
        Figure.of("one record, fresh request, median", one[0], "ms", COMMAND, rival, sync[0]),
        Figure.of("one record, fresh request, p99", one[1], "ms", COMMAND, rival, sync[1]),
        Figure.of("a look inside a lease, median", inside[0], "ms", COMMAND, rival, sync[0]),
        Figure.of("a look inside a lease, p99", inside[1], "ms", COMMAND, rival, sync[1]),
        Figure.of(f"a look at {MANY} records inside a lease, median", look[0], "ms", COMMAND, rival, sync[0]),
        Figure.of(
            f"a compartment of {some[2]}, fresh request, median", some[0], "ms", COMMAND, rival, sync[0]
        ),
        Figure.of(
            f"a compartment of {all_of_many[2]}, fresh request, median",
            all_of_many[0],
            "ms",
            COMMAND,
            rival,
            sync[0],
        ),
        Figure.of(
            "a 1 MB record, fresh request, median", megabyte[0], "ms", COMMAND, "AES-256-GCM of 1 MB", bare[0]
        ),
    ]


if __name__ == "__main__":
    run(
        __doc__ or "", measure,
        ("--times", {"type": int, "default": 200}), ("--directory", {"type": Path, "default": None}),
    )  # fmt: skip
