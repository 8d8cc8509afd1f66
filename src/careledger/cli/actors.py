"""Who acts: organisations, posts and officers of this machine by what people call them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, TypeVar

import typer

from careledger.cli.words import listed
from careledger.domain.consents import Grantee, GranteeKind
from careledger.domain.errors import MalformedBytes
from careledger.domain.parties import PartyId
from careledger.workflows.actors import Organisation, Session, Staff, open_session
from careledger.workflows.register import Officer
from careledger.workflows.teams import teams

if TYPE_CHECKING:
    from careledger.app.world import World

AS, OFFICER, TO = "--as", "--officer", "--to"
MOST_NAMED = 12
Found = TypeVar("Found")


@dataclass(frozen=True, repr=False)
class Actor:
    """An organisation, or a post at it, with the name it goes by here."""

    label: str
    organisation: Organisation
    staff: Staff | None

    @property
    def number(self) -> int:
        """The party's number."""
        return self.staff.number if self.staff else self.organisation.number


def actor(world: World, named: str, option: str = AS) -> Actor:
    """The organisation or post of that name; raises BadParameter that lists who there is."""
    return one_of(_actors(world), named, option)


def organisation(world: World, named: str, option: str = AS) -> Organisation:
    """The organisation of that name, or the employer of that post."""
    return actor(world, named, option).organisation


def member(world: World, named: str, option: str) -> Organisation:
    """The organisation of that name, and not one of its posts; raises BadParameter that lists who there is."""
    found = {label: each.organisation for label, each in _actors(world).items() if each.staff is None}
    return one_of(found, named, option, "an organisation", lambda found: found.number)


def staff(world: World, named: str, option: str = AS) -> Staff:
    """The post of that name; raises BadParameter, also for an organisation, of which it lists the posts."""
    posts = {label: found.staff for label, found in _actors(world).items() if found.staff is not None}
    return one_of(posts, named, option, "a post", lambda found: found.number)


def session(world: World, named: str, option: str = AS) -> Session:
    """A fresh session of that post."""
    return open_session(staff(world, named, option), world.ledger.deployment, world.clock.now())


def officer(world: World, named: str, option: str = AS) -> Officer:
    """The ministry's officer of that name; raises BadParameter."""
    posts = world.keyring.all_staff(world.keyring.ministry())
    found = one_of(posts, named, option, "a ministry officer", lambda found: found.number)
    return Officer(found.number, found.key)


def officers(world: World, named: Iterable[str]) -> list[Officer]:
    """The officers of these names."""
    return [officer(world, each, OFFICER) for each in named]


def grantee(world: World, named: str, option: str = TO) -> Grantee:
    """The post, team or organisation that a consent is to name; others than of this machine by their identifier."""
    candidates = {label: _as_grantee(found) for label, found in _actors(world).items()}
    for employer in world.keyring.organisations().values():
        for number, label in teams(employer).items():
            candidates[label] = Grantee(GranteeKind.TEAM, number, PartyId(employer.number))
    if named not in candidates and (elsewhere := _registered(world, named)) is not None:
        return elsewhere
    return one_of(candidates, named, option, "a party", lambda found: found.number)


def elsewhere(world: World, named: str) -> int:
    """The number of an organisation on the ledger whose keys lie elsewhere, by its identifier; 0 for any other name."""
    found = _registered(world, named)
    if found is None or found.kind is not GranteeKind.ORGANISATION:
        return 0
    return 0 if found.number in world.keyring.labels() else found.number


def registered(world: World, named: str, option: str) -> int:
    """The number of a party of this machine by its name, or of any on the ledger by its identifier."""
    found = _registered(world, named)
    return actor(world, named, option).number if found is None else found.number


def digest_in(said: str, option: str) -> bytes:
    """The 32 bytes that somebody wrote in hex; raises BadParameter."""
    if not re.fullmatch(r"[0-9a-f]{64}", said):
        raise typer.BadParameter("64 hex digits are wanted", param_hint=option)
    return bytes.fromhex(said)


def one_of(
    candidates: Mapping[str, Found],
    named: str,
    option: str,
    kind: str = "a party",
    number: Callable[[Found], int] = attrgetter("number"),
) -> Found:
    """The one of that name, of that identifier, or whose name alone begins so."""
    if named in candidates:
        return candidates[named]
    wanted = _number(named)
    fitting = [
        label
        for label, found in candidates.items()
        if number(found) == wanted or (named and label.casefold().startswith(named.casefold()))
    ]
    if len(fitting) == 1:
        return candidates[fitting[0]]
    raise typer.BadParameter(
        _said(named, kind, sorted(fitting or candidates), bool(fitting)), param_hint=option
    )


def _said(named: str, kind: str, labels: list[str], several: bool) -> str:
    more = f", and {len(labels) - MOST_NAMED} more" if len(labels) > MOST_NAMED else ""
    there = listed([f"“{label}”" for label in labels[:MOST_NAMED]]) + more
    if several:
        return f"{named!r} fits several; write more of the name: {there}"
    return f"{named!r} is not {kind} of this machine; there are: {there}"


def _actors(world: World) -> dict[str, Actor]:
    """Every organisation and post whose keys lie here, the ministry's included where they are."""
    found: dict[str, Actor] = {}
    labels = world.keyring.labels()
    for employer in world.keyring.everybody():
        label = labels[employer.number]
        found[label] = Actor(label, employer, None)
        found.update(
            {name: Actor(name, employer, post) for name, post in world.keyring.all_staff(employer).items()}
        )
    return found


def _as_grantee(found: Actor) -> Grantee:
    kind = GranteeKind.POST if found.staff else GranteeKind.ORGANISATION
    return Grantee(kind, found.number, PartyId(found.organisation.number))


def _registered(world: World, named: str) -> Grantee | None:
    """A party by its public identifier, wherever its keys lie."""
    number = _number(named)
    facts = world.ledger.fresh_head().party(number) if number else None
    if facts is None:
        return None
    kind = GranteeKind.POST if facts.employer else GranteeKind.ORGANISATION
    return Grantee(kind, facts.number, PartyId(facts.employer or facts.number))


def _number(named: str) -> int:
    try:
        return PartyId.parse(named).number
    except MalformedBytes:
        return 0
