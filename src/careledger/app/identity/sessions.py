"""Sessions of people: 32 random bytes in a browser, their SHA-256 here, looked up at every request.

Nothing of a session is believed from memory: its row and its account's are read each time, in some thirty microseconds
each, so that one that was ended anywhere is over at the next request, in whatever process. An account's sessions end
all together by its ``generation``. Order of effects of a new one: the session and that the account has it, in one step;
the answer.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace

from careledger.app.identity.accounts import ACTIVE, Person, person
from careledger.domain.errors import FreshProofNeeded, PartyNotFound, SessionRefused
from careledger.formats.identity import Shown, SignedIn
from careledger.formats.sessions import MOST_SESSION, PASSKEY, VOUCHED
from careledger.workflows.actors import Organisation

KEPT, OF_ACCOUNT = "signed-in", "signed-in-of"
BYTES = 32
IDLE, LONGEST = 30 * 60, MOST_SESSION
"""Seconds without a request, and altogether, after which a session is over."""
FRESH = 5 * 60
"""Seconds that a proof is fresh."""
MOST = 100
"""Sessions of one account; one more ends the one that began first."""
SEEN_EVERY = 60


@dataclass(frozen=True, repr=False)
class Current:
    """A session in force: who, and the digest that names it and is no secret."""

    who: Person
    digest: bytes
    row: SignedIn

    @property
    def post(self) -> int:
        """The post that it acts as, 0 for none."""
        return self.who.account.post if self.who.account.state == ACTIVE else 0

    def require_fresh(self, now: int) -> None:
        """Raises FreshProofNeeded unless somebody proved who they are within the last five minutes."""
        require_fresh(self.row.proved, now)


def require_fresh(proved: int, now: int) -> None:
    """Raises FreshProofNeeded for a proof that is older than five minutes."""
    if now - proved > FRESH:
        raise FreshProofNeeded()


def begin(
    who: Person,
    proof: Shown | None,
    now: int,
    purpose: str,
    label: str = "",
    proved: int = 0,
) -> tuple[str, Current]:
    """A new session, and what its browser keeps. ``proof``: the passkey that was shown, None where this organisation
    vouches for its person; ``proved`` is when that was, 0 for now."""
    until = now + LONGEST if proof is None else min(now + LONGEST, proof.assertion.until)
    times = now, proved or now, now, until
    row = SignedIn(
        who.id,
        who.account.generation,
        _word(proof),
        proof,
        purpose,
        *times,
        label[:100],
        secrets.token_bytes(16),
    )
    names = [key for key in who.organisation.books.keys(OF_ACCOUNT, who.id, MOST) if key.startswith(who.id)]
    if len(names) >= MOST:
        youngest = {each.digest for each in own(who, now)[: MOST - 1]}
        end(who, {name[len(who.id) :] for name in names} - youngest)
    return _enter(who, row)


def renew(current: Current, proof: Shown | None, now: int, purpose: str = "") -> tuple[str, Current]:
    """The same session after a fresh proof, under a new id; under the old one it is over. Raises SessionRefused for one
    that was ended meanwhile."""
    row = replace(
        current.row,
        proof=_word(proof),
        shown=proof,
        proved=now,
        seen=now,
        purpose=purpose or current.row.purpose,
    )
    with current.who.organisation.books.alone():
        if found(current.who.organisation, current.digest, now) is None:
            raise SessionRefused()
        made = _enter(current.who, row)
        end(current.who, [current.digest])
    return made


def found(organisation: Organisation, digest: bytes, now: int) -> Current | None:
    """The session with that digest if it is in force."""
    kept = organisation.books.get(KEPT, digest)
    if kept is None:
        return None
    row = SignedIn.decode(kept)
    if now >= row.until or now - row.seen >= IDLE:
        return None
    with suppress(PartyNotFound):
        who = person(organisation, row.account)
        if who.is_somebody and who.account.generation == row.generation:
            return Current(who, digest, _as_proved(row, who))
    return None


def _as_proved(row: SignedIn, who: Person) -> SignedIn:
    """By a passkey only as long as its account has that one; after that its organisation vouches for it."""
    if row.shown is None or row.shown.credential in who.account.passkeys:
        return row
    return replace(row, proof=VOUCHED, shown=None)


def own(who: Person, now: int) -> list[Current]:
    """The account's sessions in force, the youngest first."""
    names = [key[len(who.id) :] for key, _ in who.organisation.books.rows(OF_ACCOUNT, who.id)]
    there = [each for name in names if (each := found(who.organisation, name, now)) is not None]
    return sorted(there, key=lambda each: -each.row.began)


