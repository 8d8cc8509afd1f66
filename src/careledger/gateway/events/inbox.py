"""The inbox of a post: those of its organisation's events that it may know of, under numbers of its own.

The numbers of one post rise by one and count nothing else, so that they betray nothing of what others are told. An
event is looked at once for a post, when a program of it asks or listens; whether it may still know of it is asked again
at each reading.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from careledger.domain.errors import ApiRefused, EventsGone
from careledger.formats.digests import uint
from careledger.formats.events import Event
from careledger.gateway.events.outbox import Outbox
from careledger.gateway.grounds import closed_to
from careledger.ports import LedgerView
from careledger.workflows.actors import Staff
from careledger.workflows.network import verified
from careledger.workflows.received import names_reader

KEPT = "event-inbox"
PORTION = 500
"""How many events are looked at in one turn."""
MOST_MISSED = 5_000
"""How many of its organisation's events a post that asks for the first time is told of at most."""
Sees = Callable[[Event], bool]


class Numbered(NamedTuple):
    """An event under the number that a post knows it by."""

    number: int
    event: Event


def sees(view: LedgerView, staff: Staff) -> Sees:
    """Which events a post may know of at that block; raises PartyNotVerified."""
    roles, closed = verified(view, staff.number).roles, closed_to(view, staff.number)

    def seen(event: Event) -> bool:
        return (
            any(names_reader(view, each, staff) for each in event.grantees)
            or any(each in event.roles for each in roles)
            or bool(set(event.categories).difference(closed))
        )

    return seen


class Page(NamedTuple):
    """Some events, the number to go on after, and whether there are more already."""

    found: list[Numbered]
    reached: int
    more: bool


class Inbox:
    """Of one post; used by the gateway's worker alone."""

    def __init__(self, outbox: Outbox, post: int) -> None:
        self._outbox, self._post = outbox, uint(post)
        newest = max(outbox.first - 1, outbox.last - MOST_MISSED)
        row = outbox.books.get(KEPT, self._post) or uint(newest) + uint(1) + uint(0)
        self._forgot = 0
        self._scanned, self.first, self.last = (int.from_bytes(row[at : at + 8], "big") for at in (0, 8, 16))

    def catch_up(self, seen: Sees, most: int = PORTION) -> None:
        """Looks at the next portion of what is new. The numbers are durable when it returns."""
        start = max(self._scanned + 1, self._outbox.first)
        end = min(start + most - 1, self._outbox.last)
        rows, last = [], self.last
        for number in range(start, end + 1):
            event = self._outbox.event(number)
            if event is not None and seen(event):
                last += 1
                rows.append((self._post + uint(last), uint(number)))
        scanned = max(self._scanned, end)
        if rows:
            self._put(rows, self.first, last, scanned)
        self._scanned = scanned  # not before it is durable: what could not be written is looked at again
        if self._forgot < self._outbox.first:
            self._forget()
            self._forgot = self._outbox.first

    @property
    def behind(self) -> bool:
        """Whether there are events that were not looked at for this post yet."""
        return self._scanned < self._outbox.last

    def page(self, after: int, most: int, seen: Sees) -> Page:
        """The events after that number; raises EventsGone, ApiRefused for a number that was never given."""
        if after > self.last:
            raise ApiRefused(parameter="after", why="no event has had this number")
        if after + 1 < self.first:
            raise EventsGone()
        end = min(after + most, self.last)
        found = [
            Numbered(number, event) for number in range(after + 1, end + 1) if (event := self._event(number))
        ]
        more = end < self.last or self.behind
        return Page([each for each in found if seen(each.event)], end, more)

    def _event(self, number: int) -> Event | None:
        row = self._outbox.books.get(KEPT, self._post + uint(number))
        return None if row is None else self._outbox.event(int.from_bytes(row, "big"))

    def _forget(self) -> None:
        """The numbers of events that are not kept any more."""
        first = self.first
        while first <= self.last and self._event(first) is None:
            first += 1
        if first > self.first:
            gone = [self._post + uint(number) for number in range(self.first, first)]
            self._put([], first, self.last, self._scanned)
            self._outbox.books.drop(KEPT, gone)

    def _put(self, rows: list[tuple[bytes, bytes]], first: int, last: int, scanned: int) -> None:
        position = uint(scanned) + uint(first) + uint(last)
        self._outbox.books.put(KEPT, [*rows, (self._post, position)])
        self.first, self.last = first, last
