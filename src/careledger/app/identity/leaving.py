"""Signing out at the provider too: what its session of somebody is, who was signed out there, who is sent there.

When a provider says that somebody signed out there, their sessions are over and that it was said is kept in one step,
by its request's ID or its token's, so that what broke off is done by saying it again and nothing else is: of SAML that
is refused, of OpenID it ends nothing more. What it said before that of a session that is over begins none any more,
however late a browser brings it (SAML 2.0 Core 3.7.3.2, alike of OpenID's). Order of effects when somebody signs out
here: the session over (sessions), then what is asked of the provider durable, then the browser sent there.
"""

from __future__ import annotations

import hashlib
import secrets
from contextlib import suppress

from careledger.app.identity import accounts, providers, sessions, signing_on
from careledger.app.identity.id_tokens import OLDEST, SKEW, Ended, Told
from careledger.app.identity.providers import Anywhere, Registered
from careledger.app.identity.sessions import Current
from careledger.domain.errors import PartyNotFound, SignOnRefused
from careledger.formats.digests import digest, uint
from careledger.formats.sign_on import Leaving, Provider, SamlProvider, SignedOn
from careledger.workflows.actors import Organisation

KEPT, OF_SUBJECT = SignedOn.TYPE, "signed-on-as"
LEAVING, HEARD, OVER = Leaving.TYPE, "saml-logout-heard", "provider-session-over"
GOOD_FOR = 600
"""Seconds that somebody has to sign out at the provider."""


def began(found: Anywhere, current: Current, told: Told) -> None:
    """That session began by what the provider told; durable before its browser has it. Raises SignOnRefused, and the
    session is over, where the provider said since that its own is."""
    row, unique, books = current.row, current.row.unique, found.employer.books
    made = SignedOn(row.account, found.id, told.subject, told.index, row.until)
    as_whom = _subject(found.id, told.subject) + unique
    with books.alone():
        is_over = told.authenticated <= _over_since(found, told)
        if is_over:
            sessions.end(current.who, [current.digest])
        else:
            books.change({KEPT: [(unique, made.encode())], OF_SUBJECT: [(as_whom, b"")]}, {})
    if is_over:
        raise SignOnRefused(why="the provider said meanwhile that this session of it is over")


def ended(found: Registered[SamlProvider], said: Ended, now: int) -> list[Current]:
    """The sessions, now ended, that began at that provider by that name in a session of it that is over, but for those
    that began later than a minute (by which clocks may differ) after it was said, and none begins there by who was
    proved before; raises SignOnRefused for a request that was heard before."""
    books, name = found.employer.books, digest("saml-logout", found.id, said.id.encode())
    with books.alone():
        if books.get(HEARD, name) is not None:
            raise SignOnRefused(why="this request was heard before")
        return _end(found, name, _sessions(found, said, now), said, now)


def ended_by_token(found: Registered[Provider], said: Ended, now: int) -> list[Current]:
    """The same of an OpenID provider, which may not have heard that it was heard (Back-Channel Logout 1.0, 2.6): of the
    session that it names and no other, or, where it names none, all sessions of who is called so there, however they
    began; none for a token that was heard before."""
    books, name = found.employer.books, digest("openid-logout", found.id, said.id.encode())
    with books.alone():
        if books.get(HEARD, name) is not None:
            return []
        named = bool(said.indexes)
        there = _sessions(found, said, now) if named else signing_on.sessions_of(found, said.subject, now)
        return _end(found, name, there, said, now)


def _end(found: Anywhere, name: bytes, there: list[Current], said: Ended, now: int) -> list[Current]:
    """Those of them, now ended, that began before it was said, which is kept by that name."""
    over = [each for each in there if each.row.began <= said.said + SKEW]
    for each in over:
        sessions.end(each.who, [each.digest])
    heard = [(name, uint(said.said + OLDEST + SKEW))]
    found.employer.books.change({HEARD: heard, OVER: _over(found, said, now)}, {})
    return over


def _over(found: Anywhere, said: Ended, now: int) -> list[tuple[bytes, bytes]]:
    """Since when what it named is over, and until when that is kept: as long as something said before may come."""
    row = uint(min(said.said, now)) + uint(said.said + OLDEST + SKEW)
    those = {_session(found.id, said.subject, each) for each in said.indexes or ("",)}
    if _unsaid_too(found, said):
        those.add(_unsaid(found.id, said.subject))
    return [(each, max(found.employer.books.get(OVER, each) or b"", row)) for each in those]


