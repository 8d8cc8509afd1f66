"""What was read of deposits lately, so that it is not read again: bounded by how many versions it is about."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sized
from typing import Generic, TypeVar

Known = TypeVar("Known", bound=Sized)


class Remembered(Generic[Known]):
    """By a deposit's number, one item for each version; what was asked for longest ago is forgotten first."""

    def __init__(self, most: int) -> None:
        """``most`` versions at a time, or one deposit that has more."""
        self._most, self._versions = most, 0
        self._known: OrderedDict[int, Known] = OrderedDict()

    def __len__(self) -> int:
        """How many versions it holds."""
        return self._versions

    def get(self, number: int) -> Known | None:
        """What is known of that deposit."""
        if number in self._known:
            self._known.move_to_end(number)
        return self._known.get(number)

    def keep(self, number: int, known: Known) -> None:
        """Remembers it in place of what was known."""
        self.forget(number)
        self._known[number] = known
        self._versions += len(known)
        while self._versions > self._most and len(self._known) > 1:
            self._versions -= len(self._known.popitem(last=False)[1])

    def forget(self, number: int) -> None:
        """That deposit is read again."""
        self._versions -= len(self._known.pop(number, ()))

    def clear(self) -> None:
        """All are."""
        self._known.clear()
        self._versions = 0