def end(who: Person, digests: Iterable[bytes]) -> None:
    """These sessions of the account are over; whoever's others are is left alone."""
    names, books = list(digests), who.organisation.books
    mine = [name for name in names if books.get(OF_ACCOUNT, who.id + name) is not None]
    books.drop(KEPT, mine)
    books.drop(OF_ACCOUNT, [who.id + name for name in mine])


def sweep(organisation: Organisation, now: int) -> None:
    """Drops the rows of sessions that are over."""
    books = organisation.books
    over = []
    for digest, kept in books.rows(KEPT):
        if found(organisation, digest, now) is None:
            over.append((digest, SignedIn.decode(kept).account))
    books.drop(KEPT, [digest for digest, _ in over])
    books.drop(OF_ACCOUNT, [account + digest for digest, account in over])


class Sessions:
    """Whose session a browser brings, over all organisations of a gateway."""

    def __init__(
        self, known: Callable[[], Iterable[Organisation]], anew: Callable[[], Iterable[Organisation]]
    ) -> None:
        """``known`` are the organisations as they were read last; ``anew`` reads them again."""
        self._known, self._anew = known, anew

    def check(self, secret: str, now: int) -> Current:
        """Raises SessionRefused, which does not say why."""
        digest = digest_of(secret)
        current = self.of(digest, now)
        if current is None:
            raise SessionRefused()
        return _seen(current, now) if now - current.row.seen >= SEEN_EVERY else current

    def of(self, digest: bytes, now: int) -> Current | None:
        """The session with that digest, whichever organisation's it is, if it is in force."""
        return _found(self._known(), digest, now) or _found(self._anew(), digest, now)


def _seen(current: Current, now: int) -> Current:
    """The same with a later look; raises SessionRefused for one that was ended meanwhile, which stays so."""
    organisation, digest = current.who.organisation, current.digest
    with organisation.books.alone():
        again = found(organisation, digest, now)
        if again is None:
            raise SessionRefused()
        row = replace(again.row, seen=now)
        organisation.books.put(KEPT, [(digest, row.encode())])
    return replace(again, row=row)


def _found(organisations: Iterable[Organisation], digest: bytes, now: int) -> Current | None:
    there = (found(each, digest, now) for each in organisations)
    return next((each for each in there if each is not None), None)


def digest_of(secret: str) -> bytes:
    """What names a session; raises SessionRefused for what is no session's id."""
    try:
        read = base64.b64decode(secret.encode("ascii") + b"=", b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise SessionRefused() from None
    if len(read) != BYTES:
        raise SessionRefused()
    return hashlib.sha256(read).digest()


def _word(proof: Shown | None) -> str:
    return VOUCHED if proof is None else PASSKEY


def _enter(who: Person, row: SignedIn) -> tuple[str, Current]:
    secret = secrets.token_bytes(BYTES)
    digest, books = hashlib.sha256(secret).digest(), who.organisation.books
    books.change({OF_ACCOUNT: [(who.id + digest, b"")], KEPT: [(digest, row.encode())]}, {})
    return base64.urlsafe_b64encode(secret).rstrip(b"=").decode("ascii"), Current(who, digest, row)
