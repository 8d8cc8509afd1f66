"""The newest block that the nodes agreed on: it never goes back, and a height once seen keeps its hash."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection

from careledger.adapters.remote import answers
from careledger.adapters.remote.answers import SeenBlock
from careledger.adapters.remote.journal import Journal
from careledger.adapters.remote.nodes import CATCHING_UP, PAUSE, Nodes
from careledger.adapters.remote.rpc import RpcError
from careledger.domain.errors import (
    BlockNotFound,
    LedgerRewritten,
    LedgerStale,
    MalformedBytes,
    NodeUnavailable,
)
from careledger.domain.facts import Head

MOST_REMEMBERED = 20_000


class Heads:
    """What is known of the chain's blocks. Safe to use from several threads."""

    def __init__(self, nodes: Nodes, journal: Journal) -> None:
        """Starts where the journal ended; raises LedgerStale if the nodes are not that far, LedgerRewritten."""
        self._nodes, self._journal, self._lock = nodes, journal, threading.RLock()
        self._remembered: dict[int, Head] = {}
        self.known = self._start()
        self._asked = time.monotonic()

    def _start(self) -> SeenBlock:
        seen, end = self._journal.seen(), time.monotonic() + CATCHING_UP
        agreed = self._nodes.agreed()
        while seen is not None and agreed.number < seen[0]:
            if time.monotonic() > end:
                raise LedgerStale(head=agreed.number, seen=seen[0])
            time.sleep(PAUSE)
            agreed = self._nodes.agreed()
        if seen is not None:
            self._nodes.read([], *seen)
        self._journal.saw(agreed.number, agreed.hash)
        return agreed

    def refresh(self, within: float = 0.0) -> SeenBlock:
        """Asks the nodes unless that was done ``within`` so many seconds; gives the newest block known.

        Raises what Nodes.agreed raises, and LedgerRewritten if a block known before is no longer in the chain.
        """
        with self._lock:
            if time.monotonic() - self._asked >= within:
                self._take(self._nodes.agreed())
                self._asked = time.monotonic()
            return self.known

    def _take(self, agreed: SeenBlock) -> None:
        known = self.known
        if agreed.number < known.number or agreed.hash == known.hash:
            return
        if agreed.number == known.number or (
            agreed.number == known.number + 1 and agreed.parent != known.hash
        ):
            raise LedgerRewritten(block=known.number)
        if agreed.number > known.number + 1:
            self._nodes.read([], known.number, known.hash)
        self._journal.saw(agreed.number, agreed.hash)
        self.known = agreed

    def block(self, number: int) -> Head:
        """A block up to the newest; raises BlockNotFound beyond it, NodeUnavailable."""
        return self.blocks([number])[number]

    def blocks(self, numbers: Collection[int]) -> dict[int, Head]:
        """Several; raises BlockNotFound, NodeUnavailable, LedgerStale."""
        known = self.known
        if max(numbers, default=0) > known.number:
            known = self.refresh()
        if any(not 0 <= number <= known.number for number in numbers):
            raise BlockNotFound(number=max(numbers))
        with self._lock:
            found = {number: self._remembered[number] for number in numbers if number in self._remembered}
        found |= self._asked_for(sorted(set(numbers) - found.keys()), known)
        return found

    def _asked_for(self, numbers: list[int], known: SeenBlock) -> dict[int, Head]:
        if not numbers or numbers == [known.number]:
            return dict.fromkeys(numbers, known.head)
        said = self._nodes.read(
            [("eth_getBlockByNumber", [hex(number), False]) for number in numbers], known.number, known.hash
        )
        found = {}
        for number, each in zip(numbers, said, strict=True):
            found[number] = _head(number, each)
        with self._lock:
            if len(self._remembered) > MOST_REMEMBERED:
                self._remembered.clear()
            self._remembered |= found
        return found


def _head(number: int, said: object) -> Head:
    if said is None or isinstance(said, RpcError):
        raise NodeUnavailable(why="a final block is not shown", block=number)
    try:
        block = answers.block(said)
    except MalformedBytes as error:
        raise NodeUnavailable(**error.details) from None
    if block.number != number:
        raise NodeUnavailable(why="another block than asked for", block=number)
    return block.head
