"""``careledger reads``: what an organisation's posts were shown by its gateway, as it noted it itself."""

from __future__ import annotations

from typing import Annotated

import typer

from careledger.cli.actors import organisation, staff
from careledger.cli.opening import office
from careledger.cli.options import DATA, As, Data, Json, command, group
from careledger.cli.output import print_json, screen
from careledger.cli.words import Facts, counted, minute, moment
from careledger.formats.own_reads import OwnRead
from careledger.workflows.own_reads import check, end_of, lines_before

app = group("What an organisation's posts were shown by its gateway: list, check.")


@command(
    app,
    "list",
    'careledger reads list --as "Lakeside Hospital"',
    'careledger reads list --as "Lakeside Hospital" --post "Dr Sen, Lakeside" --limit 20 --json',
)
def list_(
    acting: As,
    about: Annotated[str, typer.Option("--patient", metavar="ALIAS", help="Only about this alias.")] = "",
    post: Annotated[str, typer.Option(metavar="POST", help="Only what this post was shown.")] = "",
    limit: Annotated[int, typer.Option(metavar="NUMBER", min=1, help="How many lines at most.")] = 50,
    before: Annotated[
        int, typer.Option(metavar="NUMBER", min=0, help="Only lines before this one; 0: from the end.")
    ] = 0,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """List what the organisation's posts were shown, the newest first: its own writings, and what leases opened.

    What custodians released stands in each patient's log, whatever an organisation notes.
    """
    with office(data) as world:
        employer = organisation(world, acting)
        number = staff(world, post, "--post").number if post else 0
        books = world.read_log(employer).books
        names, found = world.keyring.labels(employer), list[Facts]()
        last = 0
        for last, line in lines_before(books, before or end_of(books).count):
            if number in (0, line.post) and line.patient.hex().startswith(about):
                found.append(_facts(names, last, line))
            if len(found) == limit:
                break
    if as_json:
        print_json({"reads": found, "before": last})
        return
    rows = [[each["number"], each["at"], each["post"], each["asked"], each["shows"]] for each in found]
    screen().table(counted(len(found), "line"), ["number", "UTC", "post", "asked", "shown"], rows)


@command(app, "check", 'careledger reads check --as "Lakeside Hospital"')
def check_(acting: As, data: Data = DATA, as_json: Json = False) -> None:
    """Check that no line of the log is missing, was changed or put in."""
    with office(data) as world:
        count = check(world.read_log(organisation(world, acting)).books)
    if as_json:
        print_json({"lines": count})
        return
    screen().says(f"{counted(count, 'line')}, each naming the one before.")


def _facts(names: dict[int, str], number: int, line: OwnRead) -> Facts:
    return {
        "number": number,
        "time": moment(line.time),
        "at": minute(line.time),
        "post": names.get(line.post, f"{line.post:016x}"),
        "token": line.token.hex()[:16],
        "purpose": line.purpose,
        "asked": line.asked,
        "patient": line.patient.hex(),
        "shown": list(line.shown),
        "shows": line.shown[0] + (f" and {len(line.shown) - 1} more" if len(line.shown) > 1 else ""),
    }
