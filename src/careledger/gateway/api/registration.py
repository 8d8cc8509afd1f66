"""Parties that come, change their keys and go: organisations by officers of the ministry, posts by their employer.

An employer's operators act for it here with the employer's key, which lies in the gateway; everybody turns its own key.
What is registered here gets its keys here, in the same data directory.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from msgspec import Meta, Struct

from careledger.app import founding
from careledger.app.founding import Member, licence
from careledger.app.licences import over
from careledger.app.rotation import rotate_controller, rotate_staff
from careledger.domain.errors import ActRefused, ApiRefused, LedgerRefused, LicenceRefused, PartyNotFound
from careledger.domain.parties import ORGANISATION_ROLES, POST_ROLES, Role
from careledger.gateway.api.ministry import OFFICERS, Confirmed, number_in, officer_of
from careledger.gateway.api.parties import Keys, PartyKeys, keys, keys_of
from careledger.gateway.api.rows import Called, Row
from careledger.gateway.desk import Desk
from careledger.workflows import parties, register
from careledger.workflows.actors import Organisation, Staff

OPERATORS = frozenset({Role.OPERATOR})
MOST_NAME = 100
Name = Annotated[str, Meta(min_length=1, max_length=MOST_NAME)]
Roles = Annotated[list[str], Meta(min_length=1, max_length=4)]
Licence = Annotated[
    str, Meta(max_length=100, description="The licence's number; the ledger keeps a digest of it.")
]


class NewOrganisation(Struct, frozen=True, forbid_unknown_fields=True):
    """An organisation whose keys are made here and that is proposed on the ledger."""

    name: Annotated[Name, Meta(description="What it is to be called; no other party's name here.")]
    roles: Annotated[Roles, Meta(description="hospital, centre, pharmacy, insurer.")]
    licence: Licence = ""


class NewPost(Struct, frozen=True, forbid_unknown_fields=True):
    """One professional, or one machine, at the asking operator's organisation."""

    name: Annotated[
        Name, Meta(description="What it is to be called; the organisation's name follows, if it does not.")
    ]
    roles: Annotated[Roles, Meta(description="doctor, nurse, device, operator, researcher.")]
    licence: Licence = ""


def propose(desk: Desk, called: Called) -> PartyKeys:
    """Pending until it is verified. A repetition by the same idempotency key is the same organisation. Raises
    ApiRefused for a name that is taken, LedgerRefused."""
    world, body = desk.world, called.body
    number, roles = _number(called), _roles(body.roles, ORGANISATION_ROLES)
    if world.keyring.labels().get(number) != body.name:
        _check_free(body.name, world.keyring.labels().values())
    founding.propose(world, Member(body.name, roles, body.licence), number)
    return keys_of(desk, called, number)


def remove(desk: Desk, called: Called) -> PartyKeys:
    """For good. Raises PartyNotFound, ActRefused, LedgerRefused."""
    number = number_in(desk, called)
    parties.remove(desk.world.network, officer_of(called), number)
    return keys_of(desk, called, number)


def vouch(desk: Desk, called: Called) -> PartyKeys:
    """It acts from now on. A repetition by the same idempotency key is the same post. Raises ApiRefused for a name
    that is taken in this organisation, LicenceRefused for the number of a licence that is over, or where a
    role needs one that was shown, LedgerRefused."""
    world, body, employer = desk.world, called.body, called.who.staff.organisation
    number, roles = _number(called), _roles(body.roles, POST_ROLES)
    names, licensed = world.keyring.labels(employer), world.network.licensed
    label = _within(body.name, names[employer.number])
    if names.get(number) != label:
        _check_free(label, names.values())
        over.check(employer, (), body.licence, roles, world.clock.now(), 0, licensed)
        world.keyring.new_staff(employer, label, roles, number=number)
    if world.ledger.fresh_head().party(number) is None:
        over.check(employer, (), body.licence, roles, world.clock.now(), number, licensed)
        over.rest_on_shown(employer, number, body.licence, roles, world.clock.now())
    register.post(world.network, _post(desk, employer, number), roles, licence(body.licence))
    return keys_of(desk, called, number)


