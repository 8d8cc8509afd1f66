"""Bearer tokens of posts: issued by the employer for a time, kept as digests, looked up by whoever brings one.

A token is ``clt_`` and 32 random bytes in base64url: whoever has it acts as the post, so it is shown once and lies
nowhere. Order of effects: the digest durable in the employer's books, then the token is given away. An app's token
stands for what the app was granted (``app_grants``) and ends within minutes.
"""

from __future__ import annotations

import base64
import hashlib
import math
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from careledger.app import app_grants, clients
from careledger.app.app_grants import GRANT, TOKEN, Row, Standing
from careledger.app.identity import sessions
from careledger.app.identity.sessions import Current
from careledger.app.keyring import Keyring
from careledger.app.scopes import EVERYTHING, PATIENT, Scopes, limited_to, read_scopes
from careledger.domain.consents import Purpose
from careledger.domain.errors import TokenRefused
from careledger.formats.apps import AppGrant, AppToken
from careledger.formats.identity import Shown
from careledger.formats.keyring import BearerToken
from careledger.ports import Books
from careledger.workflows.actors import Organisation, Staff

KEPT = "bearer-token"
PREFIX = "clt_"
BYTES = 32
LONGEST = 90 * 24 * 3600
"""Seconds that a token is good for at most."""


@dataclass(frozen=True, repr=False)
class Bearer:
    """Who brings a token, or a person's session: the post, for what purpose, until when; ``digest`` names it and is no
    secret.

    ``came``: when the request came, in seconds of the monotonic clock. ``scopes``: what of a post's requests are an
    app's. Of an app ``client`` is its id, and ``digest`` and ``until`` are those of what it was granted, so that what
    it has open goes on with its next token; ``patient`` is the only one whom it reaches, empty for no such limit.
    Of a patient's app ``consent`` is the one by which alone it reads, its owner ‖ its commitment.
    ``person``: the id of who let the app in, where it may know who that is.
    ``shown``: the passkey that somebody proved by, None where the employer vouches; ``proved``: when last, None for a
    token, which a program brings.
    """

    digest: bytes
    staff: Staff
    purpose: Purpose
    until: int
    came: float
    scopes: Scopes = EVERYTHING
    client: str = ""
    patient: bytes = b""
    shown: Shown | None = None
    proved: int | None = None
    consent: bytes = b""
    person: str = ""

    def require_fresh(self, now: int) -> None:
        """Raises FreshProofNeeded for a person who proved who they are more than five minutes ago, or who lets the app
        in that brings it."""
        if self.client:
            app_grants.require_fresh(self.staff.organisation, self.digest, now)
        elif self.proved is not None:
            sessions.require_fresh(self.proved, now)


def new_secret() -> str:
    """A token that nobody has yet."""
    return PREFIX + base64.urlsafe_b64encode(secrets.token_bytes(BYTES)).rstrip(b"=").decode("ascii")


def issue_to_app(
    books: Books, grant: AppGrant, until: int, now: int, seconds: int, beside: Iterable[Row] = ()
) -> str:
    """A new token for what an app is granted until a time; the grant is entered, or renewed, with it, and what is to be
    kept ``beside`` them."""
    token, name = new_secret(), app_grants.name_of(grant)
    rows = [
        Row(GRANT + name, grant.encode(), until),
        Row(TOKEN + digest_of(token), AppToken(name, now).encode(), min(now + seconds, until)),
    ]
    app_grants.keep(books, [*rows, *beside])
    app_grants.drop_over(books, now)
    return token


def issue(
    staff: Staff, purpose: Purpose, now: int, seconds: int, label: str = "", scopes: str = ""
) -> tuple[str, BearerToken]:
    """A new token for a post and what is kept of it; with ``scopes`` an app's. Raises TokenRefused for a time that is
    none or too long and for an app's post, ScopeRefused for scopes that are none."""
    if not 0 < seconds <= LONGEST:
        raise TokenRefused(why="a token is good for at most 90 days")
    if clients.is_apps_post(staff.organisation, staff.number):
        raise TokenRefused(why="an app of patients has this post, and each patient lets it in")
    read_scopes(scopes)
    token = new_secret()
    kept = BearerToken(staff.number, purpose.code, now, now + seconds, label, " ".join(scopes.split()))
    staff.organisation.books.put(KEPT, [(digest_of(token), kept.encode())])
    return token, kept


def issued(employer: Organisation) -> list[tuple[bytes, BearerToken]]:
    """The tokens of an organisation's posts with their digests, those that are over included."""
    return [(digest, BearerToken.decode(row)) for digest, row in employer.books.rows(KEPT)]


