"""A patient's own gateway as the way to other members: it hands on, at the time it is told, what it cannot open.

It holds a message that is not due yet, because it knows its patients' hours anyway; the member it goes to does not
learn them. What is held is kept in memory only: the agent sends again what the ledger does not show.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from careledger.domain.errors import CannotOpen, CareLedgerError, StoreUnavailable
from careledger.ports import Relay
from careledger.sealing.relays import SIZES

MOST_HELD = 1_000


@dataclass
class Gateway:
    """The members that it reaches, by number; may be called from any thread."""

    relays: Mapping[int, Relay] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._held: list[tuple[int, int, bytes]] = []
        self._lock = threading.Lock()

    def forward(self, member: int, sealed: bytes, at: int, now: int) -> None:
        """Hands a message to that member, now or held until ``at``; where too much is held, what is due last goes.

        Raises what the member raises, CannotOpen for what no member could open, StoreUnavailable.
        """
        if at <= now:
            self.relays[member].take(sealed)
            return
        if len(sealed) not in SIZES:
            raise CannotOpen()
        with self._lock:
            self._held.append((at, member, sealed))
            if len(self._held) > MOST_HELD:
                latest = max(self._held, key=lambda each: each[0])
                self._held.remove(latest)
                if latest == (at, member, sealed):
                    raise StoreUnavailable(why="too much waits here")

    def hand_on(self, now: int) -> int:
        """Hands on what is due, to be called every second; what a member refuses is dropped. Returns how many."""
        with self._lock:
            due = [each for each in self._held if each[0] <= now]
            self._held = [each for each in self._held if each[0] > now]
        for _, member, sealed in due:
            with suppress(CareLedgerError):
                self.relays[member].take(sealed)
        return len(due)
