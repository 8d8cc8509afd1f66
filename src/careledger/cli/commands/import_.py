"""``careledger import``."""

from __future__ import annotations

import secrets
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from careledger.app.reading_ahead import Desk, Unread, files_in, read, read_ahead, units
from careledger.cli import importing, scoping
from careledger.cli.actors import session
from careledger.cli.endings import not_verified
from careledger.cli.importing import Importing
from careledger.cli.opening import opened
from careledger.cli.options import DATA, As, Data, Json, command, single
from careledger.cli.output import print_json, progress, screen
from careledger.cli.people import anyone
from careledger.cli.words import Facts
from careledger.domain.categories import Compartment
from careledger.workflows.alike import KnownPeople
from careledger.workflows.from_fhir import Unit
from careledger.workflows.import_file import namespace_of
from careledger.workflows.source_patients import known_as
from careledger.workflows.staged import Staged

app = single()


Paths = Annotated[
    list[Path],
    typer.Argument(
        metavar="PATH…",
        exists=True,
        readable=True,
        help="FHIR R4 JSON or NDJSON files, PDF or DICOM files, pictures, or folders of them.",
    ),
]
Filed = Annotated[
    str,
    typer.Option(
        "--category", metavar="NAME", help="Where documents are filed, for example report; else restricted."
    ),
]
Whose = Annotated[
    str,
    typer.Option(
        "--patient",
        metavar="PATIENT",
        help="Whose records these are; else whose the files say that they are.",
    ),
]
Rejects = Annotated[
    Path | None,
    typer.Option("--rejects", metavar="FILE", help="Write each reject there, a line of JSON each."),
]


@command(
    app,
    "import",
    'careledger import bundle.json --patient velvet --as "records desk, City"',
    'careledger import bundle.json --patient velvet --as "records desk, City" --preview',
    'careledger import bundle.json --patient velvet --as "records desk, City" --rejects rejects.ndjson',
    'careledger import letter.pdf --patient velvet --category report --as "records desk, City"',
)
def import_(
    paths: Paths,
    acting: As,
    named: Whose = "",
    category: Filed = "",
    all_or_nothing: Annotated[
        bool, typer.Option("--all-or-nothing", help="Import nothing of a file in which one entry is wrong.")
    ] = False,
    preview: Annotated[bool, typer.Option("--preview", help="Only read and judge; write nothing.")] = False,
    rejects: Rejects = None,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Import files: read, validated, sealed, put under custody, anchored. What was imported before stays so.

    Without --patient each record goes to the patient whom it is about, who is registered here the first time a file
    names them; a file may name several, and the parts of a bulk export are read as one. What
    belongs to nobody is rejected by name. Broken off, or with other files beside, the same command goes on where it
    was. PDF and DICOM files and pictures, known by what they begin with, are documents of the patient who is named. The
    registrar imports until the patient claims, afterwards who has a consent to append. A file that cannot be
    imported names itself, and the next one is imported all the same; then the exit code is 1.
    """
    with opened(data) as world:
        asking = session(world, acting)
        known = anyone(world, named) if named else None
        run, people = secrets.token_bytes(16), KnownPeople(asking.staff.organisation)
        how = Importing(world, asking, known, all_or_nothing, run, people)
        found = _all(how, units(files_in(paths, with_documents=known is not None)), _filed(category), preview)
    said = run.hex() if any(each["deposited"] for each in found) else None
    if rejects is not None:
        importing.write_rejects(rejects, found)
    facts = {"run": said, "files": found}
    print_json(facts) if as_json else importing.show(screen(), found, preview, said)
    if any(each["error"] or each["rejected"] for each in found):
        not_verified()


def _as_before(how: Importing, unit: Unit, staged: Staged | Unread, desk: Desk) -> Staged | Unread:
    """Under the ids that the file's records had where it was imported by the name that its source has for the same
    patient; else as it was read."""
    if how.known is None or isinstance(staged, Unread):
        return staged
    keys = {each.key for each in staged.patients}
    return (
        read(unit, replace(desk, apart=False))
        if known_as(how.organisation, keys, how.known.alias)
        else staged
    )


def _filed(category: str) -> Compartment | None:
    """Where documents go; raises BadParameter."""
    named = scoping.compartments([category], None) if category else frozenset()
    if len(named) > 1:
        raise typer.BadParameter("name one", param_hint="--category")
    return next(iter(named), None)


def _all(how: Importing, files: list[Unit], filed: Compartment | None, preview: bool) -> list[Facts]:
    desk = Desk(namespace_of(how.organisation), how.known.alias if how.known else b"", filed)
    act = importing.judged if preview else importing.imported
    found = []
    with progress() as bar:
        task = bar.add_task("files", total=len(files))
        for unit, staged in read_ahead(files, desk):
            found.append(act(how, unit, _as_before(how, unit, staged, desk)))
            del staged  # or two large files lie in memory while the next one is read
            bar.advance(task)
    return found
