"""What becomes of a registered party: standing, keys, posts, teams, and leaving custodianship.

Each act is one transaction and its only effect; what the ledger already shows is not done again, so repeating is
harmless. Who may is decided by the contract; it is looked at here first, so that a refusal says who lacks what.
"""

from __future__ import annotations

from dataclasses import replace

from careledger.domain.errors import ActRefused, PartyNotFound
from careledger.domain.facts import Head, PartyFacts
from careledger.domain.parties import Role, Status
from careledger.formats.signatures import SigningKey
from careledger.ports import LedgerView
from careledger.workflows.actors import Organisation, Staff
from careledger.workflows.network import Network, party, verified
from careledger.workflows.register import Officer

# The ministry ------------------------------------------------------------------------------------


def suspend(network: Network, officer: Officer, number: int) -> Head:
    """Nobody acts as this party, or as one of its posts, until it is reinstated.

    Raises PartyNotFound, and ActRefused unless an officer asks it of a verified party.
    """
    view = network.ledger.fresh_head()
    if not _already(view, officer, number, Status.SUSPENDED, {Status.VERIFIED}):
        return network.ledger.suspend(number, officer.key, officer.post)
    return view.head


def reinstate(network: Network, officer: Officer, number: int) -> Head:
    """A suspended party acts again. Raises PartyNotFound, and ActRefused unless an officer asks it."""
    view = network.ledger.fresh_head()
    if not _already(view, officer, number, Status.VERIFIED, {Status.SUSPENDED}):
        return network.ledger.reinstate(number, officer.key, officer.post)
    return view.head


def remove(network: Network, officer: Officer, number: int) -> Head:
    """For good: what it wrote stays, it and its posts never act again. Raises PartyNotFound, ActRefused."""
    view = network.ledger.fresh_head()
    before = {Status.PENDING, Status.VERIFIED, Status.SUSPENDED}
    if not _already(view, officer, number, Status.REMOVED, before):
        return network.ledger.remove(number, officer.key, officer.post)
    return view.head


def retire_custodian(network: Network, officer: Officer, number: int) -> Head:
    """Second of two steps, once its patients' shares were remade. Raises ActRefused unless it announced its leaving."""
    view = network.ledger.fresh_head()
    check_officer(view, officer)
    standing = {each.number: each for each in view.custodians()}.get(number)
    if standing is None:
        return view.head
    if not standing.leaving:
        raise ActRefused(why="the custodian has not announced that it leaves", custodian=number)
    return network.ledger.retire_custodian(number, officer.key, officer.post)


# The organisation itself -------------------------------------------------------------------------


def rotate_organisation(network: Network, actor: Organisation, new: SigningKey) -> Organisation:
    """The organisation under a new controller key, which must be durable before; the old one signs nothing more."""
    _rotate(network, actor.number, actor.controller, new)
    return replace(actor, controller=new)


def leave_custodians(network: Network, actor: Organisation) -> Head:
    """First of two steps: it goes on serving and takes no new patients, until ``retire_custodian``."""
    view = network.ledger.fresh_head()
    _check_controller(view, actor)
    standing = {each.number: each for each in view.custodians()}.get(actor.number)
    if standing is None:
        raise ActRefused(why="not an active custodian", party=actor.number)
    return view.head if standing.leaving else network.ledger.leave_custodians(actor.number, actor.controller)


# Posts -------------------------------------------------------------------------------------------


def rotate_post(network: Network, staff: Staff, new: SigningKey) -> Staff:
    """The post under a new key, which must be durable before; sessions that the old one stated end at this block."""
    _rotate(network, staff.number, staff.key, new)
    return replace(staff, key=new)


def end_post(network: Network, staff: Staff) -> Head:
    """The employment ends; at this block the post loses everything. Raises ActRefused for another's post."""
    view, employer = network.ledger.fresh_head(), staff.organisation
    facts = _own_post(view, employer, staff.number)
    if facts.status is Status.REMOVED:
        return view.head
    return network.ledger.end_post(staff.number, employer.controller)


# Teams -------------------------------------------------------------------------------------------


