"""A clock that stands still until it is moved."""

from __future__ import annotations


class ManualClock:
    """The port Clock, for tests and simulations."""

    def __init__(self, start: int = 1_780_000_000) -> None:
        self._now = start

    def now(self) -> int:
        """Unix seconds."""
        return self._now

    def wait(self, seconds: int) -> None:
        """Moves on at once."""
        self._now += seconds

    def advance(self, seconds: int) -> None:
        """Moves on; negative to go back."""
        self._now += seconds
