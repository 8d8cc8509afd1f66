"""What is watched, and what of it has to be looked at: what the ledger changed, what time has ended, and what is new.

In memory alone; a process looks once at everything when it starts, and from then on at as much as has changed.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable

from careledger.gateway.events.watched import Watched
from careledger.ports import LedgerView

SOME = 100
"""Ends that may lie about though nothing ends then any more."""


class Attention:
    """Of one organisation; not to be used by two threads at once."""

    def __init__(self) -> None:
        self._watched: dict[bytes, Watched] = {}
        self._named: dict[bytes, set[bytes]] = defaultdict(set)
        self._ends: list[tuple[int, bytes]] = []
        self._end: dict[bytes, int] = {}
        self._due: dict[bytes, None] = {}
        self._block = -1

    def watch(self, each: Watched) -> None:
        """Looked at from now on; in place of what was watched of the same subject."""
        self.leave(each.subject)
        self._watched[each.subject] = each
        for name in each.named:
            self._named[name].add(each.subject)
        self._due[each.subject] = None

    def leave(self, subject: bytes) -> None:
        """Not watched any more."""
        gone = self._watched.pop(subject, None)
        self._due.pop(subject, None)
        self._end.pop(subject, None)
        for name in () if gone is None else gone.named:
            self._named[name].discard(subject)
            if not self._named[name]:
                del self._named[name]

    def due(self, view: LedgerView, now: int) -> list[Watched]:
        """What has to be looked at; it is due until it was."""
        head = view.head.number
        if head < self._block:  # another chain than the last time
            self._due.update(dict.fromkeys(self._watched))
        elif head > self._block >= 0:  # at first everything is new
            changed = (self._named.get(each, ()) for each in view.changed(self._block))
            self._due.update(dict.fromkeys(subject for some in changed for subject in some))
        self._block = head
        while self._ends and self._ends[0][0] <= now:
            ended, subject = heapq.heappop(self._ends)
            if self._end.get(subject) == ended:
                del self._end[subject]
                self._due[subject] = None
        return [self._watched[each] for each in self._due]

    def looked(self, those: Iterable[Watched], now: int) -> None:
        """They were looked at; each is again when time ends it."""
        for each in those:
            self._due.pop(each.subject, None)
            if each.subject in self._watched and each.ends > now and self._end.get(each.subject) != each.ends:
                self._end[each.subject] = each.ends
                heapq.heappush(self._ends, (each.ends, each.subject))
        if len(self._ends) > 2 * len(self._end) + SOME:
            self._ends = sorted((ends, subject) for subject, ends in self._end.items())
