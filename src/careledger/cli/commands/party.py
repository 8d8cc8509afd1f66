"""``careledger party``: organisations, posts and teams."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from careledger.app.rotation import rotate_controller, rotate_staff
from careledger.cli import licences, party_list
from careledger.cli.actors import (
    Actor,
    actor,
    digest_in,
    elsewhere,
    member,
    officer,
    organisation,
    registered,
    staff,
)
from careledger.cli.commands import party_team
from careledger.cli.opening import opened
from careledger.cli.options import DATA, As, Data, Json, command, group
from careledger.cli.output import print_json, screen, tell
from careledger.cli.roles import organisation_roles, post_roles
from careledger.domain.errors import LicenceRefused
from careledger.domain.facts import Head
from careledger.domain.parties import Role
from careledger.workflows import parties, register
from careledger.workflows.actors import Organisation
from careledger.workflows.network import Network
from careledger.workflows.register import Officer

if TYPE_CHECKING:
    from careledger.app.licences.checking import Checked
    from careledger.app.world import World

app = group("Organisations, posts and teams: register, verify, suspend, remove, rotate, list.")
app.add_typer(party_team.app, name="team")

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="The party's name, its beginning, or its identifier.")
]
NewName = Annotated[
    str, typer.Argument(metavar="NAME", help="What it is to be called; no other party's name here.")
]
Roles = Annotated[list[str], typer.Option("--role", metavar="ROLE", help="What it acts as; repeatable.")]
Licence = Annotated[
    str,
    typer.Option(
        "--licence", metavar="NUMBER", help="The licence's number; the ledger keeps a digest of it."
    ),
]


@command(
    app,
    "register",
    'careledger party register "Hilltop Hospital" --role hospital --licence H-77',
    'careledger party register "Riverside Hospital" --role hospital --role centre',
)
def register_(
    label: NewName, role: Roles, licence_number: Licence = "", data: Data = DATA, as_json: Json = False
) -> None:
    """Make an organisation's keys and propose it on the ledger; it is pending until an officer verifies it."""
    from careledger.app.founding import Member, propose

    roles = organisation_roles(role)
    with opened(data) as world:
        if label not in world.keyring.organisations():
            _check_new(world, label)
        made = propose(world, Member(label, roles, licence_number))
        facts = party_list.one(world, made.number)
        waits = facts["status"] == "pending"
        _told(
            world,
            as_json,
            made.number,
            f"{label} is proposed; next: careledger party verify --as OFFICER." if waits else "",
        )


@command(
    app,
    "verify",
    'careledger party verify Hilltop --as "Officer Begum" --licence H-77',
    'careledger party verify Riverside --as "Officer Das" --no-custodian',
)
def verify(
    named: Name,
    acting: As,
    licence_number: Annotated[
        str, typer.Option("--licence", metavar="NUMBER", help="The number that the officer checked.")
    ] = "",
    sealing_key: Annotated[
        str,
        typer.Option(
            metavar="HEX",
            help="Of an organisation whose keys are on another machine: the digest of its sealing key, as it told the "
            "officer.",
        ),
    ] = "",
    custodian: Annotated[
        bool, typer.Option(help="Whether it becomes a custodian, which keeps shares of others' records.")
    ] = True,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """A ministry officer verifies an organisation whose licence was checked; a custodian joins at the same time."""
    from careledger.app.founding import become_custodian, licence

    with opened(data) as world:
        by, number = officer(world, acting), elsewhere(world, named)
        if number:
            key = digest_in(sealing_key, "--sealing-key")
            register.verify(world.network, by, number, licence(licence_number), key)
            _told(
                world,
                as_json,
                number,
                "Verified. Next: it announces its custodian, careledger custodian announce.",
            )
            return
        found = member(world, named, "NAME")
        register.verify(world.network, by, found.number, licence(licence_number), found.sealing.digest)
        if custodian:
            become_custodian(world, by, found)
        _told(world, as_json, found.number, "Verified" + (", and a custodian." if custodian else "."))


@command(
    app,
    "post",
    'careledger party post "Dr Nahar, Hilltop" --as Hilltop --role doctor --licence D-1204',
    'careledger party post "records desk, Hilltop" --as Hilltop --role nurse',
)
def post(
    label: NewName,
    acting: As,
    role: Roles,
    licence_number: Licence = "",
    presented: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The licence that was presented (careledger licence ask), checked first; the post rests on it.",
        ),
    ] = None,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """An organisation vouches for a post: one professional, or one machine, at one employer."""
    from careledger.app.founding import licence
    from careledger.app.licences import over
    from careledger.app.licences.resting import rest

    roles = post_roles(role)
    with opened(data) as world:
        employer = organisation(world, acting)
        shown = None if presented is None else _licensed(world, employer, presented, roles)
        made = world.keyring.all_staff(employer).get(label)
        if made is None:
            _check_new(world, label)
            made = world.keyring.new_staff(employer, label, roles)
        if shown is not None:
            rest(world.ledger.fresh_head(), employer, made.number, shown, world.clock.now())
            licence_number = shown.number
        elif world.ledger.fresh_head().party(made.number) is None:
            over.check(employer, (), licence_number, roles, world.clock.now(), 0, world.licensed)
            over.rest_on_shown(employer, made.number, licence_number, roles, world.clock.now())
        register.post(world.network, made, roles, licence(licence_number))
        _told(world, as_json, made.number, f"{label} acts from now on.")


