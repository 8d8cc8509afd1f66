"""The outbox of an organisation: its events under rising numbers, and what was told of each subject.

Both lie in one table of its books, so that an event and the note that it is told become durable together: what a crash
cuts off is looked at again, and told once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from careledger.formats.digests import uint
from careledger.formats.events import Event
from careledger.ports import Books

KEPT = "event"
_EVENT, _STAGE, _OPEN, _SPAN, _CUSTODIANS = b"n", b"s", b"o", b"span", b"custodians"
MOST_DROPPED = 500


class Outbox:
    """One organisation's events; used by the gateway's worker alone."""

    def __init__(self, books: Books) -> None:
        self.books = books
        span = books.get(KEPT, _SPAN)
        self.begun = span is not None
        self.first, self.last = (
            (int.from_bytes(span[:8], "big"), int.from_bytes(span[8:], "big")) if span else (1, 0)
        )

    def append(
        self, events: Sequence[Event], stages: Mapping[bytes, int], opened: Iterable[bytes] = ()
    ) -> None:
        """The events under the next numbers, how far each subject has come, and which are to be looked at again."""
        rows = [(_EVENT + uint(self.last + place), each.encode()) for place, each in enumerate(events, 1)]
        rows += [(_STAGE + subject, bytes([stage])) for subject, stage in stages.items()]
        rows += [(_OPEN + subject, b"") for subject in opened]
        self._put(rows, self.first, self.last + len(events))

    def event(self, number: int) -> Event | None:
        """The event of that number, None if it is not kept any more."""
        row = self.books.get(KEPT, _EVENT + uint(number))
        return None if row is None else Event.decode(row)

    def stage(self, subject: bytes) -> int:
        """How far what was told of a subject has come; 0: nothing was told."""
        row = self.books.get(KEPT, _STAGE + subject)
        return 0 if row is None else row[0]

    def open(self) -> list[bytes]:
        """The subjects of which more may be to tell."""
        return [key[1:] for key, _ in self.books.rows(KEPT, _OPEN)]

    def close(self, subjects: Iterable[bytes]) -> None:
        """Nothing more will be to tell of these."""
        self.books.drop(KEPT, [_OPEN + subject for subject in subjects])

    def custodians(self) -> bytes | None:
        """The custodians that were seen last, as who looks wrote them."""
        return self.books.get(KEPT, _CUSTODIANS)

    def saw(self, custodians: bytes, events: Sequence[Event]) -> None:
        """The custodians seen now, and the events of what is different, durable together."""
        rows = [(_EVENT + uint(self.last + place), each.encode()) for place, each in enumerate(events, 1)]
        self._put([*rows, (_CUSTODIANS, custodians)], self.first, self.last + len(events))

    def forget_before(self, time: int) -> int:
        """Drops the oldest events that are from before that time; returns how many."""
        number = self.first
        while number <= self.last and number - self.first < MOST_DROPPED:
            event = self.event(number)
            if event is not None and event.time >= time:
                break
            number += 1
        gone = range(self.first, number)
        if gone:
            self._put([], number, self.last)  # first, so that a crash leaves rows that nobody reads
            self.books.drop(KEPT, [_EVENT + uint(each) for each in gone])
        return len(gone)

    def _put(self, rows: list[tuple[bytes, bytes]], first: int, last: int) -> None:
        self.books.put(KEPT, [*rows, (_SPAN, uint(first) + uint(last))])
        self.begun, self.first, self.last = True, first, last
