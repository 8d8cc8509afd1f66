"""An organisation's teams as its directory sees them: groups of the people in its list of staff.

Who is in a team and in no list of staff, because they were entered by hand, is neither shown nor touched. Order of
effects of forming: that it is being formed, the team, who is in it. Of changing: how a directory calls it, the name,
who leaves, who joins. Repeating each finishes what broke off.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from careledger.app.identity import employing
from careledger.app.identity.employing import Desk, Listed
from careledger.domain.errors import ActRefused, PartyNotFound, TeamNotFound, TeamTaken
from careledger.domain.parties import PartyId, Status
from careledger.formats.digests import uint
from careledger.workflows import parties, teams
from careledger.workflows.actors import Organisation, Staff
from careledger.workflows.teams import Team

EXTERNAL, FORMING = "team-external", "team-forming"


@dataclass(frozen=True, repr=False)
class Group:
    """A team: how a directory calls it ("" for nothing said), and who of the list of staff was put into it itself."""

    employer: Organisation
    number: int
    label: str
    external: str
    members: tuple[Listed, ...]


@dataclass(frozen=True, repr=False)
class WantedGroup:
    """What a team is to be."""

    label: str
    external: str
    members: tuple[Listed, ...]


def groups(desk: Desk, employer: Organisation) -> list[Group]:
    """Every team that stands, by number, but for those that are being formed."""
    forming = {int.from_bytes(key, "big") for key, _ in employer.books.rows(FORMING)}
    return [each for each in _every(desk, employer) if each.number not in forming]


def _every(desk: Desk, employer: Organisation) -> list[Group]:
    staff = {each.member.post: each for each in present(employer)}
    outside = {int.from_bytes(key, "big"): row.decode() for key, row in employer.books.rows(EXTERNAL)}
    return [
        Group(employer, each.number, each.label, outside.get(each.number, ""), _by_id(staff, each.posts))
        for each in tree(desk, employer, staff)
    ]


def group(desk: Desk, employer: Organisation, number: int) -> Group:
    """One of them; raises TeamNotFound."""
    return _one(groups(desk, employer), number)


def _one(those: Iterable[Group], number: int) -> Group:
    found = next((each for each in those if each.number == number), None)
    if found is None:
        raise TeamNotFound()
    return found


def tree(desk: Desk, employer: Organisation, posts: Iterable[int]) -> list[Team]:
    """The teams that stand, with those of these posts that are in them."""
    return teams.role_tree(desk.network.ledger.fresh_head(), employer, posts)


def present(employer: Organisation) -> list[Listed]:
    """Who is in the list of staff and has not left."""
    return [each for each in employing.listed(employer) if each.member.active and not each.member.gone]


def form(desk: Desk, employer: Organisation, wanted: WantedGroup) -> Group:
    """A new team at the top, with those in it. Raises TeamTaken for a name that another one has, PartyNotFound for who
    has no post, ActRefused for who is in as many teams as one may be in."""
    _check(desk, 0, wanted)
    number = teams.called(employer, wanted.label)
    begun = number and employer.books.get(FORMING, uint(number)) is not None
    if number and not begun and desk.network.ledger.fresh_head().team_stands(number):
        raise TeamTaken()
    number = number if begun else PartyId.random().number
    employer.books.put(FORMING, [(uint(number), b"")])
    teams.form_team(desk.network, employer, wanted.label, 0, number)
    _become(desk, _one(_every(desk, employer), number), wanted)
    employer.books.drop(FORMING, [uint(number)])
    return group(desk, employer, number)


def change(desk: Desk, found: Group, wanted: WantedGroup) -> Group:
    """A team as it is to be from now on; where it hangs stays. Raises TeamTaken, PartyNotFound for who has no post,
    ActRefused for who is in as many teams as one may be in."""
    _check(desk, found.number, wanted)
    if teams.called(found.employer, wanted.label) not in (0, found.number):
        raise TeamTaken()
    _become(desk, found, wanted)
    return group(desk, found.employer, found.number)


def give_up(desk: Desk, found: Group) -> None:
    """Nobody is in it any more, whoever put them in. Raises LedgerRefused while teams are below it."""
    posts = desk.keyring.all_staff(found.employer).values()
    teams.give_up_team(desk.network, found.employer, found.number, posts)
    found.employer.books.drop(EXTERNAL, [uint(found.number)])


def _become(desk: Desk, found: Group, wanted: WantedGroup) -> None:
    books, view = found.employer.books, desk.network.ledger.fresh_head()
    if wanted.external != found.external:
        books.put(EXTERNAL, [(uint(found.number), wanted.external.encode())])
    if wanted.label != found.label:
        teams.rename_team(found.employer, found.number, wanted.label)
    wanted_posts = {each.member.post for each in wanted.members}
    for each in found.members:
        if each.member.post not in wanted_posts:
            parties.leave_team(desk.network, _staff(desk, each), found.number)
    for each in wanted.members:
        if found.number not in view.memberships(each.member.post):
            parties.join_team(desk.network, _staff(desk, each), found.number)


def _check(desk: Desk, team: int, wanted: WantedGroup) -> None:
    """Before anything is done: each has a post that the ledger knows and that is not over, and room for this team."""
    view = desk.network.ledger.fresh_head()
    for each in wanted.members:
        facts, joined = view.party(each.member.post), view.memberships(each.member.post)
        if facts is None or facts.status is Status.REMOVED:
            raise PartyNotFound()
        if team not in joined and len(joined) >= teams.MOST_TEAMS:
            raise ActRefused(why=f"somebody is in {teams.MOST_TEAMS} teams already")


def _staff(desk: Desk, who: Listed) -> Staff:
    staff = employing.staff_of(desk.keyring, who)
    if staff is None:
        raise PartyNotFound()
    return staff


def _by_id(staff: dict[int, Listed], posts: Iterable[int]) -> tuple[Listed, ...]:
    return tuple(sorted((staff[post] for post in posts), key=lambda each: each.id))
