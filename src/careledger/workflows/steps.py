"""Long work in steps, between which whoever drives it may do something else on the same network.

What was true in one step is looked at again in the next wherever it may have changed meanwhile.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

T = TypeVar("T")
Steps = Generator[None, None, T]
"""Work that pauses after each step and returns its result at last; left unfinished, it is what a crash leaves."""


def whole(steps: Steps[T]) -> T:
    """Every step after the other; raises what the work raises."""
    while True:
        try:
            next(steps)
        except StopIteration as ended:
            result: T = ended.value
            return result
