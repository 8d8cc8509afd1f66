"""Challenges: kept here, good for two minutes and once, whatever process asks and whatever was restarted between.

One by which a session begins or goes on is made of a new session key, so that what signs the challenge signs that this
key may act. Its private part lies encrypted in the books with the challenge: whoever answers gets that session's key
and no other, and what nobody answers is dropped with it at the next sweep, ten minutes later at most.

Order of effects: durable before it is given away; looked up and dropped in one durable step, before its answer is
looked at.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets

from careledger.domain.errors import ChallengeRefused, Throttled
from careledger.formats.identity import BoundKey, Challenge
from careledger.formats.sessions import session_challenge
from careledger.formats.signatures import SigningKey
from careledger.ports import Books

KEPT = "sign-in-challenge"
BYTES = 32
GOOD_FOR = 120
MOST = 20_000
"""Challenges that wait for an answer, of everybody together."""
NOBODY = bytes(16)
SIGN_UP, SIGN_IN, STEP_UP, ADD, SET = "sign-up", "sign-in", "step-up", "add-passkey", "set-password"


def give(
    books: Books, act: str, now: int, account: bytes = NOBODY, session: bytes = b"", totp: bytes = b""
) -> bytes:
    """A new challenge, 32 random bytes, for an act; raises Throttled where too many wait."""
    kept = Challenge(act, account, session, totp, None, now + GOOD_FOR)
    return _given(books, secrets.token_bytes(BYTES), kept, now)


def give_bound(
    books: Books,
    act: str,
    now: int,
    deployment: bytes,
    until: int,
    account: bytes = NOBODY,
    session: bytes = b"",
) -> bytes:
    """A new challenge of 32 bytes that says: this session key, which is new, may act until then, at the latest. Raises
    Throttled where too many wait."""
    key, nonce = SigningKey.random(), secrets.token_bytes(BYTES)
    bound = BoundKey(key.secret, nonce, until)
    kept = Challenge(act, account, session, b"", bound, now + GOOD_FOR)
    return _given(books, session_challenge(deployment, key.address, until, nonce), kept, now)


def _given(books: Books, challenge: bytes, kept: Challenge, now: int) -> bytes:
    if len(books.keys(KEPT, b"", MOST)) >= MOST and not sweep(books, now):
        raise Throttled(seconds=GOOD_FOR)
    books.put(KEPT, [(_name(challenge), kept.encode())])
    return challenge


def take(books: Books, challenge: bytes, act: str, now: int, session: bytes = b"") -> Challenge:
    """What is known of a challenge, which is none from now on; raises ChallengeRefused."""
    name = _name(challenge)
    with books.alone():
        row = books.get(KEPT, name)
        if row is None:
            raise ChallengeRefused()
        books.drop(KEPT, [name])
    kept = Challenge.decode(row)
    if now >= kept.until or kept.act != act or kept.session != session:
        raise ChallengeRefused()
    return kept


def written(challenge: bytes) -> str:
    """As browsers carry it, in base64url."""
    return base64.urlsafe_b64encode(challenge).rstrip(b"=").decode("ascii")


def read(said: str) -> bytes:
    """The challenge that was written so; raises ChallengeRefused."""
    try:
        return base64.b64decode(said.encode("ascii") + b"=", b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise ChallengeRefused() from None


def sweep(books: Books, now: int) -> int:
    """Drops challenges that are over; returns how many."""
    over = [name for name, row in books.rows(KEPT) if now >= Challenge.decode(row).until]
    books.drop(KEPT, over)
    return len(over)


def _name(challenge: bytes) -> bytes:
    return hashlib.sha256(challenge).digest()
