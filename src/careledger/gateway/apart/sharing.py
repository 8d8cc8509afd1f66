"""What workers that answer one token's requests tell one another of its leases: which are open, and which no longer do.

A reader opens leases, the first worker changes records. The first one opens what a reader has open itself, by a
decision of its own, when a request about a record needs it there; and once it has changed something for a token, what
a reader has open for it is asked for anew.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

from careledger.adapters.lent.marks import Marks
from careledger.domain.questions import LONGEST_LEASE

MOST_KEPT = 20_000
"""Leases of readers that the first worker knows of; beyond, the oldest is forgotten, and its record found once the
patient is named again."""
Stamp = tuple[int, ...]


class Sharing(Protocol):
    """How one worker's leases stand to those of others."""

    def stamp(self, digest: bytes, alias: bytes) -> Stamp:
        """Another one as soon as what that token has open of that patient is to be asked for anew."""
        ...

    def opened(self, digest: bytes, alias: bytes) -> None:
        """A lease was opened here."""
        ...

    def elsewhere(self, digest: bytes) -> list[bytes]:
        """The patients of whom that token has something open elsewhere, as far as that is known here."""
        ...

    def refused(self, digest: bytes, alias: bytes) -> None:
        """What that token has open of that patient elsewhere is not opened here."""
        ...

    def changed(self, digest: bytes, alias: bytes) -> None:
        """What that token has open of that patient is to be asked for anew, everywhere."""
        ...

    def ended(self, digest: bytes) -> None:
        """That token, or session, has nothing open any more, nowhere."""
        ...


class Alone:
    """There is one worker."""

    def stamp(self, digest: bytes, alias: bytes) -> Stamp:
        """Always the same."""
        return ()

    def opened(self, digest: bytes, alias: bytes) -> None:
        """Nobody has to know."""

    def elsewhere(self, digest: bytes) -> list[bytes]:
        """None."""
        return []

    def refused(self, digest: bytes, alias: bytes) -> None:
        """None was."""

    def changed(self, digest: bytes, alias: bytes) -> None:
        """Nobody has to know."""

    def ended(self, digest: bytes) -> None:
        """Nobody has to know."""


class First(Alone):
    """The worker that has the directory."""

    def __init__(self, marks: Marks) -> None:
        self._marks, self._lock = marks, threading.Lock()
        self._open: OrderedDict[tuple[bytes, bytes], float] = OrderedDict()

    def heard(self, digest: bytes, alias: bytes) -> None:
        """A reader opened a lease; from any thread."""
        with self._lock:
            self._open[digest, alias] = time.monotonic() + LONGEST_LEASE
            self._open.move_to_end((digest, alias))
            while len(self._open) > MOST_KEPT:
                self._open.popitem(last=False)

    def elsewhere(self, digest: bytes) -> list[bytes]:
        """What readers opened for that token; whether it is open still they alone know."""
        with self._lock:
            while self._open and next(iter(self._open.values())) <= time.monotonic():
                self._open.popitem(last=False)
            return [alias for token, alias in self._open if token == digest]

    def refused(self, digest: bytes, alias: bytes) -> None:
        """It is forgotten until it is opened again."""
        with self._lock:
            self._open.pop((digest, alias), None)

    def changed(self, digest: bytes, alias: bytes) -> None:
        """Raises the mark that readers look at."""
        self._marks.raise_for(digest, alias)

    def ended(self, digest: bytes) -> None:
        """The same for all of a token."""
        self._marks.raise_for(digest)
        with self._lock:
            for each in [name for name in self._open if name[0] == digest]:
                del self._open[each]


class Reader(Alone):
    """A worker beside it."""

    def __init__(self, marks: Marks, tell: Callable[[bytes, bytes], None]) -> None:
        """``tell`` tells the first worker of a lease."""
        self._marks, self._tell = marks, tell

    def stamp(self, digest: bytes, alias: bytes) -> Stamp:
        """What the first worker raised, or that it is another one."""
        return self._marks.of(digest, alias)

    def opened(self, digest: bytes, alias: bytes) -> None:
        """The first worker knows when this returns; raises NotHere where there is none."""
        self._tell(digest, alias)
