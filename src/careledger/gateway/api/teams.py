"""The role tree of the operator's own organisation: its teams, what hangs below what, and who is in them."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from careledger.domain.errors import ApiRefused, LedgerRefused, PartyNotFound, TeamNotFound, TeamTaken
from careledger.domain.parties import Role
from careledger.gateway.api.pages import Page, Paged, page
from careledger.gateway.api.parties import Hex, Identifier, number_of, seen
from careledger.gateway.api.rows import Called, Row
from careledger.gateway.desk import Desk
from careledger.workflows import parties
from careledger.workflows.actors import Organisation, Staff
from careledger.workflows.teams import MOST_NAME, Team, form_team, give_up_team, rename_team, role_tree

OPERATORS = frozenset({Role.OPERATOR})
Name = Annotated[str, Meta(min_length=1, max_length=MOST_NAME, description="No other team's name.")]
Above = Annotated[
    str, Meta(pattern="^([0-9a-f]{16})?$", description="The number of the team above it; empty: at the top.")
]


class RoleTeam(Struct, frozen=True):
    """A team of one's own organisation, and who was put into it itself."""

    number: Hex
    name: str
    below: Annotated[Hex | None, Meta(description="The number of the team above it.")]
    posts: Annotated[
        list[Identifier],
        Meta(description="They are in the teams above it as well, and read what those were granted."),
    ]


class NewTeam(Struct, frozen=True, forbid_unknown_fields=True):
    """A team or department."""

    name: Name
    below: Above = ""


class Named(Struct, frozen=True, forbid_unknown_fields=True):
    """What a team is called."""

    name: Name


class Placed(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a team hangs."""

    below: Above


class Joining(Struct, frozen=True, forbid_unknown_fields=True):
    """Who is put into a team."""

    post: Identifier


def listed(desk: Desk, called: Called) -> Page[RoleTeam]:
    """Every team that stands, by number."""
    found = {f"{each.number:016x}": each for each in _tree(desk, called)}
    return page(called, found, lambda name: _shown(desk, called, found[name]))


def one(desk: Desk, called: Called) -> RoleTeam:
    """Raises TeamNotFound."""
    return _said(desk, called, _team(desk, called))


def form(desk: Desk, called: Called) -> RoleTeam:
    """A repetition by the same idempotency key is the same team. Raises ApiRefused, TeamTaken, TeamNotFound for the one
    above, LedgerRefused."""
    body, number = called.body, int.from_bytes(called.unique[:8], "big") or 1
    above = _above(desk, called, body.below)
    return _said(desk, called, form_team(desk.world.network, _mine(called), _name(body.name), above, number))


def rename(desk: Desk, called: Called) -> RoleTeam:
    """Raises TeamNotFound, TeamTaken."""
    team = _team(desk, called)
    rename_team(_mine(called), team, _name(called.body.name))
    return _said(desk, called, team)


def move(desk: Desk, called: Called) -> RoleTeam:
    """Raises TeamNotFound, LedgerRefused while teams are below it."""
    team = _team(desk, called)
    parties.move_team(desk.world.network, _mine(called), team, _above(desk, called, called.body.below))
    return _said(desk, called, team)


def end(desk: Desk, called: Called) -> RoleTeam:
    """As it was. Raises TeamNotFound, LedgerRefused while teams are below it."""
    team = _team(desk, called)
    said = _said(desk, called, team)
    posts = desk.world.keyring.all_staff(_mine(called)).values()
    give_up_team(desk.world.network, _mine(called), team, posts)
    return said


def join(desk: Desk, called: Called) -> RoleTeam:
    """Raises TeamNotFound, PartyNotFound for another's post, LedgerRefused for who is in as many as one may be in."""
    team = _team(desk, called)
    parties.join_team(desk.world.network, _post(desk, called, called.body.post), team)
    return _said(desk, called, team)


def leave(desk: Desk, called: Called) -> RoleTeam:
    """Raises TeamNotFound, PartyNotFound for another's post, LedgerRefused for who is in a team below it alone."""
    team = _team(desk, called)
    parties.leave_team(desk.world.network, _post(desk, called, called.parts["party"]), team)
    return _said(desk, called, team)


def _mine(called: Called) -> Organisation:
    return called.who.staff.organisation


def _tree(desk: Desk, called: Called) -> list[Team]:
    view, employer = desk.world.ledger.fresh_head(), _mine(called)
    return role_tree(view, employer, desk.world.keyring.posts(employer))


def _team(desk: Desk, called: Called) -> int:
    """The number of a team of the operator's organisation; raises TeamNotFound."""
    number = int(called.parts["team"], 16)
    if all(each.number != number for each in _tree(desk, called)):
        raise TeamNotFound()
    return number


def _above(desk: Desk, called: Called, said: str) -> int:
    number = int(said or "0", 16)
    if number and all(each.number != number for each in _tree(desk, called)):
        raise TeamNotFound()
    return number


def _post(desk: Desk, called: Called, named: str) -> Staff:
    """Raises PartyNotFound for what is no post of the operator's organisation."""
    number = number_of(desk.world.ledger.fresh_head(), named)
    staff = desk.world.keyring.post(_mine(called), number)
    if staff is None:
        raise PartyNotFound()
    return staff


def _name(said: str) -> str:
    if not said.isprintable() or said.strip() != said:
        raise ApiRefused(why="a name that is none")
    return said


def _said(desk: Desk, called: Called, number: int) -> RoleTeam:
    found = next((each for each in _tree(desk, called) if each.number == number), None)
    if found is None:
        raise TeamNotFound()
    return _shown(desk, called, found)


def _shown(desk: Desk, called: Called, team: Team) -> RoleTeam:
    names = seen(desk, called)[1]
    above = f"{team.parent:016x}" if team.parent else None
    return RoleTeam(f"{team.number:016x}", team.label, above, [names.id(each) for each in team.posts])


ROWS = (
    Row("GET", "/teams", "teams", "The teams of the operator's organisation.", listed, Page[RoleTeam], OPERATORS,
        query=Paged),
    Row("POST", "/teams", "form_team", "Form a team; consents can name it.", form, RoleTeam, OPERATORS, takes=NewTeam,
        refusals=(TeamTaken, TeamNotFound, LedgerRefused), status=201, fresh=True),
    Row("GET", "/teams/{team}", "team", "One team, and who is in it.", one, RoleTeam, OPERATORS,
        refusals=(TeamNotFound,)),
    Row("DELETE", "/teams/{team}", "end_team", "Nobody is in it any more, and consents that name it open nothing.", end,
        RoleTeam, OPERATORS, refusals=(TeamNotFound, LedgerRefused), fresh=True),
    Row("POST", "/teams/{team}/name", "rename_team", "What it is called from now on.", rename, RoleTeam, OPERATORS,
        takes=Named, refusals=(TeamNotFound, TeamTaken), fresh=True),
    Row("POST", "/teams/{team}/place", "move_team", "Hang it elsewhere, while no team is below it.", move, RoleTeam,
        OPERATORS, takes=Placed, refusals=(TeamNotFound, LedgerRefused), fresh=True),
    Row("POST", "/teams/{team}/posts", "join_team", "Put a post into it: it reads what this team and those above were "
        "granted.", join, RoleTeam, OPERATORS, takes=Joining, refusals=(TeamNotFound, PartyNotFound, LedgerRefused),
        fresh=True),
    Row("DELETE", "/teams/{team}/posts/{party}", "leave_team", "Take a post out of it.", leave, RoleTeam, OPERATORS,
        refusals=(TeamNotFound, PartyNotFound, LedgerRefused), fresh=True),
)  # fmt: skip
