"""``careledger export PATIENT``: a patient takes the record away, as FHIR, as documents, or as an
archive that only the phrase opens."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from careledger.cli.opening import Mine
from careledger.cli.output import new_folder, print_pieces, write_private
from careledger.cli.records import own_records
from careledger.domain.errors import ExportStopped
from careledger.workflows.archives import as_archive
from careledger.workflows.export import as_fhir, documents
from careledger.workflows.retrieve import Record

if TYPE_CHECKING:
    from careledger.app.world import World

STDOUT = "-"


@dataclass(frozen=True)
class Exported:
    """How many records, versions or documents were written."""

    count: int


def export_fhir(world: World, mine: Mine, path: Path) -> Exported:
    """Writes the newest version of each record as a collection Bundle, with large files, which pass in pieces.

    Raises ExportStopped where something may be missing: half a record is never written as a whole one.
    """
    records = _everything(world, mine)
    bundle = as_fhir(world.network, records)
    if str(path) == STDOUT:
        print_pieces(bundle)
    else:
        write_private(path, chain(bundle, (b"\n",)), "--fhir")
    return Exported(len({record.manifest.record_id for record in records}))


def export_archive(world: World, mine: Mine, path: Path) -> Exported:
    """Writes every version, and the files beside them, sealed to the patient. Raises ExportStopped."""
    records = _everything(world, mine)
    write_private(path, as_archive(world.network, mine.holder, records), "--archive")
    return Exported(len(records))


def export_documents(world: World, mine: Mine, folder: Path) -> Exported:
    """Writes each document of the newest version of each record, named by the record and its kind.

    What a file says of its own name is not used. Raises ExportStopped, BadParameter for a folder that is not empty.
    """
    records = _everything(world, mine)
    new_folder(folder, "--documents")
    count = 0
    for name, data in documents(world.network, records):
        write_private(folder / name, data, "--documents")
        count += 1
    return Exported(count)


def _everything(world: World, mine: Mine) -> list[Record]:
    found = own_records(world, mine).retrieved
    if not found.complete or found.problems:
        raise ExportStopped(custodians=len(found.asked.answers), did_not_open=len(found.problems))
    return list(found.records)
