"""Parties as the ledger has them, with the names that this machine knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from careledger.app.names import Names, parties_of
from careledger.cli.overview import party_facts
from careledger.cli.screen import Screen
from careledger.cli.words import NONE, Facts, listed
from careledger.domain.errors import PartyNotFound
from careledger.workflows.teams import teams

if TYPE_CHECKING:
    from careledger.app.world import World


def facts(world: World) -> list[Facts]:
    """Every party, posts after their employer, each with its teams."""
    view = world.ledger.fresh_head()
    names = Names(world, view)
    return [
        _with_teams(world, each.number, party_facts(world, view, names, each))
        for each in parties_of(world, view)
    ]


def one(world: World, number: int) -> Facts:
    """One party with what else the ledger keeps of it; raises PartyNotFound."""
    view = world.ledger.fresh_head()
    found = view.party(number)
    if found is None:
        raise PartyNotFound(party=number)
    said = _with_teams(world, number, party_facts(world, view, Names(world, view), found))
    return said | {
        "controller": "0x" + found.controller.hex(),
        "sealing_key": found.sealing_key.hex(),
        "licence": found.licence.hex(),
    }


def _with_teams(world: World, number: int, said: Facts) -> Facts:
    view = world.ledger.fresh_head()
    known = {
        team: (employer.number, label)
        for employer in world.keyring.organisations().values()
        for team, label in teams(employer).items()
    }
    of = [
        label for team, (employer, label) in known.items() if employer == number or view.in_team(number, team)
    ]
    return said | {"teams": sorted(of)}


def show(screen: Screen, found: list[Facts]) -> None:
    """The table."""
    rows = []
    for each in found:
        inset = "  " if each["employer"] else ""
        custodian = ("leaving" if each["custodian"]["leaving"] else "yes") if each["custodian"] else NONE
        rows.append(
            (inset + each["name"], listed(each["roles"]), each["standing"], custodian, listed(each["teams"]))
        )
    screen.table("Parties on the ledger, posts under their employer",
                 ("party", "as", "standing", "custodian", "teams"), rows)  # fmt: skip


def show_one(screen: Screen, found: Facts) -> None:
    """Names and values."""
    custodian = found["custodian"]
    screen.facts(
        found["name"],
        [
            ("id", found["id"]),
            ("DID", found["did"]),
            ("acts as", listed(found["roles"])),
            ("status", found["status"]),
            ("standing", found["standing"]),
            ("employer", found["employer"] or NONE),
            ("teams", listed(found["teams"])),
            ("custodian", "no" if custodian is None else "leaving" if custodian["leaving"] else "yes"),
            ("signs as", found["controller"]),
            ("sealing key", found["sealing_key"]),
            ("licence", found["licence"]),
        ],
    )
