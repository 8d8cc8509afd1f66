"""The careledger command: look into a data directory, check it, take a record away, or see the demo."""

from __future__ import annotations

import platform
import sqlite3
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from careledger.cli import audit as audits
from careledger.cli import consents, export, one_record, overview, records
from careledger.cli.chain import chain
from careledger.cli.endings import explained, not_verified
from careledger.cli.opening import Mine, opened, patient
from careledger.cli.options import DATA, Data, Json, Patient
from careledger.cli.output import print_json, print_text, screen
from careledger.cli.verify import verify_data, verify_proof
from careledger.cli.words import counted


class Commands(TyperGroup):
    """All commands; a refusal ends any of them with one line and its exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Runs the command that was named."""
        with explained():
            return super().invoke(ctx)


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Patient-controlled health records: look into a CareLedger data directory and check it.",
    epilog="Exit codes: 0 done and verified; 1 refused or not verified; 2 wrong usage; 3 data directory missing or in "
    "use.",
)
app.add_typer(chain, name="chain")
consent = typer.Typer(help="What a patient has granted.", no_args_is_help=True)
app.add_typer(consent, name="consent")


@app.command()
def demo(
    data: Data = DATA,
    again: Annotated[
        bool,
        typer.Option(
            "--again", help="Remove that data directory first, if it is one and nobody has it open."
        ),
    ] = False,
    processes: Annotated[
        bool, typer.Option("--processes", help="Run each custodian as a process of its own.")
    ] = False,
    patients: Annotated[
        int,
        typer.Option(min=0, max=19, help="How many patients of the sample to import beside the story's own."),
    ] = 19,
    plain: Annotated[bool, typer.Option("--plain", help="No colours and no moving parts.")] = False,
) -> None:
    """Tell the story of one patient across three organisations on real data, in a new data directory."""
    from careledger.app.removal import remove
    from careledger.cli.demo.run import demo as perform

    if again and data.exists():
        remove(data)
    if data.exists() and any(data.iterdir()):
        raise typer.BadParameter(f"{data} is not empty; name another, or add --again", param_hint="--data")
    if not perform(data, screen(plain), processes, patients):
        not_verified()


@app.command()
def show(
    named: Annotated[
        str | None, typer.Argument(metavar="PATIENT", help="A patient whose keys are on this device.")
    ] = None,
    record: Annotated[
        str | None, typer.Argument(metavar="RECORD", help="The first digits of a record's id.")
    ] = None,
    data: Data = DATA,
    category: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this category, for example diagnosis; repeatable."),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="All versions, not only the newest of each record.")
    ] = False,
    as_of: Annotated[
        int, typer.Option(min=0, metavar="BLOCK", help="As it stood after that block (0: now).")
    ] = 0,
    fhir: Annotated[bool, typer.Option("--fhir", help="Print the record's resource as FHIR JSON.")] = False,
    proof: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write a file that proves offline when it was anchored."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what lies in the data directory, a patient's records, or one record and where its parts lie.

    A patient's records are asked for as the patient's own agent does: each asking stands in the patient's log.
    """
    _check_usage(record, {"--fhir": fhir, "--proof": proof is not None})
    with opened(data) as world:
        if named is None:
            found = overview.overview(world)
            print_json(found) if as_json else overview.print_overview(screen(), found, data)
            return
        _check_block(as_of, world.ledger.fresh_head().head.number)
        shown = records.own_records(world, patient(world, named), category or (), every, as_of)
        if record is None:
            print_json(records.facts(shown)) if as_json else records.print_records(screen(), shown, every)
            return
        versions = records.one(shown, record)
        if proof is not None:
            one_record.write_proof(world, versions[-1], proof)
        if fhir:
            print_text(one_record.resource_text(versions[-1]))
        elif as_json:
            print_json(one_record.version_facts(world, shown, versions[-1]))
        else:
            one_record.print_record(screen(), world, shown, versions)


def _check_block(as_of: int, last: int) -> None:
    if as_of > last:
        raise typer.BadParameter(f"the last block is {last}", param_hint="--as-of")


def _check_usage(record: str | None, asked: dict[str, bool]) -> None:
    for option, given in asked.items():
        if given and record is None:
            raise typer.BadParameter("goes with a PATIENT and a RECORD", param_hint=option)


@app.command()
def audit(
    named: Patient,
    data: Data = DATA,
    proof: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write a file that proves one custodian's log offline."),
    ] = None,
    custodian: Annotated[
        str,
        typer.Option(metavar="NAME", help="Whose log --proof is about: the beginning of a custodian's name."),
    ] = "",
    every: Annotated[
        bool, typer.Option("--all", help="Also list what the patient's own agent asked for.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show who asked for a patient's records, when, why and under which rule, and check that nothing is missing."""
    with opened(data) as world:
        said = audits.audited(world, patient(world, named))
        print_json(audits.facts(said)) if as_json else audits.print_audit(screen(), said, every)
        if proof is not None:
            whose = audits.write_proof(world, said, proof, custodian)
            typer.echo(
                f"The proof of {whose}'s log is in {proof}; check it with: careledger verify {proof}",
                err=True,
            )
    if not said.found.complete:
        not_verified()


@app.command()
def verify(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            readable=True,
            help="An offline proof file; nothing else is read.",
        ),
    ] = None,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Say what an offline proof file proves; without one, check everything in the data directory again."""
    holds = verify_data(data, as_json) if file is None else verify_proof(file, as_json)
    if not holds:
        not_verified()


@app.command("export")
def export_(
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
            count = export.export_fhir(world, mine, fhir)
            typer.echo(f"{counted(count, 'record')} exported in the clear.", err=True)
        elif archive is not None:
            count = export.export_archive(world, mine, archive)
            typer.echo(
                f"{counted(count, 'version')} exported; the file opens with the patient's phrase.", err=True
            )


@consent.command("list")
def list_consents(named: Patient, data: Data = DATA, as_json: Json = False) -> None:
    """List every consent that a patient gave: to whom, for what, until when, and how it stands on the ledger."""
    with opened(data) as world:
        mine: Mine = patient(world, named)
        found = consents.facts(world, mine)
        print_json(found) if as_json else consents.print_consents(screen(), found)


@app.command()
def version(as_json: Json = False) -> None:
    """Show the versions of CareLedger and of what it stands on."""
    from importlib.metadata import version as installed

    from careledger.adapters.evm.engines import preferred_engine

    facts = {
        "careledger": installed("careledger"),
        "python": platform.python_version(),
        "engine": preferred_engine(),
        "sqlite": sqlite3.sqlite_version,
        "cryptography": installed("cryptography"),
    }
    if as_json:
        print_json(facts)
    else:
        print_text("\n".join(f"{name} {number}" for name, number in facts.items()))


def main() -> None:
    """The console script."""
    app(prog_name="careledger")
