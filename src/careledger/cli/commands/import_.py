"""``careledger import``."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from careledger.app.reading_ahead import Unread, files_in, read_ahead
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
from careledger.fhir.versions import ImportReport
from careledger.workflows.actors import Session
from careledger.workflows.grounds import writer
from careledger.workflows.import_file import Imported, import_report, namespace_of
from careledger.workflows.intake import known_alias, patient_version, take_in
from careledger.workflows.register import kept_aliases, kept_holder

app = single()


@command(
    app,
    "import",
    'careledger import bundle.json --patient velvet --as "records desk, City"',
    'careledger import bundle.json --patient velvet --as "records desk, City" --preview',
    'careledger import bundle.json --patient velvet --as "records desk, City" --rejects rejects.ndjson',
)
def import_(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH…",
            exists=True,
            readable=True,
            help="FHIR R4 JSON or NDJSON files, or folders of them.",
        ),
    ],
    acting: As,
    named: Annotated[
        str,
        typer.Option(
            "--patient", metavar="PATIENT", help="Whose records these are; else each file's own patient's."
        ),
    ] = "",
    all_or_nothing: Annotated[
        bool, typer.Option("--all-or-nothing", help="Import nothing of a file in which one entry is wrong.")
    ] = False,
    preview: Annotated[bool, typer.Option("--preview", help="Only read and judge; write nothing.")] = False,
    rejects: Annotated[
        Path | None,
        typer.Option("--rejects", metavar="FILE", help="Write each reject there, a line of JSON each."),
    ] = None,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Import FHIR files: read, validated, sealed, put under custody, anchored. What was imported before stays so.

    Without --patient each file has to name one patient, who is registered here the first time it comes. Broken off, or
    with other files beside, the same command goes on where it was. The registrar imports until the patient claims,
    afterwards who has a consent to append. A file that cannot be imported names itself, and the next one is imported
    all the same; then the exit code is 1.
    """
    with opened(data) as world:
        asking = session(world, acting)
        known = anyone(world, named) if named else None
        found = _all(world, asking, known, files_in(paths), preview, all_or_nothing)
    if rejects is not None:
        _write_rejects(rejects, found)
    print_json({"files": found}) if as_json else _show(screen(), found, preview)
    if any(each["error"] or each["rejected"] for each in found):
        not_verified()


def _all(
    world: World, asking: Session, known: Known | None, files: list[Path], preview: bool, all_or_nothing: bool
) -> list[Facts]:
    found = []
    with progress() as bar:
        task = bar.add_task("files", total=len(files))
        for path, report in read_ahead(files, namespace_of(asking.staff.organisation)):
            if preview:
                found.append(_judged(asking, known, path, report))
            else:
                found.append(_one(world, asking, known, path, report, all_or_nothing))
            bar.advance(task)
    return found


def _one(
    world: World,
    asking: Session,
    known: Known | None,
    path: Path,
    report: ImportReport | Unread,
    all_or_nothing: bool,
) -> Facts:
    if isinstance(report, Unread):
        return {**_nothing(path), "error": report.error, "why": report.why}
    try:
        if known is None:
            taken = take_in(world.network, asking, report, all_or_nothing=all_or_nothing)
            return {**_nothing(path), **_facts(taken.imported), "alias": taken.alias.hex(), "new": taken.new}
        made = _for_patient(world, asking, known, report, all_or_nothing)
        return {**_nothing(path), **_facts(made), "alias": known.alias.hex()}
    except CareLedgerError as error:
        return {**_nothing(path), **_read(report), "error": type(error).__name__, "why": str(error)}


def _for_patient(
    world: World, asking: Session, known: Known, report: ImportReport, all_or_nothing: bool
) -> Imported:
    organisation = asking.staff.organisation
    holder = kept_holder(organisation, known.alias) if known.alias in kept_aliases(organisation) else None
    by = writer(world.network, asking, known.statement)
    return import_report(
        world.network, by, known.statement, report, holder=holder, all_or_nothing=all_or_nothing
    )


def _judged(asking: Session, known: Known | None, path: Path, report: ImportReport | Unread) -> Facts:
    """What a file would do, as far as reading it tells."""
    if isinstance(report, Unread):
        return {**_nothing(path), "error": report.error, "why": report.why}
    try:
        alias = known.alias if known else known_alias(asking.staff.organisation, patient_version(report))
    except CareLedgerError as error:
        return {**_nothing(path), **_read(report), "error": type(error).__name__, "why": str(error)}
    categories = Counter(version.compartment.category.code for version in report.versions)
    return {
        **_nothing(path),
        **_read(report),
        "alias": alias.hex() if alias else None,
        "new": alias is None,
        "categories": dict(sorted(categories.items())),
    }


def _nothing(path: Path) -> Facts:
    return {
        "file": path.name,
        "alias": None,
        "new": False,
        "read": 0,
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


def _read(report: ImportReport) -> Facts:
    return {
        "read": len(report.versions),
        "rejected": [f"entry {each.index}, {each.path}: {each.why}" for each in report.rejects],
        "warnings": len(report.warnings),
        "unmapped": len(report.unmapped),
    }


def _facts(made: Imported) -> Facts:
    deposited = made.deposited
    return {
        **_read(made.report),
        "deposited": len(deposited.handles),
        "known": len(deposited.known),
        "root": deposited.root.hex() if deposited.handles else None,
        "thin": deposited.thin,
    }


def _write_rejects(target: Path, found: list[Facts]) -> None:
    """File, entry and reason of each reject; never what the entry says."""
    lines = [
        json.dumps({"file": each["file"], "reject": reject}) for each in found for reject in each["rejected"]
    ]
    target.write_text("".join(f"{line}\n" for line in lines))


def _show(screen: Screen, found: list[Facts], preview: bool) -> None:
    for each in found:
        if each["error"]:
            screen.fails(f"{each['file']}: {each['why']}")
        elif preview:
            who = "a patient to be registered" if each["new"] else "a patient who is known here"
            screen.holds(f"{each['file']}: {counted(each['read'], 'record')} of {who}.")
        else:
            new = " The patient was registered." if each["new"] else ""
            screen.holds(
                f"{each['file']}: {counted(each['deposited'], 'record')} deposited, {each['known']} known before, "
                f"{len(each['rejected'])} rejected.{new}"
            )
        for reject in each["rejected"]:
            screen.warns(reject)
    if len(found) > 1:
        total = Counter({name: sum(each[name] for each in found) for name in ("deposited", "known", "new")})
        failed = sum(bool(each["error"]) for each in found)
        screen.says(
            f"{counted(len(found), 'file')}: {counted(total['deposited'], 'record')} deposited, {total['known']} known "
            f"before, {counted(total['new'], 'patient')} new, {failed} not imported."
        )