def withdraw(employer: Organisation, digest: bytes) -> None:
    """The token with that digest is none any more; withdrawing again changes nothing."""
    employer.books.drop(KEPT, [digest])


def in_force(bearer: Bearer, now: int) -> bool:
    """Whether a token or a session that was brought earlier is neither over nor withdrawn."""
    employer = bearer.staff.organisation
    if bearer.proved is not None:
        return sessions.found(employer, bearer.digest, now) is not None
    if bearer.client:
        return app_grants.standing(employer, bearer.digest, now) is not None
    return now < bearer.until and employer.books.get(KEPT, bearer.digest) is not None


class Bearers:
    """Who brings which token, for a gateway that is asked often: employers' keys are read once, their tokens each time.

    An employer that joins, or changes its keys, by this keyring is read again; one that another process added is found
    when a token of nobody known is brought.
    """

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._employers: tuple[Organisation, ...] = ()
        self._read = keyring.changes
        self._stamps: object = None

    def current(self) -> tuple[Organisation, ...]:
        """Every organisation as it was read last, read again where this process changed one."""
        return self._employers if self._read == self._keyring.changes else self.employers()

    def anew(self) -> tuple[Organisation, ...]:
        """The same, read again where another process changed one too: whatever strangers bring opens no key file."""
        return self.current() if self._stamps == self._keyring.stamps() else self.employers()

    def employers(self) -> tuple[Organisation, ...]:
        """Every organisation, the ministry last, as the keyring has them now."""
        changes, self._stamps = self._keyring.changes, self._keyring.stamps()
        self._employers = tuple(self._keyring.everybody())
        self._read = changes
        return self._employers

    def known(self, digest: bytes, now: int) -> Bearer | None:
        """Whom the digest of a token or a session, or what an app was granted, names now; None if nobody."""
        for employer in self.current():
            signed_in = sessions.found(employer, digest, now)
            if signed_in is not None and signed_in.post:
                return self.acting(signed_in, math.inf)
            found = app_grants.standing(employer, digest, now)
            who = (
                self._app(employer, found, math.inf) if found else self._post(employer, digest, now, math.inf)
            )
            if who is not None:
                return who
        return None

    def bearer(self, token: str, now: int, came: float = math.inf) -> Bearer:
        """Raises TokenRefused, which does not say why."""
        digest = digest_of(token)
        found = self._found(digest, now, came)
        if found is None:
            self.anew()
            found = self._found(digest, now, came)
        if found is None:
            raise TokenRefused()
        return found

    def acting(self, current: Current, came: float) -> Bearer:
        """The post that somebody's session acts as; raises TokenRefused where it acts as none."""
        staff = self._keyring.post(current.who.organisation, current.post) if current.post else None
        if staff is None:
            raise TokenRefused(why="this account acts as no post")
        row = current.row
        return Bearer(
            current.digest, staff, Purpose[row.purpose], row.until, came, shown=row.shown, proved=row.proved
        )

    def _found(self, digest: bytes, now: int, came: float) -> Bearer | None:
        for employer in self.current():
            found = app_grants.bearing(employer, digest, now)
            who = self._app(employer, found[0], came) if found else self._post(employer, digest, now, came)
            if who is not None:
                return who
        return None

    def _post(self, employer: Organisation, digest: bytes, now: int, came: float) -> Bearer | None:
        row = employer.books.get(KEPT, digest)
        kept = None if row is None else BearerToken.decode(row)
        if kept is None or now >= kept.until:
            return None
        staff = self._keyring.post(employer, kept.post)
        if staff is None:
            return None
        return Bearer(digest, staff, Purpose[kept.purpose], kept.until, came, read_scopes(kept.scopes))

    def _app(self, employer: Organisation, found: Standing, came: float) -> Bearer | None:
        grant = found.grant
        staff, client = self._keyring.post(employer, grant.post), clients.known(employer.books, grant.client)
        if staff is None or client is None:
            return None
        whole = clients.asked(found.whole, client.kind).words  # with fewer scopes nobody more is reached
        only = grant.patient if any(each.level == PATIENT for each in whole) else b""
        scopes = limited_to(clients.asked(grant.scopes, client.kind).words)
        named = {clients.OPENID, clients.FHIR_USER} <= {*grant.scopes.split()} and grant.account
        return Bearer(
            found.name, staff, Purpose[grant.purpose], found.until, came, scopes, grant.client, only,
            consent=grant.consent, person=str(UUID(bytes=grant.account)) if named else "",
        )  # fmt: skip


def digest_of(token: str) -> bytes:
    """What names a token: its SHA-256, 32 bytes; for 32 random bytes a plain digest is enough."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
