"""A member's desk for what others' patients want entered: opened, waited for, sent in shuffled batches.

The desk learns which gateway handed a message over and what the ledger will show anyway. What waits is kept in memory
only: an agent whose entry does not appear sends it by another member.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random, SystemRandom

from careledger.domain.errors import MalformedBytes, StoreUnavailable
from careledger.domain.relaying import batch_at, shuffled
from careledger.formats.consent_messages import RevokeConsent
from careledger.formats.relaying import RelayedEntry, RelayedMessage
from careledger.formats.signatures import SigningKey
from careledger.ports import Board, Clock, Ledger
from careledger.sealing.keys import SealingKey
from careledger.sealing.relays import open_relayed

MOST_WAITING = 10_000


@dataclass(repr=False)
class RelayDesk:
    """The port Relay, by the member itself; may be called from any thread. ``sender`` pays for nothing but nonces."""

    party: int
    sealing: SealingKey
    sender: SigningKey
    ledger: Ledger
    board: Board
    clock: Clock
    random: Random = field(default_factory=SystemRandom)

    def __post_init__(self) -> None:
        self._waiting: dict[bytes, tuple[int, RelayedEntry]] = {}
        self._lock = threading.Lock()

    def take(self, sealed: bytes) -> None:
        """Packages are posted and revocations entered at once; everything else waits for its batch.

        Raises CannotOpen, MalformedBytes, StoreUnavailable if too much waits.
        """
        opened = RelayedMessage.decode(open_relayed(self.sealing, self.ledger.deployment, self.party, sealed))
        if (opened.entry is None) == (opened.package is None):
            raise MalformedBytes(why="neither an entry nor a package, or both")
        if opened.package is not None:
            self.board.post(opened.package)
        elif opened.entry is not None and isinstance(opened.entry.message, RevokeConsent):
            self.ledger.carry([opened.entry], self.sender)
        elif opened.entry is not None:
            self._wait(opened.entry)

    @property
    def waiting(self) -> int:
        """How many entries wait for their batch."""
        return len(self._waiting)

    def send_batch(self) -> int:
        """Enters what is due, in random order; to be called every few seconds. Returns how many entries it sent."""
        now = self.clock.now()
        with self._lock:
            due = [id for id, (at, _) in self._waiting.items() if at <= now]
            batch: Sequence[RelayedEntry] = [self._waiting[id][1] for id in due]
        if batch:
            self.ledger.carry(shuffled(batch, self.random), self.sender)
        with self._lock:
            for id in due:
                self._waiting.pop(id, None)
        return len(batch)

    def _wait(self, entry: RelayedEntry) -> None:
        with self._lock:
            if len(self._waiting) >= MOST_WAITING:
                raise StoreUnavailable(why="too much waits here")
            self._waiting.setdefault(entry.digest(), (batch_at(self.clock.now()), entry))
