"""``careledger erase``: the same as ``careledger record erase``."""

from __future__ import annotations

from typing import Annotated

import typer

from careledger.cli.commands.record import RecordId, Why, erase_record
from careledger.cli.options import DATA, Data, Json, Patient, command, single

app = single()


@command(app, "erase", "careledger erase velvet RECORD --yes")
def erase(
    named: Patient,
    record: RecordId,
    reason: Why = "patient-request",
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask; what is erased cannot be brought back.")
    ] = False,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Destroy all shares of all versions of a record. Its author's own chart keeps its copy, as the law demands."""
    erase_record(data, named, record, reason, yes, as_json)
