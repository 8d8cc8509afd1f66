"""When and by whom a signed message reaches the ledger, so that neither betrays whose it is.

A patient's agent hands each message, sealed, to a random other member, which sends it in its next batch. All
functions are pure given their generator; product and simulation use the same ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random
from typing import TypeVar

from careledger.domain.consents import Window
from careledger.domain.errors import StoreUnavailable

HOUR = 3_600
BATCH = 5
"""Seconds between a relaying member's batches."""
PATIENCE = 20
"""Seconds after which a message that the ledger does not show goes by another member."""
LEAST_TIME = 600
"""Seconds that a deadline leaves at least; with the half hour that it is rounded up to at most 40 minutes."""
REVOKERS = 2
"""By how many members a revocation goes at once."""
ENTERERS = 3
"""By how many members, one after the other, an entry goes that its sender waits for."""
REGISTRATION_SPREAD = 7 * 24 * HOUR
"""Within how many seconds after its alias a registration is entered, unless the settings say otherwise."""

_T = TypeVar("_T")


def rounded(window: Window, now: int) -> Window:
    """The window with both ends on full hours, never wider than asked for from ``now`` on.

    A start that has come becomes the hour that has begun (nothing opens before the ledger shows the consent), a later
    one the next full hour; the end is the full hour before. A window that would be over by that keeps its end.
    """
    start = _hour(window.start) if window.start <= now else -_hour(-window.start)
    end = _hour(window.end)
    return Window(start, end) if end > max(start, now) else Window(min(start, window.start), window.end)


def send_at(now: int, start: int, random: Random) -> int:
    """When a consent from ``start`` on is entered: now, or for a later start some time until an hour before."""
    return random.randint(now, start - HOUR) if start - HOUR > now else now


def register_at(now: int, spread: int, random: Random) -> int:
    """When a registration is entered whose alias is opened now: any second within ``spread``."""
    return now + random.randint(0, spread)


def deadline(at: int) -> int:
    """Until when what is sent at that time may be entered: a half hour 10 to 40 minutes off, so it dates nothing."""
    half = HOUR // 2
    return -(-(at + LEAST_TIME) // half) * half


def batch_at(taken: int) -> int:
    """When a member sends what it took at that second: at its next multiple of five seconds."""
    return taken - taken % BATCH + BATCH


def shuffled(items: Iterable[_T], random: Random) -> list[_T]:
    """The batch in random order."""
    batch = list(items)
    random.shuffle(batch)
    return batch


def another(members: Iterable[int], tried: Sequence[int], random: Random) -> int:
    """A random member among those not tried, or among all once each was; raises StoreUnavailable without any."""
    every = sorted(set(members))
    if not every:
        raise StoreUnavailable(why="no other member relays")
    return random.choice([member for member in every if member not in tried] or every)


def _hour(time: int) -> int:
    return time // HOUR * HOUR
