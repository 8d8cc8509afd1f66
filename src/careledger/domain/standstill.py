"""How long the ledger has stood still for a custodian: after five minutes break-glass goes on without it."""

from __future__ import annotations

from dataclasses import dataclass

LOOK_EVERY = 90
"""Seconds: looks further apart say nothing of the time between them."""


@dataclass(frozen=True, slots=True)
class Standstill:
    """The first and the last of a row of looks that found no fresh head, unix seconds."""

    since: int
    seen: int

    @classmethod
    def begun(cls, now: int) -> Standstill:
        """The first look in vain."""
        return cls(now, now)

    def looked(self, now: int) -> Standstill:
        """After another look in vain."""
        return Standstill(self.since, now) if 0 <= now - self.seen <= LOOK_EVERY else self.begun(now)

    def seconds(self, head_time: int) -> int:
        """How long nothing new came: since the first look, or since the last known block if that is younger."""
        return self.seen - max(self.since, head_time)
