"""What was read of deposits lately, so that it is not read again: bounded by versions and by time."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sized
from typing import Generic, TypeVar

Known = TypeVar("Known", bound=Sized)
LONGEST = 20 * 60.0
"""Seconds for which what nobody asks for is remembered: longer than a lease, in which it is asked for at each look."""


class Remembered(Generic[Known]):
    """By a deposit's number, one item for each version; what was asked for longest ago is forgotten first."""

    def __init__(self, most: int, now: Callable[[], float] = time.monotonic) -> None:
        """``most`` versions at a time, or one deposit that has more; ``now`` in seconds."""
        self._most, self._versions, self._now = most, 0, now
        self._known: OrderedDict[int, tuple[Known, float]] = OrderedDict()

    def __len__(self) -> int:
        """How many versions it holds."""
        return self._versions

    def get(self, number: int) -> Known | None:
        """What is known of that deposit."""
        found = self._known.pop(number, None)
        if found is None:
            return None
        self._known[number] = found[0], self._now()
        return found[0]

    def keep(self, number: int, known: Known) -> None:
        """Remembers it in place of what was known."""
        self.forget(number)
        now = self._now()
        self._known[number] = known, now
        self._versions += len(known)
        while len(self._known) > 1 and (self._versions > self._most or self._oldest < now - LONGEST):
            self._versions -= len(self._known.popitem(last=False)[1][0])

    @property
    def _oldest(self) -> float:
        return next(iter(self._known.values()))[1]

    def forget(self, number: int) -> None:
        """That deposit is read again."""
        found = self._known.pop(number, None)
        if found is not None:
            self._versions -= len(found[0])

    def clear(self) -> None:
        """All are."""
        self._known.clear()
        self._versions = 0
