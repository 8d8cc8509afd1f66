"""``careledger audit``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from careledger.cli import audit as audits
from careledger.cli import audit_fhir
from careledger.cli.endings import not_verified
from careledger.cli.opening import patient, reached
from careledger.cli.options import DATA, Data, Json, Patient, command, single
from careledger.cli.output import print_json, screen
from careledger.cli.words import counted

app = single()


@command(
    app,
    "audit",
    "careledger audit velvet",
    "careledger audit velvet --proof city.proof --custodian City",
    "careledger audit velvet --fhir accesses.json",
)
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
    fhir: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Also write every access as FHIR: AuditEvents, and Provenances of what was released.",
        ),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Also list what the patient's own agent asked for.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show who asked for a patient's records, when, why and under which rule, and check that nothing is missing."""
    with reached(data) as world:
        said = audits.audited(world, patient(world, named))
        print_json(audits.facts(said)) if as_json else audits.print_audit(screen(), said, every)
        if proof is not None:
            whose = audits.write_proof(world, said, proof, custodian)
            typer.echo(
                f"The proof of {whose}'s log is in {proof}; check it with: careledger verify {proof}",
                err=True,
            )
        if fhir is not None:
            count = audit_fhir.write_fhir(said, fhir)
            typer.echo(f"{counted(count, 'access', 'accesses')} as FHIR: {fhir}", err=True)
    if not said.found.complete:
        not_verified()
