"""What was put lately and is not pinned yet."""

from __future__ import annotations

from collections.abc import Iterable

PARTS = 60
"""Of the grace; what was put in one of them counts as put at the end of it."""


class Young:
    """Digests, each for as long as the grace; nothing of what was pinned meanwhile. Not safe for threads."""

    def __init__(self, grace: float) -> None:
        """``grace`` in seconds."""
        self._grace = grace
        self._parts: list[tuple[float, float, set[bytes]]] = []
        """When the first and the last of these were put."""

    def __len__(self) -> int:
        return sum(len(digests) for _, _, digests in self._parts)

    def put(self, digests: Iterable[bytes], now: float) -> None:
        """These were put now."""
        self._end(now)
        begun, together = now, set[bytes]()
        if self._parts and now - self._parts[-1][0] < self._grace / PARTS:
            begun, _, together = self._parts.pop()
        together.update(digests)
        self._parts.append((begun, now, together))

    def drop(self, digests: Iterable[bytes]) -> None:
        """These need no grace any more."""
        gone = frozenset(digests)
        for _, _, together in self._parts:
            together -= gone
        self._parts = [each for each in self._parts if each[2]]

    def at(self, now: float) -> set[bytes]:
        """Those whose grace is not over."""
        self._end(now)
        return set[bytes]().union(*(digests for _, _, digests in self._parts))

    def _end(self, now: float) -> None:
        self._parts = [each for each in self._parts if each[1] > now - self._grace]
