"""What is hidden costs a reader nothing: one class of records read beside none and beside many of another class.

    python bench/hidden.py [--json] [--times N] [--hidden N] [--directory DIR]

Milliseconds of processor time of the one process that has gateway and five custodians, so that other load shows little;
two patients with 50 reports each, one of whom has so many measurements besides. The rival of each figure is the same
request for the patient who has none. That the steps are equal, and not only the time, is a test
(tests/gateway/test_hidden_records.py).
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median

from _measured import Figure, run
from _network import DESK, new_patient, new_stage
from reading import REPORT, Reading, report, started

from careledger.app.world import open_world
from careledger.cli.demo.founding import CITY
from careledger.cli.demo.stage import Stage
from careledger.domain.categories import Category, Compartment
from careledger.domain.records import Ground
from careledger.workflows.batches import Writer
from careledger.workflows.deposit import deposit
from careledger.workflows.epochs import ensure_epochs, own_statement
from careledger.workflows.lease import open_lease
from careledger.workflows.new_versions import NewVersion
from careledger.workflows.retrieve import retrieve

COMMAND = "python bench/hidden.py"
SHOWN = 50
MEASUREMENT = Compartment(Category.MEASUREMENT)


def filled(stage: Stage, hidden: int) -> bytes:
    """The alias of a new patient with some reports and so many measurements."""
    holder = new_patient(stage).holder
    ensure_epochs(stage.world.network, holder, [REPORT.number, MEASUREMENT.number])
    writer = Writer(stage.organisations[CITY], Ground.REGISTRAR, stage.session(DESK))
    reports = [report(number, b'{"n":"%d"}' % number) for number in range(SHOWN)]
    for versions in (reports, [measured(number) for number in range(hidden)]):
        if versions:
            deposit(stage.world.network, writer, own_statement(holder)[0], versions)
    return holder.alias


def measured(number: int) -> NewVersion:
    """A measurement."""
    made = report(number, b'{"m":"%d"}' % number)
    return replace(made, record_id=os.urandom(16), resource_type="Observation", compartment=MEASUREMENT)


def taken(work: Callable[[], object], times: int) -> float:
    """The median of its processor time in milliseconds."""
    found = []
    for _ in range(times):
        begun = time.process_time()
        work()
        found.append(1000 * (time.process_time() - begun))
    return median(found)


def read(reading: Reading, alias: bytes, times: int) -> tuple[float, float]:
    """The reports by requests of their own, and by looks at what a lease opened."""
    statement, by = reading.patient(alias)
    assert len(retrieve(reading.network, by, statement, [REPORT]).records) == SHOWN
    lease = open_lease(reading.network, reading.session, by, statement, [REPORT])
    looks = taken(lambda: lease.records(reading.network), times)
    return taken(lambda: retrieve(reading.network, by, statement, [REPORT]), max(5, times // 10)), looks


def measure(chosen: argparse.Namespace) -> list[Figure]:
    """A request and a look, beside nothing and beside much that is hidden."""
    with tempfile.TemporaryDirectory(dir=chosen.directory) as scratch:
        folder = Path(scratch) / "network"
        stage = new_stage(folder)
        aliases = [filled(stage, 0), filled(stage, chosen.hidden)]
        stage.world.close()
        world = open_world(folder, stage.clock)
        reading = started(world, stage.clock.now())
        none, many = (read(reading, alias, chosen.times) for alias in aliases)
        world.close()
    said, rival = f"with {chosen.hidden:,} hidden, median", "with none"
    return [
        Figure.of(
            f"{SHOWN} reports, fresh request, {said}", many[0], "ms of processor", COMMAND, rival, none[0]
        ),
        Figure.of(f"a look inside a lease, {said}", many[1], "ms of processor", COMMAND, rival, none[1]),
    ]


if __name__ == "__main__":
    run(
        __doc__ or "", measure,
        ("--times", {"type": int, "default": 200}), ("--hidden", {"type": int, "default": 10_000}),
        ("--directory", {"type": Path, "default": None}),
    )  # fmt: skip
