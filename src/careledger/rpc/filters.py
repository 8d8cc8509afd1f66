"""Filters: what somebody wants to hear of, and up to which block it was told. Bounded, and forgotten when unused."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from careledger.rpc.criteria import Criteria
from careledger.rpc.refusals import Refusal, refused

MOST_FILTERS = 1_000
FORGOTTEN_AFTER = 600.0  # seconds without a question


class Watched(Enum):
    """What a filter tells."""

    LOGS = "logs"
    BLOCKS = "blocks"
    TRANSACTIONS = "transactions"


@dataclass(slots=True)
class Filter:
    """``criteria`` is set for logs; ``told`` is the last block of which everything was told."""

    watched: Watched
    criteria: Criteria | None
    told: int
    asked: float = 0.0


class Filters:
    """The live filters by an identifier that nobody guesses; ``clock`` gives seconds that never run back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._live: dict[int, Filter] = {}

    def add(self, made: Filter) -> int:
        """The identifier of a new filter; raises RpcRefused where there are too many."""
        with self._lock:
            self._forget()
            if len(self._live) >= MOST_FILTERS:
                raise refused(Refusal.FILTERS)
            number = 1 << 120 | secrets.randbits(120)
            made.asked = self._clock()
            self._live[number] = made
            return number

    def get(self, number: int) -> Filter:
        """A live filter, whose time begins anew; raises RpcRefused."""
        with self._lock:
            self._forget()
            if number not in self._live:
                raise refused(Refusal.FILTER_NOT_FOUND)
            self._live[number].asked = self._clock()
            return self._live[number]

    def tell(self, told: Filter, last: int) -> None:
        """Everything up to that block was told."""
        with self._lock:
            told.told = max(told.told, last)

    def remove(self, number: int) -> bool:
        """Forgets a filter; whether there was one."""
        with self._lock:
            self._forget()
            return self._live.pop(number, None) is not None

    def _forget(self) -> None:
        now = self._clock()
        for number in [key for key, each in self._live.items() if now - each.asked > FORGOTTEN_AFTER]:
            del self._live[number]
