"""A network for benchmarks: the demo's founding in a new directory, and sample patients imported into it."""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from careledger.app.clocks import StoryClock
from careledger.app.reading_ahead import Desk, Unread, read_ahead
from careledger.app.world import found
from careledger.cli.demo import founding
from careledger.cli.demo.run import BEHIND, OFFICERS
from careledger.cli.demo.stage import Stage
from careledger.cli.screen import Screen
from careledger.domain.records import Ground
from careledger.workflows import intake, register
from careledger.workflows.actors import Holder
from careledger.workflows.batches import Writer
from careledger.workflows.epochs import own_statement
from careledger.workflows.import_file import Imported, import_file, namespace_of

DESK = "records desk, City"


@dataclass
class Registered:
    """One registered patient and what was imported for it."""

    holder: Holder
    imported: Imported | None = None


def new_stage(folder: Path) -> Stage:
    """Five organisations with five custodians and matrix version 2, told on no screen; close ``stage.world``."""
    clock = StoryClock(BEHIND)
    stage = Stage(found(folder, OFFICERS, clock), Screen(Console(quiet=True)), clock)
    founding.open_the_network(stage)
    founding.vote_the_matrix(stage)
    clock.catch_up()
    return stage


def new_patient(stage: Stage) -> Registered:
    """Registered at City Hospital, which holds the keys."""
    city = stage.organisations[founding.CITY]
    return Registered(register.patient(stage.world.network, city, compartments=()))


def import_for(stage: Stage, patient: Registered, data: bytes, name: str) -> Imported:
    """Imports a file for a registered patient, epochs and all."""
    statement, _ = own_statement(patient.holder)
    writer = Writer(stage.organisations[founding.CITY], Ground.REGISTRAR, stage.session(DESK))
    patient.imported = import_file(stage.world.network, writer, statement, data, name, holder=patient.holder)
    return patient.imported


def timed_import(stage: Stage, files: list[Path]) -> tuple[int, float, float]:
    """Resources, seconds and processor seconds of importing files as the command line does: read ahead in a second
    process, each file for a patient registered beforehand. The processor time of both processes counts."""
    patients = [new_patient(stage) for _ in files]
    city = stage.organisations[founding.CITY]
    session = stage.session(DESK)
    begun, used, total = time.perf_counter(), _processor(), 0
    read = read_ahead([(each,) for each in files], Desk(namespace_of(city)))
    for patient, ((path, *_), staged) in zip(patients, read, strict=True):
        if isinstance(staged, Unread):
            raise SystemExit(f"{path.name}: {staged.why}")
        statement, _ = own_statement(patient.holder)
        total += len(intake.import_for(stage.world.network, session, statement, staged).deposited.handles)
    return total, time.perf_counter() - begun, _processor() - used


def _processor() -> float:
    """Seconds of processor time of this process and of those that it started and that have ended."""
    mine, others = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return mine.ru_utime + mine.ru_stime + others.ru_utime + others.ru_stime
