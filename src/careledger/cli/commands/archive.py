"""``careledger archive``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from careledger.cli import archives, phrases
from careledger.cli.actors import organisation
from careledger.cli.export import STDOUT
from careledger.cli.opening import opened, patient
from careledger.cli.options import DATA, Data, Json, Patient, ToDocuments, ToFhir, command, group
from careledger.cli.output import print_json
from careledger.cli.words import counted

app = group("Archives that a phrase opens: open, import.")
File = Annotated[
    Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, readable=True, help="The archive.")
]
Words = Annotated[
    Path,
    typer.Option(phrases.OPTION, metavar="FILE", help="A file with the 24 words of whose archive it is."),
]


@command(
    app,
    "open",
    "careledger archive open record.archive --phrase-file velvet.words",
    "careledger archive open record.archive --phrase-file velvet.words --fhir opened.json",
    "careledger archive open record.archive --phrase-file velvet.words --documents papers",
)
def open_(
    file: File,
    words: Words,
    fhir: ToFhir = None,
    documents: ToDocuments = None,
    as_json: Json = False,
) -> None:
    """Check an archive from end to end, and say what is in it or write it out; no data directory is needed."""
    if fhir is not None and documents is not None:
        raise typer.BadParameter("one of --fhir and --documents", param_hint="--fhir / --documents")
    if as_json and str(fhir) == STDOUT:
        raise typer.BadParameter("stdout holds the bundle or this object, not both", param_hint="--json")
    target = fhir or documents
    with archives.opened_archive(file, phrases.read(words)) as archive:
        written = 0
        if fhir is not None:
            written = archives.write_fhir(archive, fhir).count
        elif documents is not None:
            written = archives.write_documents(archive, documents).count
    versions, records, files = len(archive.versions), len(archive.newest()), len(archive.files)
    if as_json:
        where = None if target is None else str(target)
        print_json(
            {"versions": versions, "records": records, "files": files, "file": where, "written": written}
        )
        return
    there = f"{counted(records, 'record')} in {counted(versions, 'version')}, {counted(files, 'large file')}"
    told = "" if target is None else f" {written:,} written in the clear."
    typer.echo(f"The archive is whole: {there}.{told}", err=True)


@command(
    app,
    "import",
    'careledger archive import record.archive kazi --phrase-file velvet.words --by "City Hospital"',
)
def import_(
    file: File,
    named: Patient,
    words: Words,
    by: Annotated[
        str, typer.Option(metavar="NAME", help="The organisation that carries it; it can open nothing.")
    ],
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Put all versions of an archive into a patient's record; they are the patient's own deposits there, and name who
    stated them. Repeating is safe."""
    with (
        opened(data) as world,
        archives.opened_archive(file, phrases.read(words)) as archive,
    ):
        count = archives.bring(world, patient(world, named), organisation(world, by, "--by"), archive).count
    if as_json:
        print_json({"versions": count})
        return
    typer.echo(f"{counted(count, 'version')} of the archive in the record.", err=True)
