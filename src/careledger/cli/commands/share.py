"""``careledger share``."""

from __future__ import annotations

from typing import Annotated

import typer

from careledger.cli import consents, scoping
from careledger.cli.actors import grantee
from careledger.cli.opening import opened, patient
from careledger.cli.options import DATA, Data, Json, Patient, command, single
from careledger.cli.output import tell
from careledger.cli.records import one, own_records
from careledger.cli.words import counted, minute
from careledger.workflows.disclose import disclose
from careledger.workflows.grant import wait_for_grants

app = single()


@command(
    app,
    "share",
    'careledger share velvet RECORD --to "Green Pharmacy" --for DISPENSE --until 2h',
    'careledger share velvet RECORD --to "Dr Sen, Lakeside" --until 7d',
)
def share(
    named: Patient,
    record: Annotated[
        list[str],
        typer.Argument(metavar="RECORD", help="The first digits of a record; several share one consent."),
    ],
    to: Annotated[
        str, typer.Option(metavar="NAME", help="The post, team or organisation that is shown them.")
    ],
    purpose: scoping.ForPurpose = "TREAT",
    begins: scoping.From = "now",
    until: scoping.Until = "1d",
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Show single records to somebody for a time, and nothing else: the newest version of each, not the next one."""
    with opened(data) as world:
        mine, use = patient(world, named), scoping.purpose(purpose)
        shown, to_whom = own_records(world, mine, every=True), grantee(world, to)
        chosen = [one(shown, each)[-1] for each in dict.fromkeys(record)]
        made = disclose(
            world.network, mine.holder, to_whom, chosen, use, scoping.window(world, begins, until)
        )
        wait_for_grants(world.network, mine.holder)
        found = next(
            each
            for each in consents.facts(world, mine)["consents"]
            if each["commitment"] == made.commitment.hex()
        )
        told = f"{found['grantee']} is shown {counted(len(chosen), 'record')} until {minute(made.given.end)}."
        tell(as_json, found, told)
