"""``careledger record``: what a patient says and orders about one record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from careledger.cli.commands import record_writing
from careledger.cli.opening import opened, patient
from careledger.cli.options import DATA, Data, Json, Patient, command, group
from careledger.cli.output import tell
from careledger.cli.records import one, own_records
from careledger.cli.words import counted, minute, moment
from careledger.workflows.erase import Confirmation, erase
from careledger.workflows.order import CONFIRM, DISPUTE, RESTRICT, UNRESTRICT, order

app = group("One record: confirm, dispute, restrict or erase it; write, amend, retract, adopt or move it.")
RecordId = Annotated[str, typer.Argument(metavar="RECORD", help="The first digits of a record's id.")]
Why = Annotated[
    str, typer.Option("--reason", metavar="TEXT", help="Why, for the custodians' logs; names nobody.")
]


def _example(word: str) -> str:
    return f"careledger record {word} velvet RECORD"


@command(app, "confirm", _example("confirm"))
def confirm(named: Patient, record: RecordId, data: Data = DATA, as_json: Json = False) -> None:
    """The patient says that a record is right; it was usable before, and marked unconfirmed."""
    _order(data, named, record, CONFIRM, "patient-request", as_json, "Confirmed.")


@command(app, "dispute", _example("dispute"))
def dispute(
    named: Patient, record: RecordId, reason: Why = "", data: Data = DATA, as_json: Json = False
) -> None:
    """The patient says that a record is wrong; it stays readable, with the dispute beside it."""
    _order(data, named, record, DISPUTE, reason or "patient-request", as_json, "Disputed.")


@command(app, "restrict", _example("restrict"))
def restrict(
    named: Patient, record: RecordId, reason: Why = "", data: Data = DATA, as_json: Json = False
) -> None:
    """Nobody reads this record any more but from its author's own chart, until it is unrestricted."""
    _order(data, named, record, RESTRICT, reason or "patient-request", as_json, "Nobody reads it any more.")


@command(app, "unrestrict", _example("unrestrict"))
def unrestrict(named: Patient, record: RecordId, data: Data = DATA, as_json: Json = False) -> None:
    """A restricted record is readable again to who has a consent."""
    _order(data, named, record, UNRESTRICT, "patient-request", as_json, "Readable again.")


def _order(data: Data, named: str, record: str, act: str, reason: str, as_json: bool, sentence: str) -> None:
    with opened(data) as world:
        mine = patient(world, named)
        versions = one(own_records(world, mine, every=True), record)
        handles: Sequence[bytes] = [each.handle for each in versions]
        if act in (CONFIRM, DISPUTE):
            handles = handles[-1:]
        told = order(world.network, mine.holder, act, handles, reason)
        facts = {
            "patient": mine.label,
            "record": versions[-1].manifest.record_id.hex(),
            "act": act,
            "versions": len(handles),
            "custodians": len(told),
        }
        tell(as_json, facts, f"{sentence} {counted(len(told), 'custodian')} carried it out.")


@command(app, "erase", _example("erase") + " --yes")
def erase_(
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


def erase_record(data: Data, named: str, record: str, reason: str, yes: bool, as_json: bool) -> None:
    """The same for ``careledger erase``."""
    with opened(data) as world:
        mine = patient(world, named)
        shown = own_records(world, mine, every=True)
        versions = one(shown, record)
        if not yes:
            typer.confirm(f"Erase {counted(len(versions), 'version')} for good?", abort=True, err=True)
        told = erase(world.network, mine.holder, versions, reason)
        keepers = sorted(shown.names.of(author) for author in told.authors)
        facts = {
            "patient": mine.label,
            "record": versions[-1].manifest.record_id.hex(),
            "act": "erase",
            "versions": len(versions),
            "custodians": len(told.receipts),
            "charts_that_keep_a_copy": keepers,
            "erased_from": [moment(at) for at in sorted(told.until.values())],
        }
        tell(
            as_json,
            facts,
            *_became(len(versions), told),
            f"A copy stays in the own chart of: {', '.join(keepers) or 'nobody'}. What was read cannot be recalled.",
        )


def _became(versions: int, told: Confirmation) -> list[str]:
    """What custodians destroyed, and what waits for the end of its retention."""
    custodians, waits = counted(len(told.receipts), "custodian"), sorted(told.until.values())
    lines = []
    if versions > len(waits):
        gone = counted(versions - len(waits), "version")
        lines.append(f"{custodians} destroyed their shares of {gone}.")
    if waits:
        lines.append(
            f"{counted(len(waits), 'version')} will be erased by {custodians}, the last on {minute(waits[-1])}."
        )
        lines.append(
            "Until then nobody else reads that; 'careledger record unrestrict' withdraws the erasure."
        )
    return lines


record_writing.add(app)
