"""``careledger patient duplicates | link | unlink | links``: the same person twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from careledger.cli.actors import officers, organisation
from careledger.cli.opening import Mine, opened, patient
from careledger.cli.options import DATA, As, Data, Json, Officers, Patient, command
from careledger.cli.output import print_json, screen, tell
from careledger.cli.people import in_table
from careledger.cli.words import Facts
from careledger.formats.persons import LinkStatement, SignedLink
from careledger.workflows.actors import Holder
from careledger.workflows.link import (
    link,
    link_unclaimed,
    links_of,
    possible_duplicates,
    unlink,
    unlink_unclaimed,
)
from careledger.workflows.register import kept_holder

if TYPE_CHECKING:
    from careledger.app.world import World

Second = Annotated[str, typer.Argument(metavar="OTHER", help="The other alias's patient.")]
At = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="For unclaimed patients: the organisation in whose table both stand and that holds the keys.",
    ),
]


def add(app: typer.Typer) -> None:
    """These commands, in ``careledger patient``."""
    command(app, "duplicates", 'careledger patient duplicates --as "City Hospital"')(duplicates)
    command(
        app,
        "link",
        "careledger patient link velvet rahima",
        'careledger patient link "Karim Uddin" "Karim Udin" --at "City Hospital" --officer "Officer Begum" '
        '--officer "Officer Das"',
    )(link_)
    command(app, "links", "careledger patient links velvet")(links)
    command(
        app,
        "unlink",
        "careledger patient unlink velvet rahima",
        'careledger patient unlink "Karim Uddin" "Karim Udin" --at "City Hospital" --officer "Officer Begum" '
        '--officer "Officer Das"',
    )(unlink_)


def duplicates(acting: As, data: Data = DATA, as_json: Json = False) -> None:
    """Show rows of an organisation's table that may be one person, for people to judge; nothing is merged."""
    with opened(data) as world:
        found = possible_duplicates(organisation(world, acting))
    rows = [{"first": each.first.hex(), "second": each.second.hex(), "why": each.why} for each in found]
    if as_json:
        print_json({"pairs": rows})
    elif rows:
        screen().table(
            "May be one person", ("alias", "alias", "why"), [tuple(each.values()) for each in rows]
        )
    else:
        screen().says("No two rows look alike.")


def link_(
    first: Patient,
    second: Second,
    at: At = "",
    officer: Officers = None,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Say that two aliases are one person's: the patient with both keys, or for unclaimed ones registrar and officers.

    Both aliases stay and no record moves, so that the link can be undone.
    """
    with opened(data) as world:
        one, other = _holders(world, first, second, at)
        if at:
            made = link_unclaimed(world.network, one, other, officers(world, officer or ()))
        else:
            made = link(world.network, one, other)
        tell(as_json, _facts(made), "The two aliases are linked; both stay as they are.")


def links(named: Patient, data: Data = DATA, as_json: Json = False) -> None:
    """List the links that a patient's own device keeps."""
    with opened(data) as world:
        rows = [_facts(each) for each in links_of(patient(world, named).holder.books)]
    if as_json:
        print_json({"links": rows})
        return
    screen().table("Links", ("alias", "alias", "commitment"), [tuple(each.values()) for each in rows])


def unlink_(
    first: Patient,
    second: Second,
    at: At = "",
    officer: Officers = None,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Undo a link for good; every record is where it was written."""
    with opened(data) as world:
        one, other = _holders(world, first, second, at)
        pair = {one.alias, other.alias}
        made = next((each for each in links_of(one.books) if _pair(each) == pair), None)
        if made is None:
            raise typer.BadParameter("these two are not linked", param_hint="OTHER")
        if at:
            registrars = [organisation(world, at, "--at")]
            unlink_unclaimed(world.network, made, officers(world, officer or ()), registrars)
        else:
            unlink(world.network, one, made)
        tell(as_json, _facts(made), "The link is undone.")


def _holders(world: World, first: str, second: str, at: str) -> tuple[Holder, Holder]:
    if at:
        registrar = organisation(world, at, "--at")
        one, other = (kept_holder(registrar, in_table(registrar, each)) for each in (first, second))
        return one, other
    mine: list[Mine] = [patient(world, each) for each in (first, second)]
    return mine[0].holder, mine[1].holder


def _facts(made: SignedLink) -> Facts:
    said = LinkStatement.decode(made.by_first.body)
    return {"first": said.first.hex(), "second": said.second.hex(), "commitment": said.commitment.hex()}


def _pair(made: SignedLink) -> set[bytes]:
    said = LinkStatement.decode(made.by_first.body)
    return {said.first, said.second}
