"""``careledger import``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from careledger.app.world import World
from careledger.cli.actors import session
from careledger.cli.endings import not_verified
from careledger.cli.opening import opened
from careledger.cli.options import DATA, As, Data, Json, command, single
from careledger.cli.output import print_json, progress, screen
from careledger.cli.people import Known, anyone
from careledger.cli.screen import Screen
from careledger.cli.words import Facts, counted
from careledger.domain.errors import CareLedgerError
from careledger.workflows.actors import Session
from careledger.workflows.grounds import writer
from careledger.workflows.import_file import Imported, import_file
from careledger.workflows.register import kept_aliases, kept_holder

app = single()


@command(
    app,
    "import",
    'careledger import bundle.json --patient velvet --as "records desk, City"',
)
def import_(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE…", exists=True, dir_okay=False, readable=True, help="FHIR R4 JSON files."
        ),
    ],
    named: Annotated[str, typer.Option("--patient", metavar="PATIENT", help="Whose records these are.")],
    acting: As,
    all_or_nothing: Annotated[
        bool, typer.Option("--all-or-nothing", help="Import nothing of a file in which one entry is wrong.")
    ] = False,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Import FHIR files for one patient: read, sealed, put under custody, anchored. What was imported before stays so.

    The registrar imports until the patient claims, afterwards who has a consent to append. A file that cannot be
    imported names itself, and the next one is imported all the same; then the exit code is 1.
    """
    with opened(data) as world:
        asking, known = session(world, acting), anyone(world, named)
        found = []
        with progress() as bar:
            task = bar.add_task("files", total=len(files))
            for file in files:
                found.append(_one(world, asking, known, file, all_or_nothing))
                bar.advance(task)
    wrong = any(each["error"] or each["rejected"] for each in found)
    print_json({"files": found}) if as_json else _show(screen(), found)
    if wrong:
        not_verified()


def _one(world: World, asking: Session, known: Known, file: Path, all_or_nothing: bool) -> Facts:
    organisation = asking.staff.organisation
    holder = kept_holder(organisation, known.alias) if known.alias in kept_aliases(organisation) else None
    try:
        by = writer(world.network, asking, known.statement)
        made = import_file(
            world.network, by, known.statement, file.read_bytes(), file.name, holder=holder,
            all_or_nothing=all_or_nothing,
        )  # fmt: skip
    except CareLedgerError as error:
        return {**_nothing(file), "error": type(error).__name__, "why": str(error)}
    return {**_nothing(file), **_facts(made)}


def _nothing(file: Path) -> Facts:
    return {
        "file": file.name,
        "deposited": 0,
        "known": 0,
        "rejected": [],
        "warnings": 0,
        "unmapped": 0,
        "root": None,
        "thin": False,
        "error": None,
        "why": None,
    }


def _facts(made: Imported) -> Facts:
    report, deposited = made.report, made.deposited
    return {
        "deposited": len(deposited.handles),
        "known": len(deposited.known),
        "rejected": [f"entry {each.index}, {each.path}: {each.why}" for each in report.rejects],
        "warnings": len(report.warnings),
        "unmapped": len(report.unmapped),
        "root": deposited.root.hex() if deposited.handles else None,
        "thin": deposited.thin,
    }


def _show(screen: Screen, found: list[Facts]) -> None:
    for each in found:
        if each["error"]:
            screen.fails(f"{each['file']}: {each['why']}")
            continue
        screen.holds(
            f"{each['file']}: {counted(each['deposited'], 'record')} deposited, {each['known']} known before, "
            f"{len(each['rejected'])} rejected."
        )
        for reject in each["rejected"]:
            screen.warns(reject)
