"""``careledger party team``: the teams and departments of an organisation, and who is in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from careledger.app.names import Names
from careledger.cli.actors import organisation, staff
from careledger.cli.opening import opened
from careledger.cli.options import DATA, As, Data, Json, command, group
from careledger.cli.output import print_json, screen, tell
from careledger.cli.words import Facts, counted, listed
from careledger.domain.facts import Head
from careledger.workflows import parties
from careledger.workflows.actors import Organisation
from careledger.workflows.teams import MOST_NAME, form_team, give_up_team, rename_team, role_tree, teams

if TYPE_CHECKING:
    from careledger.app.world import World

app = group("Teams and departments of an organisation.")
Team = Annotated[str, typer.Argument(metavar="TEAM", help="The team's name.")]
NewName = Annotated[
    str, typer.Argument(metavar="NAME", help="What it is to be called; no other team's name.")
]
Below = Annotated[str, typer.Option(metavar="TEAM", help="The team above it; none is the top.")]


@command(
    app,
    "create",
    'careledger party team create "Cardiology" --as "Lakeside Hospital"',
    'careledger party team create "Heart ward" --as "Lakeside Hospital" --below Cardiology',
)
def create(
    label: Team,
    acting: As,
    below: Below = "",
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Form a team or department; consents can name it."""
    _check_name(label)
    with opened(data) as world:
        employer = organisation(world, acting)
        number = form_team(world.network, employer, label, _team(world, employer, below) if below else 0)
        tell(as_json, {"team": label, "number": f"{number:016x}"}, f"{label} is formed.")


@command(app, "list", 'careledger party team list --as "Lakeside Hospital"')
def list_(acting: As, data: Data = DATA, as_json: Json = False) -> None:
    """List an organisation's teams, what hangs below what, and who is in each."""
    with opened(data) as world:
        found = _tree(world, organisation(world, acting))
    if as_json:
        print_json({"teams": found})
        return
    rows = [[each["team"], each["below"] or "", listed(each["posts"])] for each in found]
    screen().table(counted(len(found), "team"), ["team", "below", "who is in it"], rows)


@command(app, "rename", 'careledger party team rename "Heart ward" "Heart centre" --as "Lakeside Hospital"')
def rename(label: Team, name: NewName, acting: As, data: Data = DATA, as_json: Json = False) -> None:
    """Call a team otherwise; consents that name it go on."""
    _check_name(name)
    with opened(data) as world:
        employer = organisation(world, acting)
        number = _team(world, employer, label)
        rename_team(employer, number, name)
        tell(as_json, {"team": name, "number": f"{number:016x}"}, f"{label} is called {name}.")


@command(
    app,
    "move",
    'careledger party team move "Heart centre" --as "Lakeside Hospital"',
    'careledger party team move "Heart centre" --as "Lakeside Hospital" --below Cardiology',
)
def move(
    label: Team,
    acting: As,
    below: Below = "",
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Hang a team with none below it under another one, or at the top; who is in it reads what is granted there."""
    with opened(data) as world:
        employer = organisation(world, acting)
        number = _team(world, employer, label)
        parties.move_team(world.network, employer, number, _team(world, employer, below) if below else 0)
        said = f"{label} is below {below}." if below else f"{label} is at the top."
        tell(as_json, {"team": label, "number": f"{number:016x}"}, said)


@command(app, "end", 'careledger party team end "Heart centre" --as "Lakeside Hospital"')
def end(label: Team, acting: As, data: Data = DATA, as_json: Json = False) -> None:
    """Give up a team with none below it: nobody is in it any more, and consents that name it open nothing."""
    with opened(data) as world:
        employer = organisation(world, acting)
        number = _team(world, employer, label)
        give_up_team(world.network, employer, number, world.keyring.all_staff(employer).values())
        tell(as_json, {"team": label, "number": f"{number:016x}"}, f"{label} is given up.")


@command(app, "join", 'careledger party team join Cardiology --as "Dr Sen, Lakeside"')
def join(label: Team, acting: As, data: Data = DATA, as_json: Json = False) -> None:
    """Put a post into a team: from now on it reads what the team and those above it were granted."""
    _act(data, label, acting, as_json, "is in", parties.join_team)


@command(app, "leave", 'careledger party team leave Cardiology --as "Dr Sen, Lakeside"')
def leave(label: Team, acting: As, data: Data = DATA, as_json: Json = False) -> None:
    """Take a post out of a team."""
    _act(data, label, acting, as_json, "is no longer in", parties.leave_team)


def _act(data: Data, label: str, acting: str, as_json: bool, said: str, act: Callable[..., Head]) -> None:
    with opened(data) as world:
        found = staff(world, acting)
        act(world.network, found, _team(world, found.organisation, label))
        name = Names(world, world.ledger.fresh_head()).of(found.number)
        tell(as_json, {"team": label, "post": name}, f"{name} {said} {label}.")


def _tree(world: World, employer: Organisation) -> list[Facts]:
    view = world.ledger.fresh_head()
    names = Names(world, view, employer)
    return [
        {
            "team": each.label,
            "number": f"{each.number:016x}",
            "below": names.of(each.parent) if each.parent else None,
            "posts": sorted(map(names.of, each.posts)),
        }
        for each in role_tree(view, employer, world.keyring.posts(employer))
    ]


def _team(world: World, employer: Organisation, label: str) -> int:
    known = {name: number for number, name in teams(employer).items()}
    if label not in known:
        there = ", ".join(sorted(known)) or "none"
        raise typer.BadParameter(f"no team of that name; there are: {there}", param_hint="TEAM")
    return known[label]


def _check_name(label: str) -> None:
    if not label.strip() or label.strip() != label or len(label) > MOST_NAME or not label.isprintable():
        raise typer.BadParameter(
            f"a name is printable and of at most {MOST_NAME} characters", param_hint="NAME"
        )
