"""``careledger show``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from careledger.cli import one_record, overview, records
from careledger.cli.opening import opened, patient
from careledger.cli.options import DATA, Data, Json, command, single
from careledger.cli.output import print_json, print_text, screen

if TYPE_CHECKING:
    from careledger.app.world import World
    from careledger.workflows.retrieve import Record

app = single()


@command(
    app,
    "show",
    "careledger show",
    'careledger show "Velvet Botsford"',
    "careledger show velvet --category diagnosis --all",
    "careledger show velvet RECORD",
    "careledger show velvet RECORD --fhir",
    "careledger show velvet RECORD --proof record.proof",
)
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
    content: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write the document that the record holds, in the clear."),
    ] = None,
    proof: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write a file that proves offline when it was anchored."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what lies in the data directory, a patient's records, or one record and where its parts lie.

    A patient's records are asked for as the patient's own agent does: each asking stands in the patient's log.
    """
    _check_usage(record, {"--fhir": fhir, "--content": content is not None, "--proof": proof is not None})
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
        if content is not None:
            one_record.write_content(world, versions[-1], content)
        if proof is not None:
            one_record.write_proof(world, versions[-1], proof)
        _show(world, shown, versions, fhir, as_json)


def _show(world: World, shown: records.Shown, versions: list[Record], fhir: bool, as_json: bool) -> None:
    """One record: its resource, its facts, or a screen of them."""
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
