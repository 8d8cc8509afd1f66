"""Staff sign on at their organisation's provider: what was begun, and who came back from there.

Order of effects: what was begun durable before the browser is sent away; dropped, durably, before anything that came
back is looked at. Then, of whom the provider proved: the list of staff and the post (employing), the login bound to the
subject, the account; the session is last.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

from careledger.app.identity import accounts, employing, sessions
from careledger.app.identity.accounts import ACTIVE, Person
from careledger.app.identity.employing import BY_SIGN_ON, Desk, Listed, Wanted
from careledger.app.identity.id_tokens import Told
from careledger.app.identity.providers import Anywhere
from careledger.app.identity.sessions import Current
from careledger.domain.errors import LicenceRefused, SignOnRefused, Throttled
from careledger.domain.parties import Role
from careledger.formats.digests import digest
from careledger.formats.identity import Claim
from careledger.formats.sign_on import Provider, SamlProvider, SignOn
from careledger.ports import Books
from careledger.workflows.network import verified

KEPT = "sign-on-begun"
GOOD_FOR = 600
"""Seconds that somebody has to prove themselves at the provider."""
MOST = 20_000
"""Sign-ons that are under way, of everybody together."""
LONGEST = 12 * 3_600
"""Seconds that may lie behind a proof at the provider."""
EMAIL = "email"


def begin(found: Anywhere, browser: str, session: bytes, again: bool, now: int) -> tuple[str, SignOn]:
    """The state of a new sign-on, which only that browser may come back with; raises Throttled."""
    books = found.employer.books
    if len(books.keys(KEPT, b"", MOST)) >= MOST and not sweep(books, now):
        raise Throttled(seconds=GOOD_FOR)
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    begun = SignOn(found.id, _hash(browser), session, nonce, verifier, again, now, now + GOOD_FOR)
    books.put(KEPT, [(_hash(state), begun.encode())])
    return state, begun


def take(found: Anywhere, state: str, browser: str, now: int) -> SignOn:
    """What was begun under that state, which is none from now on; raises SignOnRefused."""
    name, books = _hash(state), found.employer.books
    with books.alone():
        row = books.get(KEPT, name)
        if row is None:
            raise SignOnRefused(why="this sign-on is over, was ended before, or began elsewhere")
        books.drop(KEPT, [name])
    begun = SignOn.decode(row)
    if now >= begun.until or begun.provider != found.id or begun.browser != _hash(browser):
        raise SignOnRefused(why="this sign-on is over, was ended before, or began elsewhere")
    return begun


def since(begun: SignOn, now: int) -> int:
    """When whoever it is must have proved it, in unix seconds."""
    return begun.began if begun.again else now - LONGEST


def sweep(books: Books, now: int) -> int:
    """Drops sign-ons that are over; returns how many."""
    over = [name for name, row in books.rows(KEPT) if now >= SignOn.decode(row).until]
    books.drop(KEPT, over)
    return len(over)


def arrived(desk: Desk, found: Anywhere, told: Told) -> Person:
    """Whose account it is; raises SignOnRefused for whoever is nobody here, or has none of the post's roles any more,
    whose post is then over."""
    provider, employer = found.provider, found.employer
    subject = _subject(provider, told.subject)
    login, roles = _login(provider, told.claims), _roles(provider, told.claims)
    who = employing.by_subject(employer, subject) or employing.by_login(employer, login)
    if who is not None and who.member.subject not in (b"", subject):
        raise SignOnRefused(why="this login is somebody else's")
    who = _entered(desk, found, who, Wanted(login, _name(told.claims, login), roles))
    if who.member.subject != subject:
        who = employing.bind(who, subject)
    verified(desk.network.ledger.fresh_head(), who.member.post)
    return _account(desk, who)


def sessions_of(found: Anywhere, subject: str, now: int) -> list[Current]:
    """The sessions of whoever signed on there as that subject, however they began."""
    who = employing.by_subject(found.employer, _subject(found.provider, subject))
    holder = None if who is None else accounts.holder_of(found.employer, who.member.post)
    return [] if holder is None else sessions.own(holder, now)


def _subject(provider: Provider | SamlProvider, subject: str) -> bytes:
    return digest("sign-on-subject", provider.issuer.encode(), subject.encode())


def _entered(desk: Desk, found: Anywhere, who: Listed | None, wanted: Wanted) -> Listed:
    """In the list of staff, with a post for no more roles than the provider gives; raises SignOnRefused."""
    own = who is None or who.member.by == BY_SIGN_ON
    held = {Role(each) for each in who.member.roles} if who is not None else set()
    if not wanted.roles or (not own and not held <= set(wanted.roles)):
        _lost(desk, who)
        raise SignOnRefused(why="the provider gives none of the roles that are needed")
    if who is not None and not own and (not who.member.active or 0 < who.member.until <= desk.now):
        raise SignOnRefused(why="this member of staff has left")
    if who is not None and who.member.active and (not own or held == set(wanted.roles)):
        return employing.vouch(desk, who)
    if who is not None and who.member.active:
        employing.leave(desk, who)
    if not found.provider.just_in_time:
        raise SignOnRefused(why="nobody in the list of staff is called so")
    try:
        if who is None:
            return employing.join(desk, found.employer, wanted, BY_SIGN_ON)
        kept = Wanted(who.member.login, wanted.name, wanted.roles)
        return employing.change(desk, employing.by_id(who.employer, who.id), kept)
    except LicenceRefused:
        raise SignOnRefused(why="a post of this role needs a licence that was shown") from None


def _lost(desk: Desk, who: Listed | None) -> None:
    """A post that a sign-on made is over; of another's whoever is signed in is signed out."""
    if who is None or not who.member.active:
        return
    if who.member.by == BY_SIGN_ON:
        employing.leave(desk, who)
    elif (holder := accounts.holder_of(who.employer, who.member.post)) is not None:
        accounts.end_sessions([holder])


