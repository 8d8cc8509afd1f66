"""An organisation's staff, each called by a login: who joins is vouched for as a post, who leaves loses it.

Order of effects of who joins: the row with the post's number, together with the login, the post's key, its registration
(workflows.register). Of who leaves: the post ended on the ledger, at whose block it loses everything, then the
account's sessions, then the row. Of who changes: that of who leaves, the row together with the logins and the teams
that the post before was in, that of who joins, into each of those teams. Repeating each finishes what broke off.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from careledger.app.founding import licence
from careledger.app.identity import accounts
from careledger.app.keyring import Keyring
from careledger.app.licences import over
from careledger.domain.errors import LoginTaken, PartyNotFound, SignOnRefused
from careledger.domain.parties import PartyId, Role
from careledger.formats.digests import digest, uint
from careledger.formats.sign_on import Member
from careledger.workflows import parties, register
from careledger.workflows.actors import Organisation, Staff
from careledger.workflows.network import Network

KEPT, LOGIN, SUBJECT, CARRIED = "staff-member", "staff-login", "staff-subject", "staff-teams"
MOST_LABEL = 100
"""Characters of what a post is called."""
BY_SIGN_ON, BY_SCIM, BY_FILE = "sign-on", "scim", "file"


@dataclass(frozen=True, repr=False)
class Listed:
    """A member of staff, its id, and who employs it."""

    employer: Organisation
    id: bytes
    member: Member


@dataclass(frozen=True)
class Wanted:
    """Who somebody is to be at their employer; who is not ``active`` is listed and has no post."""

    login: str
    name: str
    roles: tuple[Role, ...]
    licence: str = ""
    external: str = ""
    until: int = 0
    active: bool = True


@dataclass(frozen=True, repr=False)
class Desk:
    """Where somebody is entered: the network, the keys of this machine, the time. ``called`` is what is called how at
    each employer, read once for all whom one list enters."""

    network: Network
    keyring: Keyring
    now: int
    called: dict[int, dict[int, str]] = field(default_factory=dict)


def listed(employer: Organisation) -> list[Listed]:
    """All staff that was ever entered, by id."""
    rows = employer.books.rows(KEPT)
    return [Listed(employer, id, Member.decode(row)) for id, row in rows]


def by_id(employer: Organisation, id: bytes) -> Listed:
    """Raises PartyNotFound."""
    row = employer.books.get(KEPT, id)
    if row is None:
        raise PartyNotFound()
    return Listed(employer, id, Member.decode(row))


def by_login(employer: Organisation, login: str) -> Listed | None:
    """Whoever is called so, however it is written."""
    id = employer.books.get(LOGIN, _login(login))
    return None if id is None or employer.books.get(KEPT, id) is None else by_id(employer, id)


def by_subject(employer: Organisation, subject: bytes) -> Listed | None:
    """Whoever signed on as that subject before."""
    id = employer.books.get(SUBJECT, subject)
    return None if id is None else by_id(employer, id)


def staff_of(keyring: Keyring, who: Listed) -> Staff | None:
    """The post that somebody has the key of."""
    return keyring.post(who.employer, who.member.post)


def join(desk: Desk, employer: Organisation, wanted: Wanted, by: str) -> Listed:
    """A new member of staff, with a post; who joined before and has none yet is given it. Raises LoginTaken,
    LicenceRefused."""
    there = by_login(employer, wanted.login)
    if there is not None:
        if is_whole(desk, there):
            raise LoginTaken()
        return change(desk, there, wanted)
    check_licence(desk, employer, None, wanted)
    id = secrets.token_bytes(16)
    made = Member(
        wanted.login, wanted.name, wanted.external, wanted.licence, _numbers(wanted.roles),
        PartyId.random().number, b"", by, wanted.active, False, wanted.until, desk.now, desk.now,
    )  # fmt: skip
    with employer.books.alone():
        if by_login(employer, wanted.login) is not None:  # somebody was entered meanwhile
            raise LoginTaken()
        employer.books.change({KEPT: [(id, made.encode())], LOGIN: [(_login(wanted.login), id)]}, {})
    return _as_wanted(desk, Listed(employer, id, made))


def is_whole(desk: Desk, who: Listed) -> bool:
    """False for who is to be there and has no post on the ledger yet, because something broke off."""
    member = who.member
    if not member.active:
        return True
    there = desk.network.ledger.fresh_head().party(member.post) is not None
    return there and who.employer.books.get(CARRIED, who.id) is None


def change(desk: Desk, who: Listed, wanted: Wanted) -> Listed:
    """Somebody as they are to be from now on: other roles or another licence end the post and give a new one in the
    same teams; coming back gives a new one in none, and who is to be inactive has left. Raises LoginTaken,
    LicenceRefused."""
    _check_free(who, wanted.login)
    member, roles = who.member, _numbers(wanted.roles) or who.member.roles
    stays = (member.roles, member.licence, member.active, True) == (
        roles,
        wanted.licence,
        True,
        wanted.active,
    )
    renamed = _login(wanted.login) != _login(member.login)
    post, carried = member.post, dict[str, list[tuple[bytes, bytes]]]()
    if not stays:
        check_licence(desk, who.employer, who, wanted)
        teams = _teams(desk, who) if member.active and wanted.active else ()
        carried = {CARRIED: [(who.id, b"".join(map(uint, teams)))]} if teams else {}
        end(desk, who)
        post = PartyId.random().number if wanted.active else post
    made = replace(
        member, login=wanted.login, name=wanted.name, external=wanted.external, licence=wanted.licence,
        roles=roles, post=post, subject=b"" if renamed else member.subject, active=wanted.active,
        gone=False, until=wanted.until, changed=desk.now,
    )  # fmt: skip
    gone = {LOGIN: [_login(member.login)], SUBJECT: [member.subject]} if renamed else {}
    gone |= {} if wanted.active else {CARRIED: [who.id]}
    written = {KEPT: [(who.id, made.encode())], LOGIN: [(_login(wanted.login), who.id)]} | carried
    with who.employer.books.alone():
        _check_free(who, wanted.login)
        who.employer.books.change(written, gone)
    return _as_wanted(desk, Listed(who.employer, who.id, made))


def check_licence(desk: Desk, employer: Organisation, who: Listed | None, wanted: Wanted) -> None:
    """Raises LicenceRefused for whoever is to be given a post by the number of a licence that is over, comes back to
    the roles that they had by it, or is to have a role that needs one, unless one that holds was shown for them."""
    if wanted.active:
        back = who is not None and not who.member.active and {*wanted.roles} & {*who.member.roles}
        before = (who.member.licence,) if who is not None and back else ()
        over.check(employer, before, wanted.licence, wanted.roles, desk.now, 0, desk.network.licensed)


def _as_wanted(desk: Desk, who: Listed) -> Listed:
    return vouch(desk, who) if who.member.active else who


def _check_free(who: Listed, login: str) -> None:
    """Raises LoginTaken where somebody else is called so."""
    other = by_login(who.employer, login)
    if other is not None and other.id != who.id:
        raise LoginTaken()


def vouch(desk: Desk, who: Listed) -> Listed:
    """The employer vouches for the post of somebody in the list; what stands already is not done again."""
    roles = tuple(Role(each) for each in who.member.roles)
    made = staff_of(desk.keyring, who)
    if made is None:
        label = _label(desk, who)
        made = desk.keyring.new_staff(who.employer, label, roles, number=who.member.post)
    if desk.network.ledger.fresh_head().party(who.member.post) is None:
        given = who.employer, who.member.licence, roles, desk.now
        over.check(given[0], (), *given[1:], who.member.post, desk.network.licensed)
        over.rest_on_shown(given[0], who.member.post, *given[1:])
    register.post(desk.network, made, roles, licence(who.member.licence))
    carried = _carried(who)
    for team in carried:
        if desk.network.ledger.fresh_head().team_stands(team):
            parties.join_team(desk.network, made, team)
    if carried:
        who.employer.books.drop(CARRIED, [who.id])
    return who


def leave(desk: Desk, who: Listed) -> Listed:
    """Somebody has left: the post is over at this block, and whoever signed in as it is signed out."""
    end(desk, who)
    who.employer.books.drop(CARRIED, [who.id])
    return _kept(who, desk.now, active=False) if who.member.active else who


def forget(desk: Desk, who: Listed) -> None:
    """Somebody has left, and is shown no more; the row stays, so that no provider brings them back."""
    _kept(leave(desk, who), desk.now, gone=True)


def end_due(desk: Desk, employer: Organisation) -> int:
    """Whoever's time has come has left; returns how many."""
    due = [each for each in listed(employer) if each.member.active and 0 < each.member.until <= desk.now]
    for each in due:
        leave(desk, each)
    return len(due)


