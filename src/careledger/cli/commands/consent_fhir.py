"""``careledger consent grant-fhir`` and ``consent signed``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from careledger.cli import consents, fhir_consents
from careledger.cli.opening import opened, patient
from careledger.cli.options import DATA, Data, Json, Patient, command
from careledger.cli.output import print_json, screen
from careledger.workflows.give_agreed import give_agreed
from careledger.workflows.grant import wait_for_grants
from careledger.workflows.revoke import find_given
from careledger.workflows.signed_consents import signed_consent


def grant_fhir(
    named: Patient,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A FHIR R4 Consent as JSON.")],
    until: Annotated[
        str,
        typer.Option(
            metavar="TIME", help="When it ends, where the file names no end: a day is included whole."
        ),
    ] = "",
    label: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WORD", help="normal, restricted: which records, where the file has no label; repeatable."
        ),
    ] = None,
    policy: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URI", help="A policy that the file names and that adds nothing to it; repeatable."
        ),
    ] = None,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Give exactly what a FHIR Consent says, or nothing: what the ledger cannot carry is named by its path.

    One consent is given for each grantee and purpose; those that stand already are not given twice.
    """
    with opened(data) as world:
        mine = patient(world, named)
        agent = fhir_consents.Agent(world, mine)
        agreed = agent.agreements(file, until, label or (), policy or ())
        made = {
            each.commitment.hex()
            for each in give_agreed(world.network, mine.holder, agreed, agent.keys(agreed))
        }
        wait_for_grants(world.network, mine.holder)
        found = consents.facts(world, mine)
        found["consents"] = [each for each in found["consents"] if each["commitment"] in made]
        print_json(found) if as_json else consents.print_consents(screen(), found)


def signed(
    named: Patient,
    consent: Annotated[
        str,
        typer.Argument(
            metavar="CONSENT", help="The first digits that consent list shows, or the name of a grantee."
        ),
    ],
    data: Data = DATA,
) -> None:
    """Print a consent that stands as a FHIR Consent with its sealed grant package.

    Whoever brings it, the grantee's organisation alone takes it, by POST to /fhir/Consent of its gateway.
    """
    with opened(data) as world:
        mine = patient(world, named)
        owner = consents.owner_of(world, mine, consent)
        print_json(signed_consent(world.network, mine.holder, find_given(mine.holder, owner)))


def add(app: typer.Typer) -> None:
    """Puts the commands into their group."""
    command(
        app,
        "grant-fhir",
        "careledger consent grant-fhir velvet consent.json",
        "careledger consent grant-fhir velvet consent.json --until 2026-12-31 --label normal --policy http://example.org/policy",
    )(grant_fhir)
    command(app, "signed", 'careledger consent signed velvet "City Hospital"')(signed)