def _licensed(world: World, employer: Organisation, presented: Path, roles: Iterable[Role]) -> Checked:
    """A licence that holds and lets its holder act as all of that; raises LicenceRefused."""
    found = licences.checked(world, employer, presented)
    if {role.code for role in roles} != {found.profession}:
        raise LicenceRefused(why="it is for another profession")
    return found


@command(app, "rotate", 'careledger party rotate "Dr Nahar, Hilltop"')
def rotate(named: Name, data: Data = DATA, as_json: Json = False) -> None:
    """Give a party a new signing key; sessions that the old one stated end at this block."""
    with opened(data) as world:
        found = actor(world, named, "NAME")
        _rotate(world, found)
        _told(world, as_json, found.number, f"{found.label} signs with a new key.")


def _rotate(world: World, found: Actor) -> None:
    if found.staff is not None:
        rotate_staff(world.network, world.keyring, found.staff)
    else:
        rotate_controller(world.network, world.keyring, found.organisation)


@command(app, "suspend", 'careledger party suspend Hilltop --as "Officer Begum"')
def suspend(named: Name, acting: As, data: Data = DATA, as_json: Json = False) -> None:
    """Nobody acts as this party, or as one of its posts, until it is reinstated."""
    _by_officer(data, named, acting, as_json, parties.suspend)


@command(app, "reinstate", 'careledger party reinstate Hilltop --as "Officer Begum"')
def reinstate(named: Name, acting: As, data: Data = DATA, as_json: Json = False) -> None:
    """A suspended party acts again."""
    _by_officer(data, named, acting, as_json, parties.reinstate)


def _by_officer(
    data: Data, named: str, acting: str, as_json: bool, act: Callable[[Network, Officer, int], Head]
) -> None:
    with opened(data) as world:
        by, number = officer(world, acting), registered(world, named, "NAME")
        act(world.network, by, number)
        _told(world, as_json, number)


@command(app, "end", 'careledger party end "Dr Nahar, Hilltop"')
def end(named: Name, data: Data = DATA, as_json: Json = False) -> None:
    """The employer ends a post; at this block it loses everything."""
    with opened(data) as world:
        found = staff(world, named, "NAME")
        parties.end_post(world.network, found)
        _told(world, as_json, found.number)


@command(app, "remove", 'careledger party remove Hilltop --as "Officer Begum"')
def remove(named: Name, acting: As, data: Data = DATA, as_json: Json = False) -> None:
    """For good: what it wrote stays, but it and its posts never act again."""
    _by_officer(data, named, acting, as_json, parties.remove)


@command(app, "list", "careledger party list")
def list_(data: Data = DATA, as_json: Json = False) -> None:
    """List every party on the ledger, posts and teams under their organisation."""
    with opened(data) as world:
        found = party_list.facts(world)
        print_json({"parties": found}) if as_json else party_list.show(screen(), found)


@command(app, "show", 'careledger party show "City Hospital"')
def show(named: Name, data: Data = DATA, as_json: Json = False) -> None:
    """Show one party as the ledger has it: status, standing, roles, keys, licence, teams."""
    with opened(data) as world:
        found = party_list.one(world, registered(world, named, "NAME"))
        print_json(found) if as_json else party_list.show_one(screen(), found)


# What was done -----------------------------------------------------------------------------------


def _check_new(world: World, label: str) -> None:
    if label in world.keyring.labels().values():
        raise typer.BadParameter("another party here is called so", param_hint="NAME")


def _told(world: World, as_json: bool, number: int, sentence: str = "") -> None:
    found = party_list.one(world, number)
    tell(as_json, found, sentence or f"{found['name']} is {found['standing']}.")