def end(desk: Desk, called: Called) -> PartyKeys:
    """At this block it loses everything. Raises PartyNotFound for another's post, ActRefused for one's own."""
    number = number_in(desk, called)
    if number == called.who.staff.number:
        raise ActRefused(why="another operator ends this post")
    parties.end_post(desk.world.network, _post(desk, called.who.staff.organisation, number))
    return keys_of(desk, called, number)


def turn_own(desk: Desk, called: Called) -> Keys:
    """The asking post signs with a new key."""
    return _turned(desk, called, called.who.staff)


def turn_posts(desk: Desk, called: Called) -> PartyKeys:
    """A post of the operator's organisation signs with a new key. Raises PartyNotFound for another's."""
    number = number_in(desk, called)
    _turned(desk, called, _post(desk, called.who.staff.organisation, number))
    return keys_of(desk, called, number)


def turn_controller(desk: Desk, called: Called) -> Keys:
    """The operator's organisation signs with a new key. Raises what the ledger refuses with."""
    rotate_controller(desk.world.network, desk.world.keyring, called.who.staff.organisation)
    return keys(desk, called)


def _turned(desk: Desk, called: Called, staff: Staff) -> Keys:
    rotate_staff(desk.world.network, desk.world.keyring, staff)
    return keys(desk, called)


def _post(desk: Desk, employer: Organisation, number: int) -> Staff:
    """That post with the key that it has now; raises PartyNotFound for what is none of this employer's."""
    for staff in desk.world.keyring.all_staff(employer).values():
        if staff.number == number:
            return staff
    raise PartyNotFound()


def _number(called: Called) -> int:
    """A party's number, the same for the same request under the same key."""
    return int.from_bytes(called.unique[:8], "big") or 1


def _roles(said: Iterable[str], allowed: frozenset[Role]) -> tuple[Role, ...]:
    known = {role.code: role for role in allowed}
    if not set(said) <= set(known):
        raise ApiRefused(why=f"roles are of: {', '.join(sorted(known))}")
    return tuple(dict.fromkeys(known[each] for each in said))


def _within(name: str, organisation: str) -> str:
    """A post's name with its organisation's, so that no two organisations' posts are called alike."""
    label = name if name.endswith(f", {organisation}") else f"{name}, {organisation}"
    if len(label) > MOST_NAME:
        raise ApiRefused(why=f"a name of more than {MOST_NAME} characters, with the organisation's")
    return label


def _check_free(label: str, taken: Iterable[str]) -> None:
    if not label.isprintable() or label.strip() != label or label in taken:
        raise ApiRefused(why="a name that is taken here, or is none")


ROWS = (
    Row("POST", "/organisations", "propose_organisation", "Make an organisation's keys and propose it on the ledger.",
        propose, PartyKeys, OFFICERS, takes=NewOrganisation, refusals=(LedgerRefused,), status=201, fresh=True),
    Row("POST", "/parties/{party}/removal", "remove", "For good: what it wrote stays; nobody acts as it any more.",
        remove, PartyKeys, OFFICERS, takes=Confirmed, refusals=(PartyNotFound, LedgerRefused), fresh=True),
    Row("POST", "/posts", "vouch", "Vouch for a post of the operator's organisation; it acts from now on.", vouch,
        PartyKeys, OPERATORS, takes=NewPost, refusals=(LedgerRefused, LicenceRefused), status=201, fresh=True),
    Row("POST", "/posts/me/key", "turn_own_key", "The asking post signs with a new key; what the old one stated ends.",
        turn_own, Keys, takes=Confirmed, refusals=(LedgerRefused, ActRefused), fresh=True),
    Row("POST", "/posts/{party}/end", "end_post", "The employment ends, and with it everything that the post could do.",
        end, PartyKeys, OPERATORS, takes=Confirmed, refusals=(PartyNotFound, LedgerRefused), fresh=True),
    Row("POST", "/posts/{party}/key", "turn_posts_key", "A post of the operator's organisation signs with a new key.",
        turn_posts, PartyKeys, OPERATORS, takes=Confirmed, refusals=(PartyNotFound, LedgerRefused), fresh=True),
    Row("POST", "/organisations/me/key", "turn_organisations_key", "The operator's organisation signs with a new key.",
        turn_controller, Keys, OPERATORS, takes=Confirmed, refusals=(LedgerRefused,), fresh=True),
)  # fmt: skip
