"""What an organisation calls its teams: the ledger knows them by number only.

Order of effects of forming: the name, the team on the ledger. Of giving up: the team on the ledger, at whose block
nobody is in it, its posts out of it, so that they have room for others, then the name among those of former teams.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from careledger.domain.errors import TeamNotFound, TeamTaken
from careledger.domain.parties import PartyId, Status
from careledger.ports import LedgerView
from careledger.workflows import parties
from careledger.workflows.actors import Organisation, Staff
from careledger.workflows.network import Network

TEAM, FORMER = "team", "team-former"
MOST_NAME = 100
"""Characters of a team's name."""
MOST_TEAMS = 8
"""Teams that a post is put into itself, as the ledger has it."""


@dataclass(frozen=True)
class Team:
    """A team that stands: its number, what it is called, the team above it (0: none), the posts put into it itself."""

    number: int
    label: str
    parent: int
    posts: tuple[int, ...]


def teams(organisation: Organisation) -> dict[int, str]:
    """The labels of an organisation's teams by number."""
    return _labels(organisation, TEAM)


def every_label(organisation: Organisation) -> dict[int, str]:
    """Those of teams that were given up too."""
    return _labels(organisation, FORMER) | teams(organisation)


def role_tree(view: LedgerView, organisation: Organisation, posts: Iterable[int]) -> list[Team]:
    """The organisation's teams that stand, by number, with those of ``posts`` that are employed."""
    inside: dict[int, list[int]] = {
        number: [] for number in sorted(teams(organisation)) if view.team_stands(number)
    }
    for post in posts:
        joined = [team for team in view.memberships(post) if team in inside]
        if joined and _is_employed(view, post):
            for team in joined:
                inside[team].append(post)
    labels = teams(organisation)
    return [
        Team(number, labels[number], (view.team(number) or (0, 0))[1], tuple(sorted(those)))
        for number, those in inside.items()
    ]


def form_team(
    network: Network, organisation: Organisation, label: str, parent: int = 0, number: int = 0
) -> int:
    """Forms a team below ``parent`` (0: at the top); returns its number, whose label is durable in the books before.

    After a crash the same label goes on with the same number. ``number``: the one that it is to have, where whoever
    repeats this knows it. Raises TeamTaken where another one has that label, LedgerRefused for a team that was formed.
    """
    made = _named(organisation, network.ledger.fresh_head(), label, number)
    parties.create_team(network, organisation, made, parent)
    return made


def _named(organisation: Organisation, view: LedgerView, label: str, number: int) -> int:
    """The number of a team that has that label from now on, looked up and kept in one step; raises TeamTaken."""
    with organisation.books.alone():
        known = called(organisation, label)
        if known and number not in (0, known) and view.team_stands(known):
            raise TeamTaken()
        if known and view.team(known) is not None and not view.team_stands(known):
            _rename_former(organisation, known)
            known = 0
        made = number or known or PartyId.random().number
        left = {TEAM: [_key(known)]} if known and known != made else {}  # one that the ledger refused
        organisation.books.change({TEAM: [(_key(made), label.encode())]}, left)
    return made


def called(organisation: Organisation, label: str) -> int:
    """The team of that name, in any case; 0 for none."""
    sought = label.strip().casefold()
    found = (number for number, name in teams(organisation).items() if name.strip().casefold() == sought)
    return next(found, 0)


def rename_team(organisation: Organisation, team: int, label: str) -> None:
    """What it is called from now on. Raises TeamNotFound, TeamTaken."""
    with organisation.books.alone():
        if team not in teams(organisation):
            raise TeamNotFound()
        if called(organisation, label) not in (0, team):
            raise TeamTaken()
        organisation.books.put(TEAM, [(_key(team), label.encode())])


def give_up_team(network: Network, organisation: Organisation, team: int, posts: Iterable[Staff]) -> None:
    """Nobody is in that team any more, and consents that name it open nothing; ``posts`` are the organisation's.

    Raises LedgerRefused while teams are below it, ActRefused for another's.
    """
    parties.end_team(network, organisation, team)
    view = network.ledger.fresh_head()
    for staff in posts:
        if team in view.memberships(staff.number) and _is_employed(view, staff.number):
            parties.leave_team(network, staff, team)
    _rename_former(organisation, team)


def _rename_former(organisation: Organisation, team: int) -> None:
    with organisation.books.alone():
        label = teams(organisation).get(team)
        if label is not None:
            organisation.books.change({FORMER: [(_key(team), label.encode())]}, {TEAM: [_key(team)]})


def _labels(organisation: Organisation, kind: str) -> dict[int, str]:
    return {int.from_bytes(key, "big"): label.decode() for key, label in organisation.books.rows(kind)}


def _is_employed(view: LedgerView, post: int) -> bool:
    facts = view.party(post)
    return facts is not None and facts.status is not Status.REMOVED


def _key(team: int) -> bytes:
    return team.to_bytes(8, "big")
