"""What became of requests that a client did not wait for, for whoever asked alone.

Order of effects: that a request was accepted is durable in the books of the asking post's organisation, then the client
is told so; the request is carried out; what became of it is durable. What a process had accepted and not finished when
it ended is answered as interrupted by the next one: whether it was carried out is not known then, and whoever sends it
again brings the same idempotency key. Kept for a day, and nothing of a record: where a version is, or why it was
refused.
"""

from __future__ import annotations

import secrets
import zlib
from threading import RLock

from careledger.app.tokens import Bearer
from careledger.domain.errors import RecordNotFound
from careledger.fhir.canonical import canonical
from careledger.fhir.json_text import Resource, read
from careledger.formats.keyring import AcceptedLater
from careledger.gateway.outcomes import outcome
from careledger.ports import Books

ACCEPTED, SAID = "accepted-later", "said-later"
MOST_WAITING = 100
MOST_KEPT = 1_000
"""Requests of one organisation of which it is remembered what became of them."""
MOST_SAID = 15 * 1024 * 1024
"""Bytes of an answer, compressed."""
DAY, LOOK = 24 * 3600, 60
INTERRUPTED = (
    "The gateway ended before this was finished. It may have been carried out or not: send it again, with "
)
INTERRUPTED += "the same Idempotency-Key if it had one."
TOO_LONG = "Carried out; the answer is too long to be kept."


class Later:
    """The requests that were accepted; may be used from any thread."""

    def __init__(self) -> None:
        self._under_way: set[bytes] = set()
        self._looked: dict[int, int] = {}
        self._lock = RLock()

    def begin(self, who: Bearer, now: int) -> str | None:
        """The name under which a request is asked after, durable; None where so many wait that it is better carried
        out now."""
        with self._lock:
            self._drop_old(who, now)
            if len(self._under_way) >= MOST_WAITING:
                return None
            name = secrets.token_bytes(16)
            _books(who).put(ACCEPTED, [(who.digest + name, AcceptedLater(now + DAY, False).encode())])
            self._under_way.add(who.digest + name)
            return name.hex()

    def done(self, who: Bearer, name: str, said: Resource, now: int) -> None:
        """What became of it, durable, unless nobody asks any more."""
        books, key = _books(who), who.digest + bytes.fromhex(name)
        with self._lock:
            try:
                if books.get(ACCEPTED, key) is not None:
                    books.put(SAID, [(key, _packed(said))])
                    books.put(ACCEPTED, [(key, AcceptedLater(now + DAY, True).encode())])
            finally:
                self._under_way.discard(key)

    def said(self, who: Bearer, name: str, now: int) -> Resource | None:
        """What became of it, None if that is not known yet; raises RecordNotFound for another's too."""
        books, key = _books(who), _key(who, name)
        with self._lock:
            found = _accepted(books, key, now)
            if key in self._under_way:
                return None
            row = books.get(SAID, key) if found.done else None
            return (
                _response("503", outcome("error", "transient", INTERRUPTED)) if row is None else _opened(row)
            )

    def forget(self, who: Bearer, name: str, now: int) -> None:
        """What became of it is not asked after any more; it is carried out all the same, and counts until it is.
        Raises RecordNotFound."""
        books, key = _books(who), _key(who, name)
        with self._lock:
            _accepted(books, key, now)
            books.drop(SAID, [key])
            books.drop(ACCEPTED, [key])

    def _drop_old(self, who: Bearer, now: int) -> None:
        """What is over goes, and the oldest of what is too much."""
        number, books = who.staff.organisation.number, _books(who)
        if now < self._looked.get(number, -LOOK) + LOOK:
            return
        self._looked[number] = now
        rows = sorted((AcceptedLater.decode(row).until, key) for key, row in books.rows(ACCEPTED))
        spare = len(rows) - MOST_KEPT
        over = [key for place, (until, key) in enumerate(rows) if now >= until or place < spare]
        if gone := [key for key in over if key not in self._under_way]:
            books.drop(SAID, gone)
            books.drop(ACCEPTED, gone)


def _books(who: Bearer) -> Books:
    return who.staff.organisation.books


def _key(who: Bearer, name: str) -> bytes:
    try:
        return who.digest + bytes.fromhex(name)
    except ValueError:
        raise RecordNotFound() from None


def _accepted(books: Books, key: bytes, now: int) -> AcceptedLater:
    row = books.get(ACCEPTED, key)
    if row is None or now >= (found := AcceptedLater.decode(row)).until:
        raise RecordNotFound()
    return found


def _packed(said: Resource) -> bytes:
    packed = zlib.compress(canonical(said), 1)
    if len(packed) <= MOST_SAID:
        return packed
    return zlib.compress(canonical(_response("200", outcome("information", "informational", TOO_LONG))))


def _opened(row: bytes) -> Resource:
    made: Resource = read(zlib.decompress(row))
    return made


def _response(status: str, said: Resource) -> Resource:
    """A batch-response of one entry."""
    entry = {"response": {"status": status, "outcome": said}}
    return {"resourceType": "Bundle", "type": "batch-response", "entry": [entry]}
