"""``careledger export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from careledger.cli import export as exports
from careledger.cli.opening import opened, patient
from careledger.cli.options import DATA, Data, Patient, command, single
from careledger.cli.words import counted

app = single()


@command(
    app,
    "export",
    "careledger export velvet --fhir record.json",
    "careledger export velvet --archive record.archive",
)
def export(
    named: Patient,
    data: Data = DATA,
    fhir: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a FHIR R4 collection Bundle in the clear; - is stdout."),
    ] = None,
    archive: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write an archive that only the patient's phrase opens."),
    ] = None,
) -> None:
    """Take a patient's record away, as FHIR or as an encrypted archive; files that exist are never overwritten."""
    if (fhir is None) == (archive is None):
        raise typer.BadParameter("one of --fhir and --archive", param_hint="--fhir / --archive")
    with opened(data) as world:
        mine = patient(world, named)
        if fhir is not None:
            count = exports.export_fhir(world, mine, fhir)
            typer.echo(f"{counted(count, 'record')} exported in the clear.", err=True)
        elif archive is not None:
            count = exports.export_archive(world, mine, archive)
            typer.echo(
                f"{counted(count, 'version')} exported; the file opens with the patient's phrase.", err=True
            )
