"""The sample patients are registered and their records imported, sealed, put under custody and anchored."""

from __future__ import annotations

import time
from collections import Counter

from careledger.cli.demo.founding import CITY, LAKESIDE
from careledger.cli.demo.stage import STORY, Stage
from careledger.domain.records import Ground
from careledger.fhir.sample import sample_file, sample_names
from careledger.fhir.versions import ImportReport
from careledger.workflows import register
from careledger.workflows.batches import Writer
from careledger.workflows.epochs import own_statement
from careledger.workflows.import_file import Imported, import_file

DESKS = {CITY: "records desk, City", LAKESIDE: "records desk, Lakeside"}


def import_sample(stage: Stage, most: int) -> None:
    """Every sample patient but the story's own, registered with a hospital that holds the keys until they claim."""
    stage.screen.chapter("The sample's patients are registered and their records imported")
    names = [name for name in sample_names() if name != STORY][:most]
    begun, counts = time.perf_counter(), Counter[str]()
    total = 0
    with stage.screen.progress() as bar:
        task = bar.add_task("patients", total=len(names))
        for place, name in enumerate(names):
            imported = _one(stage, name, list(DESKS)[place % len(DESKS)])
            total += len(imported.deposited.handles)
            counts.update(_categories(imported.report))
            bar.advance(task)
    stage.tend()
    seconds = time.perf_counter() - begun
    stage.screen.bars(
        "Records by category (restricted ones counted with their category)", counts.most_common()
    )
    stage.claim(
        f"{total} records of {len(names)} patients are sealed, kept by custodians and anchored", total > 0
    )
    stage.screen.says(
        f"  That took {seconds:.0f} s, {1000 * seconds / max(1, total):.1f} ms for each record."
    )
    stage.counts["imported"] = total


def _one(stage: Stage, name: str, label: str) -> Imported:
    network, registrar = stage.world.network, stage.organisations[label]
    data = sample_file(name)
    holder = register.patient(network, registrar, compartments=())
    statement, _ = own_statement(holder)
    writer = Writer(registrar, Ground.REGISTRAR, stage.session(DESKS[label]))
    return import_file(network, writer, statement, data, name, holder=holder)


def _categories(report: ImportReport) -> Counter[str]:
    return Counter(version.compartment.category.code for version in report.versions)
