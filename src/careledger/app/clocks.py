"""Clocks: the machine's, and one that a story moves."""

from __future__ import annotations

import time


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        """Unix seconds."""
        return int(time.time())

    def wait(self, seconds: int) -> None:
        """Sleeps."""
        time.sleep(seconds)


class StoryClock:
    """The machine's clock, some time behind; ``pass_time`` brings it forward, never beyond the machine's."""

    def __init__(self, behind: int) -> None:
        """``behind``: how many seconds before now the story begins."""
        self._behind = behind

    def now(self) -> int:
        """Unix seconds of the story."""
        return int(time.time()) - self._behind

    def wait(self, seconds: int) -> None:
        """Lets the time pass in the story, and sleeps for what reaches beyond the machine's clock."""
        passed = min(seconds, self._behind)
        self.pass_time(passed)
        time.sleep(seconds - passed)

    def pass_time(self, seconds: int) -> None:
        """Lets time pass in the story."""
        self._behind = max(0, self._behind - seconds)

    def catch_up(self) -> None:
        """The story has reached the present."""
        self._behind = 0