def create_team(network: Network, actor: Organisation, team: int, parent: int = 0) -> Head:
    """A team or department below ``parent`` (0: at the top); raises LedgerRefused for a number that is taken."""
    view = network.ledger.fresh_head()
    _check_controller(view, actor)
    if view.team(team) == (actor.number, parent):
        return view.head
    return network.ledger.create_team(team, actor.number, parent, actor.controller)


def move_team(network: Network, actor: Organisation, team: int, parent: int = 0) -> Head:
    """The team hangs below ``parent`` from now on (0: at the top). Raises ActRefused for another's or one that is given
    up, LedgerRefused while teams are below it, and for a parent that is none."""
    view = network.ledger.fresh_head()
    _check_team(view, actor, team)
    if view.team(team) == (actor.number, parent):
        return view.head
    return network.ledger.move_team(team, parent, actor.controller)


def end_team(network: Network, actor: Organisation, team: int) -> Head:
    """The team is given up: from this block on nobody is in it. Raises ActRefused for another's, LedgerRefused while
    teams are below it."""
    view = network.ledger.fresh_head()
    _check_team(view, actor, team, given_up=True)
    if not view.team_stands(team):
        return view.head
    return network.ledger.retire_team(team, actor.controller)


def join_team(network: Network, staff: Staff, team: int) -> Head:
    """The post is in that team and in those above it; from now on it reads what they were granted."""
    view, employer = network.ledger.fresh_head(), staff.organisation
    _own_post(view, employer, staff.number)
    if team in view.memberships(staff.number) and view.team_stands(team):
        return view.head
    return network.ledger.join_team(staff.number, team, employer.controller)


def leave_team(network: Network, staff: Staff, team: int) -> Head:
    """The post is no longer in that team, which may be given up. Raises ActRefused for another's post, LedgerRefused
    for one that is in a team below it."""
    view, employer = network.ledger.fresh_head(), staff.organisation
    _own_post(view, employer, staff.number)
    if team not in view.memberships(staff.number) and not view.in_team(staff.number, team):
        return view.head
    return network.ledger.leave_team(staff.number, team, employer.controller)


# Who may -----------------------------------------------------------------------------------------


def check_officer(view: LedgerView, officer: Officer) -> None:
    """Raises PartyNotFound, PartyNotVerified, and ActRefused for whoever is no ministry officer with this key."""
    facts = verified(view, officer.post)
    if Role.MINISTRY not in facts.roles or facts.controller != officer.key.address:
        raise ActRefused(why="only a ministry officer may", party=officer.post)


def _already(view: LedgerView, officer: Officer, number: int, after: Status, before: set[Status]) -> bool:
    """Whether the party has that status already; raises ActRefused unless it can get there."""
    check_officer(view, officer)
    status = party(view, number).status
    if status is after:
        return True
    if status not in before:
        raise ActRefused(why=f"the party is {status.name.lower()}", party=number)
    return False


def _check_controller(view: LedgerView, actor: Organisation) -> None:
    if verified(view, actor.number).controller != actor.controller.address:
        raise ActRefused(why="only the organisation's present key may", party=actor.number)


def _check_team(view: LedgerView, actor: Organisation, team: int, given_up: bool = False) -> None:
    _check_controller(view, actor)
    if (view.team(team) or (0, 0))[0] != actor.number:
        raise ActRefused(why="only the organisation that formed the team may", party=actor.number)
    if not (given_up or view.team_stands(team)):
        raise ActRefused(why="the team was given up", party=actor.number)


def _own_post(view: LedgerView, employer: Organisation, number: int) -> PartyFacts:
    facts = view.party(number)
    if facts is None:
        raise PartyNotFound(party=number)
    if facts.employer != employer.number:
        raise ActRefused(why="only the employer may", party=number)
    return facts


def _rotate(network: Network, number: int, old: SigningKey, new: SigningKey) -> None:
    facts = party(network.ledger.fresh_head(), number)
    if facts.controller == new.address:
        return
    if facts.controller != old.address:
        raise ActRefused(why="only the party's present key may", party=number)
    network.ledger.rotate_party(number, old, new)
