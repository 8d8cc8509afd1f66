"""Codes, refresh tokens, launches, passes and assertions of apps: each counts once; what comes again ends what it gave.

Order of effects: that a code or a refresh token was found unused and is used, what it gives, and the one that follows
it are one durable step, then the app is answered: of two that bring it at once, one is given something. A code or
refresh token that comes again is in other hands too: the grant ends.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace

from careledger.app import app_grants, clients, tokens
from careledger.app.app_grants import CODE, GRANT, LAUNCH, REFRESH, USED, Row, Standing
from careledger.app.assertions import Proved
from careledger.app.clients import OFFLINE, ONLINE, Registered
from careledger.domain.errors import AccessRefused, AssertionUsed, OAuthRefused, ReplaySeen
from careledger.formats.apps import AppCode, AppGrant, AppLaunch, AppPass, AppRefresh
from careledger.formats.digests import digest
from careledger.ports import Books
from careledger.workflows.actors import Organisation

CODE_SECONDS, TOKEN_SECONDS = 60, 900
REMEMBERED = 24 * 3_600
"""Seconds that a used code is remembered."""
ONLINE_SECONDS, OFFLINE_SECONDS = 12 * 3_600, 90 * 24 * 3_600
"""How long a grant goes on at most: with the sign-in that gave it, or without."""
LAUNCH_SECONDS = 300
GRANT_ERROR, DENIED = "invalid_grant", "access_denied"
LAUNCH_OVER = "what it was launched for is over, or another post's"
NOT_LET_IN = "It is mistyped, used, over, or for another app. "
NOT_LET_IN += "Go back and type it again, or let your agent give a new one."
_VERIFIER = re.compile(r"[A-Za-z0-9\-._~]{43,128}", re.ASCII)


@dataclass(frozen=True, repr=False)
class Given:
    """What an app is given: a token for a grant, how to renew it ("" where it is not), and of a code what went with
    it."""

    token: str
    grant: AppGrant
    refresh: str
    seconds: int
    code: AppCode | None = None


def challenge_of(verifier: str) -> str:
    """PKCE's challenge of the method S256 (RFC 7636); "" for what is no verifier."""
    if not _VERIFIER.fullmatch(verifier):
        return ""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode("ascii")


def give(books: Books, code: AppCode, now: int, launch: str = "") -> str:
    """A code that is good for a minute; the launch that it is given for, "" for none, is used up with it. Raises
    OAuthRefused for a launch that is over."""
    made = tokens.new_secret()
    row = Row(CODE + tokens.digest_of(made), code.encode(), now + CODE_SECONDS)
    with books.alone():
        if launch and launched(books, launch, now) is None:
            raise OAuthRefused(error=DENIED, why=LAUNCH_OVER)
        used = [Row(LAUNCH + tokens.digest_of(launch), b"", now)] if launch else []
        app_grants.keep(books, [row, *used])
    return made


def give_by_pass(books: Books, code: AppCode, kept: AppPass, now: int) -> str:
    """The same for a patient's pass, which is used up with it; raises AccessRefused for one that was used."""
    name = USED + kept.secret
    with books.alone():
        if app_grants.look(books, name, now) is not None:
            raise AccessRefused(because=NOT_LET_IN)
        app_grants.keep(books, [Row(name, b"", kept.until)])
        return give(books, code, now)


def use_assertion(books: Books, proof: Proved, now: int) -> None:
    """What proved a client proves nothing from now on, durably; raises AssertionUsed where that is so already."""
    name = USED + digest("app-assertion", proof.client.encode(), proof.name.encode())
    with books.alone():
        if app_grants.look(books, name, now) is not None:
            raise AssertionUsed(why="it was used before")
        app_grants.keep(books, [Row(name, b"", proof.until)])
    app_grants.drop_over(books, now)


def exchange(found: Registered, said: str, redirect: str, verifier: str, now: int) -> Given:
    """What that code gives; raises OAuthRefused, the same for whatever does not fit."""
    books, name = found.employer.books, CODE + tokens.digest_of(said)
    with books.alone():
        row = app_grants.look(books, name, now)
        code = None if row is None else AppCode.decode(row.value)
        if code is None or code.grant.client != found.id:
            raise _refused("code")
        if not code.used:
            return _exchanged(books, name, code, redirect, verifier, now)
        app_grants.drop(books, [GRANT + code.used])
    raise ReplaySeen(**_words("code"))


