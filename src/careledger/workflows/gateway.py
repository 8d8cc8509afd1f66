"""A patient's own gateway as the way to other members: it hands on, at the time it is told, what it cannot open.

It holds a message that is not due yet, because it knows its patients' hours anyway; the member it goes to does not
learn them. What is held is kept in memory only: the agent sends again what the ledger does not show.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from careledger.domain.errors import CareLedgerError, StoreUnavailable
from careledger.ports import Relay

MOST_HELD = 10_000


@dataclass
class Gateway:
    """The members that it reaches, by number; may be called from any thread."""

    relays: Mapping[int, Relay] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._held: list[tuple[int, int, bytes]] = []
        self._lock = threading.Lock()

    def forward(self, member: int, sealed: bytes, at: int, now: int) -> None:
        """Hands a message to that member, now or held until ``at``; raises what the member raises, StoreUnavailable."""
        if at <= now:
            self.relays[member].take(sealed)
            return
        with self._lock:
            if len(self._held) >= MOST_HELD:
                raise StoreUnavailable(why="too much waits here")
            self._held.append((at, member, sealed))

    def hand_on(self, now: int) -> int:
        """Hands on what is due, to be called every second; what a member refuses is dropped. Returns how many."""
        with self._lock:
            due = [each for each in self._held if each[0] <= now]
            self._held = [each for each in self._held if each[0] > now]
        for _, member, sealed in due:
            with suppress(CareLedgerError):
                self.relays[member].take(sealed)
        return len(due)
