"""What became of requests that a client did not wait for, for whoever asked alone.

Kept in memory for the length of a lease, and nothing of a record: where a version is, or why it was refused. What the
process had accepted and not done when it ended is not known here afterwards; whoever asks again brings the same
idempotency key.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass
from threading import RLock

from careledger.domain.errors import RecordNotFound
from careledger.domain.questions import LONGEST_LEASE
from careledger.fhir.json_text import Resource

MOST_WAITING = 100
MOST_KEPT = 1_000
NOBODY = b""


@dataclass
class _Asked:
    """Whose it is, until when it is kept, and what became of it; None: not done yet."""

    bearer: bytes
    until: int
    said: Resource | None = None


class Later:
    """The requests that were accepted, the oldest answer forgotten first; may be used from any thread."""

    def __init__(self) -> None:
        self._asked: OrderedDict[str, _Asked] = OrderedDict()
        self._lock = RLock()

    def begin(self, bearer: bytes, now: int) -> str | None:
        """The name under which a request is asked after; None where so many wait that it is better carried out now."""
        with self._lock:
            self._drop(now)
            if sum(each.said is None for each in self._asked.values()) >= MOST_WAITING:
                return None
            name = secrets.token_hex(16)
            self._asked[name] = _Asked(bearer, now + LONGEST_LEASE)
            return name

    def done(self, name: str, said: Resource, now: int) -> None:
        """What became of it, kept from now on for the length of a lease, unless nobody asks any more."""
        with self._lock:
            found = self._asked.pop(name, None)
            if found is not None and found.bearer != NOBODY:
                self._asked[name] = _Asked(found.bearer, now + LONGEST_LEASE, said)

    def said(self, name: str, bearer: bytes, now: int) -> Resource | None:
        """What became of it, None if that is not known yet; raises RecordNotFound for another's too."""
        with self._lock:
            found = self._asked.get(name)
            over = found is not None and found.said is not None and now >= found.until
            if found is None or over or not secrets.compare_digest(found.bearer, bearer):
                raise RecordNotFound()
            return found.said

    def forget(self, name: str, bearer: bytes, now: int) -> None:
        """What became of it is not asked after any more; it is carried out all the same, and counts until it is.
        Raises RecordNotFound."""
        with self._lock:
            if self.said(name, bearer, now) is None:
                self._asked[name].bearer = NOBODY
            else:
                del self._asked[name]

    def _drop(self, now: int) -> None:
        done = [name for name, each in self._asked.items() if each.said is not None]
        over = [name for name in done if now >= self._asked[name].until]
        for name in {*over, *done[: max(0, len(done) - MOST_KEPT)]}:
            del self._asked[name]
