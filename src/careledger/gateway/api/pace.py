"""How often one token may ask: a bucket that fills again, in memory only."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from careledger.domain.errors import Throttled

MOST_KEPT = 10_000


@dataclass
class Pace:
    """At most ``burst`` requests at once and ``a_second`` of them in the long run, for each name."""

    burst: int = 300
    a_second: float = 30.0
    _left: dict[bytes, tuple[float, float]] = field(default_factory=dict)

    def take(self, name: bytes, now: float) -> None:
        """Counts a request; ``now`` in seconds of the monotonic clock. Raises Throttled, with the seconds to wait."""
        left, then = self._left.get(name, (float(self.burst), now))
        left = min(self.burst, left + (now - then) * self.a_second)
        if left < 1:
            raise Throttled(seconds=math.ceil((1 - left) / self.a_second))
        self._left[name] = left - 1, now
        if len(self._left) > MOST_KEPT:
            self._forget(now)

    def _forget(self, now: float) -> None:
        """Whoever has a full bucket needs none; if that is nobody, all begin anew."""
        full = self.burst / self.a_second
        self._left = {name: each for name, each in self._left.items() if now - each[1] < full}
        if len(self._left) > MOST_KEPT:
            self._left.clear()
