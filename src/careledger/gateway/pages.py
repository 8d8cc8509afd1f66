"""Search results page by page: what was found is kept as names, and each page shows what may still be seen then.

A page that records arrive behind does not shift, because names were fixed at the search. Pages are kept in memory for
the length of a lease; a link names nothing but 16 random bytes.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass, replace

from careledger.domain.errors import PageGone
from careledger.domain.questions import LONGEST_LEASE
from careledger.fhir.searching.query import Query
from careledger.formats.indexing import Order, Part, Place

MOST_KEPT = 1_000


@dataclass(frozen=True, repr=False)
class Rest:
    """What a search found: for whom, of which patients, Type/id of each match, how many of them were shown before, how
    they are wanted. ``across`` own writings too: ``own`` is where it goes on among them, if it does."""

    bearer: bytes
    aliases: tuple[bytes, ...]
    paths: tuple[str, ...]
    before: int
    query: Query
    until: int
    across: bool = False
    own: Onward | None = None


@dataclass(frozen=True, repr=False)
class Onward:
    """The types of own writings that are left with the demands on each, the first of which is gone through, and the row
    of the index after which it goes on; where it has an ``order``, the place in that. ``begun``: something came
    before."""

    parts: tuple[Part, ...]
    order: tuple[Order, ...] = ()
    after: int = 0
    place: Place | None = None
    begun: bool = False

    def behind(self, row: int, place: Place | None = None) -> Onward:
        """Where it goes on behind a row."""
        return replace(self, after=row, place=place, begun=True)

    @property
    def onto_next(self) -> Onward | None:
        """Where it goes on when nothing is left of the first type; None if it was the last."""
        rest = self.parts[1:]
        return replace(self, parts=rest, after=0, place=None, begun=True) if rest else None


@dataclass(frozen=True, repr=False)
class Past:
    """A history that goes on: for whom, of which type (empty: all), before which time and row, since when, how much."""

    bearer: bytes
    kind: str
    before: tuple[int, int]
    since: int
    count: int
    until: int


class Pages:
    """The rests of all searches, the oldest forgotten first."""

    def __init__(self) -> None:
        self._rests: OrderedDict[str, Rest | Past] = OrderedDict()

    def keep(self, rest: Rest | Past) -> str:
        """The name of that rest in a link."""
        name = secrets.token_hex(16)
        self._rests[name] = rest
        while len(self._rests) > MOST_KEPT:
            self._rests.popitem(last=False)
        return name

    def drop_over(self, now: int) -> int:
        """Forgets those that are over, whether or not anybody asks for them; returns how many are left."""
        while self._rests and next(iter(self._rests.values())).until <= now:
            self._rests.popitem(last=False)
        return len(self._rests)

    def rest(self, name: str, bearer: bytes, now: int) -> Rest | Past:
        """What is behind a link, for whom it was made alone; raises PageGone."""
        rest = self._rests.get(name)
        if rest is None or not secrets.compare_digest(rest.bearer, bearer) or now >= rest.until:
            raise PageGone()
        return rest


def until(now: int) -> int:
    """Until when a rest is kept."""
    return now + LONGEST_LEASE