def _account(desk: Desk, who: Listed) -> Person:
    with who.employer.books.alone():
        holder = accounts.holder_of(who.employer, who.member.post)
        if holder is None:
            claim = Claim("", "", "", secrets.token_bytes(32))
            id = secrets.token_bytes(16)
            holder = accounts.open_account(who.employer, id, claim, None, desk.now, who.member.post)
    if holder.account.state != ACTIVE or holder.account.post != who.member.post:
        raise SignOnRefused(why="this account is suspended")
    return holder


def _login(provider: Provider | SamlProvider, claims: dict[str, Any]) -> str:
    said = claims.get(provider.person)
    if not isinstance(said, str) or not 0 < len(said.strip()) <= 200 or not said.isprintable():
        raise SignOnRefused(why="the provider does not say what names a person")
    if (
        isinstance(provider, Provider)
        and provider.person == EMAIL
        and claims.get("email_verified") is not True
    ):
        raise SignOnRefused(why="the provider has not verified the e-mail address that names a person")
    return said.strip()


def _name(claims: dict[str, Any], login: str) -> str:
    said = claims.get("name")
    return (
        said.strip()[:100] if isinstance(said, str) and said.strip() and said.isprintable() else login[:100]
    )


def _roles(provider: Provider | SamlProvider, claims: dict[str, Any]) -> tuple[Role, ...]:
    """What the provider's claim gives; a path of claims is written with dots where no claim is called so."""
    said: Any = claims
    for part in [provider.claim] if provider.claim in claims else provider.claim.split("."):
        said = said.get(part) if isinstance(said, dict) else None
    values = said if isinstance(said, list) else [said]
    given = {each.said: Role(each.role) for each in provider.roles}
    return tuple(sorted({given[each] for each in values if isinstance(each, str) and each in given}))


def _hash(said: str) -> bytes:
    return hashlib.sha256(said.encode("utf-8", "replace")).digest()