def _exchanged(books: Books, name: bytes, code: AppCode, redirect: str, verifier: str, now: int) -> Given:
    if code.redirect != redirect or not secrets.compare_digest(code.challenge, challenge_of(verifier)):
        raise _refused("code")
    grant = code.grant
    scopes, grant_name = grant.scopes.split(), app_grants.name_of(grant)
    offline = OFFLINE in scopes
    until = now + (OFFLINE_SECONDS if offline else ONLINE_SECONDS)
    rows = [Row(name, replace(code, used=grant_name).encode(), now + REMEMBERED)]
    refresh = tokens.new_secret() if offline or ONLINE in scopes else ""
    if refresh:
        rows.append(Row(REFRESH + tokens.digest_of(refresh), AppRefresh(grant_name, False).encode(), until))
    token = tokens.issue_to_app(books, grant, until, now, TOKEN_SECONDS, rows)
    return Given(token, grant, refresh, TOKEN_SECONDS, code)


def renew(found: Registered, said: str, scopes: str | None, now: int) -> Given:
    """A new token for what that refresh token renews, all of it or these ``scopes`` of it, and the one that follows;
    raises OAuthRefused."""
    books, name = found.employer.books, REFRESH + tokens.digest_of(said)
    with books.alone():
        row = app_grants.look(books, name, now)
        kept = None if row is None else AppRefresh.decode(row.value)
        stands = None if kept is None else app_grants.standing(found.employer, kept.grant, now)
        if row is None or kept is None or stands is None or stands.grant.client != found.id:
            raise _refused("refresh token")
        if not kept.used:
            return _renewed(books, row, kept, stands, scopes, now)
        app_grants.drop(books, [GRANT + kept.grant])
    raise ReplaySeen(**_words("refresh token"))


def _renewed(
    books: Books, row: Row, kept: AppRefresh, stands: Standing, scopes: str | None, now: int
) -> Given:
    part = stands.grant if scopes is None else _part(stands, scopes)
    refresh = tokens.new_secret()
    rows = [
        Row(row.name, replace(kept, used=True).encode(), row.until),
        Row(REFRESH + tokens.digest_of(refresh), kept.encode(), row.until),
    ]
    token = tokens.issue_to_app(books, part, stands.until, now, TOKEN_SECONDS, rows)
    return Given(token, part, refresh, min(TOKEN_SECONDS, stands.until - now))


def whose(employers: Iterable[Organisation], said: str, now: int) -> Registered:
    """The client whose refresh token that is; raises OAuthRefused."""
    for employer in employers:
        row = app_grants.look(employer.books, REFRESH + tokens.digest_of(said), now)
        stands = (
            None if row is None else app_grants.standing(employer, AppRefresh.decode(row.value).grant, now)
        )
        if stands is not None:
            return clients.find([employer], stands.grant.client)
    raise _refused("refresh token")


def refreshing(found: Registered, said: str, now: int) -> Standing | None:
    """The grant that a refresh token of that client renews; None for what is none."""
    row = app_grants.look(found.employer.books, REFRESH + tokens.digest_of(said), now)
    kept = None if row is None else AppRefresh.decode(row.value)
    stands = None if kept is None else app_grants.standing(found.employer, kept.grant, now)
    return stands if stands is not None and stands.grant.client == found.id else None


def launch(books: Books, kept: AppLaunch, now: int) -> str:
    """A handle by which an app is launched once, for five minutes."""
    made = tokens.new_secret()
    app_grants.keep(books, [Row(LAUNCH + tokens.digest_of(made), kept.encode(), now + LAUNCH_SECONDS)])
    return made


def launched(books: Books, said: str, now: int) -> AppLaunch | None:
    """What that handle was made for, None if it was used or is none."""
    row = app_grants.look(books, LAUNCH + tokens.digest_of(said), now)
    return None if row is None else AppLaunch.decode(row.value)


def _part(stands: Standing, scopes: str) -> AppGrant:
    """The same for some of its scopes; raises OAuthRefused for others."""
    wanted, there = scopes.split(), stands.grant.scopes.split()
    if not wanted or not set(wanted) <= set(there):
        raise OAuthRefused(
            error="invalid_scope", why="only scopes that were granted are renewed, as they were granted"
        )
    if set(wanted) == set(there):
        return stands.grant
    return replace(stands.grant, scopes=" ".join(sorted(set(wanted))), parent=stands.name)


def _refused(what: str) -> OAuthRefused:
    return OAuthRefused(**_words(what))


def _words(what: str) -> dict[str, str]:
    """The same, whether it was never one or was used before."""
    return {"error": GRANT_ERROR, "why": f"the {what} is none, is over, or is not this client's"}
