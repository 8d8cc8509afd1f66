"""Who has which transactions on the way: each sender is a lane with nonces of its own, in order."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

from careledger.adapters.evm.node import Call
from careledger.adapters.remote.answers import SeenReceipt
from careledger.adapters.remote.journal import Signed
from careledger.adapters.remote.rpc import RpcError
from careledger.domain.errors import CareLedgerError
from careledger.formats.signatures import Address, SigningKey


@dataclass(eq=False, repr=False)
class Ticket:
    """A call that somebody waits for, and what became of it."""

    key: SigningKey
    call: Call
    sender: Address
    done: threading.Event = field(default_factory=threading.Event)
    outcome: SeenReceipt | CareLedgerError | None = None

    def tell(self, outcome: SeenReceipt | CareLedgerError) -> None:
        """Ends the waiting; the first word counts."""
        if self.outcome is None:
            self.outcome = outcome
            self.done.set()


@dataclass(eq=False)
class OnTheWay:
    """A transaction that is durable here and may be at a node; without a ticket after a restart."""

    signed: Signed
    ticket: Ticket | None = None
    sent: float = 0.0
    said: RpcError | None = None


class Lanes:
    """All transactions on the way. Used by one thread at a time."""

    def __init__(self, entries: Iterable[Signed]) -> None:
        """Starts with what the journal kept."""
        self._by_hash: dict[bytes, OnTheWay] = {}
        self._lanes: dict[Address, dict[int, OnTheWay]] = {}
        for entry in entries:
            self.add(OnTheWay(entry))

    def __len__(self) -> int:
        return len(self._by_hash)

    def add(self, one: OnTheWay) -> None:
        """Enters a transaction at the end of its lane."""
        self._by_hash[one.signed.hash] = one
        self._lanes.setdefault(one.signed.sender, {})[one.signed.nonce] = one

    def remove(self, digest: bytes) -> OnTheWay:
        """Takes out one that is final."""
        one = self._by_hash.pop(digest)
        lane = self._lanes[one.signed.sender]
        del lane[one.signed.nonce]
        if not lane:
            del self._lanes[one.signed.sender]
        return one

    def knows(self, digest: bytes) -> bool:
        """Whether that transaction is on the way."""
        return digest in self._by_hash

    def hashes(self) -> list[bytes]:
        """Every transaction's."""
        return list(self._by_hash)

    def next_nonce(self, sender: Address) -> int | None:
        """The nonce after the lane's last; None for an idle lane, whose nonce the chain knows."""
        lane = self._lanes.get(sender)
        return None if lane is None else max(lane) + 1

    def due(self, before: float, most: int) -> list[OnTheWay]:
        """Those sent last before that time, each lane's in order."""
        found = [one for one in self._by_hash.values() if one.sent < before]
        return sorted(found, key=lambda one: (one.signed.sender, one.signed.nonce))[:most]

    def tickets(self) -> list[Ticket]:
        """Whoever waits."""
        return [one.ticket for one in self._by_hash.values() if one.ticket is not None]