def end(desk: Desk, who: Listed) -> None:
    """The post of somebody is over on the ledger, then its account; raises nothing where there is none."""
    _end(desk, who.employer, who.member.post)


def end_post(desk: Desk, employer: Organisation, post: int) -> None:
    """A post of that number is over, then its account; who has it in the list of staff has left."""
    whose = [each for each in listed(employer) if each.member.post == post]
    _end(desk, employer, post)
    for each in whose:
        leave(desk, each)


def _end(desk: Desk, employer: Organisation, post: int) -> None:
    staff = desk.keyring.post(employer, post)
    if staff is not None and desk.network.ledger.fresh_head().party(post) is not None:
        parties.end_post(desk.network, staff)
    holder = accounts.holder_of(employer, post)
    if holder is not None:
        accounts.suspend([holder])


def _teams(desk: Desk, who: Listed) -> tuple[int, ...]:
    """The teams that somebody's post is in, or was to be put into."""
    view = desk.network.ledger.fresh_head()
    there = {*view.memberships(who.member.post), *_carried(who)}
    return tuple(sorted(team for team in there if view.team_stands(team)))


def _carried(who: Listed) -> tuple[int, ...]:
    row = who.employer.books.get(CARRIED, who.id) or b""
    return tuple(int.from_bytes(row[at : at + 8], "big") for at in range(0, len(row), 8))


