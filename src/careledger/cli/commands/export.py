"""``careledger export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from careledger.cli import export as exports
from careledger.cli.export import STDOUT
from careledger.cli.opening import opened, patient
from careledger.cli.options import DATA, Data, Json, Patient, ToDocuments, ToFhir, command, single
from careledger.cli.output import print_json
from careledger.cli.words import counted

app = single()


@command(
    app,
    "export",
    "careledger export velvet --fhir record.json",
    "careledger export velvet --archive record.archive",
    "careledger export velvet --documents documents",
)
def export(
    named: Patient,
    data: Data = DATA,
    fhir: ToFhir = None,
    archive: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write an archive that only the patient's phrase opens."),
    ] = None,
    documents: ToDocuments = None,
    as_json: Json = False,
) -> None:
    """Take a patient's record away, as FHIR, as documents, or as an encrypted archive; files that exist are never
    overwritten."""
    if sum(each is not None for each in (fhir, archive, documents)) != 1:
        ways = "--fhir / --archive / --documents"
        raise typer.BadParameter("one of --fhir, --archive and --documents", param_hint=ways)
    if as_json and str(fhir) == STDOUT:
        raise typer.BadParameter("stdout holds the bundle or this object, not both", param_hint="--json")
    with opened(data) as world:
        mine = patient(world, named)
        if fhir is not None:
            _told(as_json, fhir, "fhir", exports.export_fhir(world, mine, fhir))
        elif archive is not None:
            _told(as_json, archive, "archive", exports.export_archive(world, mine, archive))
        elif documents is not None:
            _told(as_json, documents, "documents", exports.export_documents(world, mine, documents))


def _told(as_json: bool, path: Path, form: str, made: exports.Exported) -> None:
    if as_json:
        facts = {"file": str(path), "form": form, "count": made.count}
        print_json(facts)
        return
    if form != "archive":
        what = "record" if form == "fhir" else "document"
        typer.echo(f"{counted(made.count, what)} exported in the clear.", err=True)
    else:
        typer.echo(
            f"{counted(made.count, 'version')} exported; the file opens with the patient's phrase.", err=True
        )