def leave(current: Current, now: int) -> tuple[type[Provider] | type[SamlProvider], bytes, str] | None:
    """The kind and id of the provider that whoever had this session, which is over, is to sign out at too, and under
    which state; None where it began otherwise, or the provider was removed or takes no such request."""
    books = current.who.organisation.books
    row = books.get(KEPT, current.row.unique)
    if row is None:
        return None
    began = SignedOn.decode(row)
    saml = providers.known(books, began.provider, SamlProvider) is not None
    if saml and providers.logout_of(books, began.provider) is None:
        return None
    if not saml and providers.known(books, began.provider, Provider) is None:
        return None
    state = secrets.token_urlsafe(32)
    made = Leaving(began.provider, began.subject, began.index, now, now + GOOD_FOR)
    books.put(LEAVING, [(_hash(state), made.encode())])
    return SamlProvider if saml else Provider, began.provider, state


def asked(found: Anywhere, state: str, now: int) -> Leaving:
    """What is asked of the provider under that state; raises SignOnRefused."""
    row = found.employer.books.get(LEAVING, _hash(state))
    made = None if row is None else Leaving.decode(row)
    if made is None or now >= made.until or made.provider != found.id:
        raise SignOnRefused(why="nobody is signing out under this state")
    return made


def take(found: Anywhere, state: str, now: int) -> None:
    """That is answered, once: the provider's session is over, if it named one. Raises SignOnRefused."""
    books = found.employer.books
    with books.alone():
        made = asked(found, state, now)
        if made.index:
            books.put(OVER, _over(found, Ended("", now, made.subject, (made.index,)), now))
        books.drop(LEAVING, [_hash(state)])


def sweep(organisation: Organisation, now: int) -> None:
    """Drops what is over."""
    books = organisation.books
    over = [(unique, SignedOn.decode(row)) for unique, row in books.rows(KEPT)]
    over = [each for each in over if now >= each[1].until]
    as_whom = [_subject(row.provider, row.subject) + unique for unique, row in over]
    books.change({}, {KEPT: [unique for unique, _ in over], OF_SUBJECT: as_whom})
    books.drop(LEAVING, [name for name, row in books.rows(LEAVING) if now >= Leaving.decode(row).until])
    for kind in (HEARD, OVER):
        books.drop(kind, [name for name, row in books.rows(kind) if now >= int.from_bytes(row[-8:], "big")])


def _sessions(found: Anywhere, said: Ended, now: int) -> list[Current]:
    """Those that began by that name, of all where none is said, in one of the provider's sessions that are over."""
    books, prefix = found.employer.books, _subject(found.id, said.subject)
    if said.subject:
        uniques = {key[len(prefix) :] for key, _ in books.rows(OF_SUBJECT, prefix)}
        kept = [(unique, row) for unique in uniques if (row := books.get(KEPT, unique)) is not None]
    else:
        kept = list(books.rows(KEPT))
    unsaid = ("",) if _unsaid_too(found, said) else ()
    indexes = (*said.indexes, *unsaid) if said.indexes else ()
    rows = {unique: SignedOn.decode(row) for unique, row in kept}
    rows = {unique: row for unique, row in rows.items() if row.provider == found.id}
    meant = {unique for unique, row in rows.items() if not indexes or row.index in indexes}
    there = list[Current]()
    for account in {rows[unique].account for unique in meant}:
        with suppress(PartyNotFound):
            there += sessions.own(accounts.person(found.employer, account), now)
    return [each for each in there if each.row.unique in meant]


def _over_since(found: Anywhere, told: Told) -> int:
    """When the provider said last that this session of it is over, or all of that subject's, in unix seconds; -1 for
    never."""
    names = {_session(found.id, told.subject, each) for each in (told.index, "")}
    no_subject = _session(found.id, "", told.index)
    names.add(no_subject if told.index else _unsaid(found.id, told.subject))
    rows = [found.employer.books.get(OVER, name) for name in names]
    return max((int.from_bytes(row[:8], "big") for row in rows if row is not None), default=-1)


def _session(provider: bytes, subject: str, index: str) -> bytes:
    return digest("provider-session-over", provider, subject.encode(), index.encode())


def _unsaid_too(found: Anywhere, said: Ended) -> bool:
    """Whether it may be any session of that subject of which an OpenID provider did not say which one it is."""
    return bool(said.subject and said.indexes) and isinstance(found.provider, Provider)


def _unsaid(provider: bytes, subject: str) -> bytes:
    return digest("provider-session-unsaid-over", provider, subject.encode())


def _subject(provider: bytes, subject: str) -> bytes:
    return digest("signed-on-as", provider, subject.encode())


def _hash(state: str) -> bytes:
    return hashlib.sha256(state.encode("utf-8", "replace")).digest()