def bind(who: Listed, subject: bytes) -> Listed:
    """From now on that login is that subject's and nobody else's; raises SignOnRefused where it is another's by now."""
    with who.employer.books.alone():
        if by_id(who.employer, who.id).member.subject not in (b"", subject):
            raise SignOnRefused(why="this login is somebody else's")
        who.employer.books.put(SUBJECT, [(subject, who.id)])
        return _kept(who, who.member.changed, subject=subject)


def _kept(who: Listed, now: int, **fields: Any) -> Listed:
    """The row as it is now with these changes, durable."""
    with who.employer.books.alone():
        made = replace(by_id(who.employer, who.id).member, changed=now, **fields)
        who.employer.books.put(KEPT, [(who.id, made.encode())])
    return Listed(who.employer, who.id, made)


def _label(desk: Desk, who: Listed) -> str:
    """What people call the post: with the organisation's name, so that no two organisations' are called alike."""
    employer, member = who.employer, who.member
    if employer.number not in desk.called:
        desk.called[employer.number] = desk.keyring.labels(employer)
    names = desk.called[employer.number]
    ends = f", {names[employer.number]}"[: MOST_LABEL // 2]
    label = f"{member.name[: MOST_LABEL - len(ends)]}{ends}"
    if label in names.values():
        ends = f" {member.post:016x}{ends}"
        label = f"{member.name[: MOST_LABEL - len(ends)]}{ends}"
    names[member.post] = label
    return label


def _numbers(roles: Iterable[Role]) -> tuple[int, ...]:
    return tuple(sorted(int(each) for each in set(roles)))


def _login(login: str) -> bytes:
    return digest("staff-login", login.strip().casefold().encode("utf-8", "replace"))
