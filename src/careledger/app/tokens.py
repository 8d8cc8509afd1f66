"""Bearer tokens of posts: issued by the employer for a time, kept as digests, looked up by whoever brings one.

A token is ``clt_`` and 32 random bytes in base64url: whoever has it acts as the post, so it is shown once and lies
nowhere. Order of effects: the digest durable in the employer's books, then the token is given away.
"""

from __future__ import annotations

import base64
import hashlib
import math
import secrets
from dataclasses import dataclass

from careledger.app.keyring import Keyring
from careledger.app.scopes import EVERYTHING, Scopes, read_scopes
from careledger.domain.consents import Purpose
from careledger.domain.errors import TokenRefused
from careledger.formats.keyring import BearerToken
from careledger.workflows.actors import Organisation, Staff

KEPT = "bearer-token"
PREFIX = "clt_"
BYTES = 32
LONGEST = 90 * 24 * 3600
"""Seconds that a token is good for at most."""


@dataclass(frozen=True, repr=False)
class Bearer:
    """Who brings a token: the post, for what purpose, until when; ``digest`` names the token and is no secret.

    ``came``: when the request came, in seconds of the monotonic clock. ``scopes``: what of a post's requests are an
    app's.
    """

    digest: bytes
    staff: Staff
    purpose: Purpose
    until: int
    came: float
    scopes: Scopes = EVERYTHING


def issue(
    staff: Staff, purpose: Purpose, now: int, seconds: int, label: str = "", scopes: str = ""
) -> tuple[str, BearerToken]:
    """A new token for a post and what is kept of it; with ``scopes`` an app's. Raises TokenRefused for a time that is
    none or too long, ScopeRefused for scopes that are none."""
    if not 0 < seconds <= LONGEST:
        raise TokenRefused(why="a token is good for at most 90 days")
    read_scopes(scopes)
    token = PREFIX + base64.urlsafe_b64encode(secrets.token_bytes(BYTES)).rstrip(b"=").decode("ascii")
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
    """Whether a token that was brought earlier is neither over nor withdrawn."""
    return now < bearer.until and bearer.staff.organisation.books.get(KEPT, bearer.digest) is not None


class Bearers:
    """Who brings which token, for a gateway that is asked often: employers' keys are read once, their tokens each time.

    An employer that joins, or changes its keys, while this is there is found when a token of nobody known is brought.
    """

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._employers: tuple[Organisation, ...] = ()

    def employers(self) -> tuple[Organisation, ...]:
        """Every organisation, the ministry last, as the keyring has them now."""
        self._employers = (*self._keyring.organisations().values(), self._keyring.ministry())
        return self._employers

    def known(self, digest: bytes, now: int) -> Bearer | None:
        """Who may bring the token with that digest now, None if nobody."""
        return self._found(digest, now, math.inf)

    def bearer(self, token: str, now: int, came: float = math.inf) -> Bearer:
        """Raises TokenRefused, which does not say why."""
        digest = digest_of(token)
        found = self._found(digest, now, came)
        if found is None:
            self.employers()
            found = self._found(digest, now, came)
        if found is None:
            raise TokenRefused()
        return found

    def _found(self, digest: bytes, now: int, came: float) -> Bearer | None:
        for employer in self._employers:
            row = employer.books.get(KEPT, digest)
            if row is None:
                continue
            kept = BearerToken.decode(row)
            for staff in self._keyring.all_staff(employer).values():
                if staff.number == kept.post and now < kept.until:
                    purpose, scopes = Purpose[kept.purpose], read_scopes(kept.scopes)
                    return Bearer(digest, staff, purpose, kept.until, came, scopes)
        return None


def digest_of(token: str) -> bytes:
    """What names a token: its SHA-256, 32 bytes; for 32 random bytes a plain digest is enough."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
