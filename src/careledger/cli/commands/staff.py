"""``careledger staff``: an organisation's list of staff, and who joins and leaves by a file."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from careledger.app.identity import employing, staff_files
from careledger.app.identity.employing import Desk, Listed
from careledger.app.identity.staff_files import CHANGES, JOINS, LEAVES, STAYS, Fault, Planned
from careledger.cli.actors import organisation
from careledger.cli.opening import office, opened
from careledger.cli.options import DATA, As, Data, Json, command, group
from careledger.cli.output import print_json, screen
from careledger.cli.words import Facts, moment
from careledger.domain.errors import StaffFileRefused
from careledger.domain.parties import Role, party_id

MOST_SHOWN = 20
app = group("An organisation's list of staff: import joiners and leavers, list.")


@command(
    app,
    "import",
    'careledger staff import staff.csv --as "City Hospital"',
    'careledger staff import staff.csv --as "City Hospital" --apply',
)
def import_(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV with the columns login, name, roles, licence, end.")
    ],
    acting: As,
    apply: Annotated[
        bool, typer.Option("--apply", help="Do it; without this it is only said what would be.")
    ] = False,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Bring an organisation's list of staff up to a file: who joins gets a post, whoever's last day is over loses it.

    A file with one faulty line changes nothing. Who is not in the file is left as they are; doing it again changes
    nothing more.
    """
    try:
        lines, faults = staff_files.read(file.read_bytes())
    except OSError:
        raise typer.BadParameter("it cannot be read", param_hint="FILE") from None
    _check(faults)
    with opened(data) as world:
        employer, now = organisation(world, acting), world.clock.now()
        planned = staff_files.plan(employer, lines, now)
        desk = Desk(world.network, world.keyring, now)
        _check(staff_files.refused(desk, employer, planned))
        if apply:
            staff_files.carry_out(desk, employer, planned)
            employing.end_due(desk, employer)
        _show(planned, apply, as_json)


@command(app, "list", 'careledger staff list --as "City Hospital"')
def list_(acting: As, data: Data = DATA, as_json: Json = False) -> None:
    """List an organisation's staff: whoever was entered by a file, a directory or a sign-on."""
    with office(data) as world:
        found = [_facts(each) for each in employing.listed(organisation(world, acting))]
    if as_json:
        print_json({"staff": found})
        return
    rows = [
        [each["login"], each["name"], " ".join(each["roles"]), each["standing"], each["by"]] for each in found
    ]
    screen().table(
        f"{len(found)} members of staff", ["login", "name", "roles", "standing", "entered by"], rows
    )


def _check(faults: list[Fault]) -> None:
    if faults:
        said = "; ".join(f"line {each.line}: {each.why}" for each in faults[:MOST_SHOWN])
        raise StaffFileRefused(faulty=len(faults), why=said)


def _show(planned: list[Planned], apply: bool, as_json: bool) -> None:
    counts = Counter(each.act for each in planned)
    if as_json:
        rows = [
            {"line": each.line.number, "login": each.line.wanted.login, "act": each.act} for each in planned
        ]
        print_json({"applied": apply, "lines": rows})
        return
    rows_shown = [
        [str(each.line.number), each.line.wanted.login, each.act] for each in planned if each.act != STAYS
    ]
    words = ", ".join(f"{counts[each]} {each}" for each in (JOINS, CHANGES, LEAVES, STAYS))
    screen().says(f"Done: {words}." if apply else f"Would be done with --apply: {words}.")
    if rows_shown:
        screen().table("By line", ["line", "login", "what"], rows_shown)


def _facts(who: Listed) -> Facts:
    member = who.member
    roles = frozenset(Role(each) for each in member.roles)
    return {
        "id": who.id.hex(),
        "login": member.login,
        "name": member.name,
        "roles": [Role(each).code for each in member.roles],
        "post": party_id(member.post, roles) if member.post else "–",
        "standing": "active" if member.active else "left",
        "by": member.by,
        "until": moment(member.until) if member.until else None,
        "changed": moment(member.changed),
    }
