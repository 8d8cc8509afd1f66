"""The embedded chain as the ledger's node, for a process beside the one that writes it: it reads, and sends nothing.

It reads the chain's file. A block is in it, whole and synced, before its sender is answered, so that whatever somebody
was told before they ask here is seen here.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from pathlib import Path

from careledger.adapters.evm.embedded import head_of
from careledger.adapters.evm.engine import ZERO_ADDRESS, BlockContext, Message, simulated
from careledger.adapters.evm.log_search import LogSearch
from careledger.adapters.evm.node import GAS, Call, Mined
from careledger.adapters.evm.past import PastEngines
from careledger.adapters.evm.revert import revert_reason
from careledger.adapters.evm.tables import ChainTables, FoundLog, connect
from careledger.domain.errors import BlockNotFound, ChainMismatch, LedgerRefused, StoreUnavailable
from careledger.domain.facts import Head
from careledger.formats.signatures import Address, SigningKey


class ReadingNode:
    """See ``Node``. Whoever has the chain may end and another one take it: nothing changes here."""

    def __init__(self, directory: Path, chain_id: int) -> None:
        """``directory`` must hold an installed chain; raises ChainMismatch if it has another chain id."""
        self._lock, self._db = threading.RLock(), connect(directory, read_only=True)
        self._tables, self._chain_id = ChainTables(self._db), chain_id
        self._past = PastEngines(self._tables, chain_id)
        self._seen, self._head = -1, Head(0, b"", 0)
        stored = self._tables.chain_id()
        if stored != chain_id:
            self.close()
            raise ChainMismatch(stored=stored, wanted=chain_id)

    @property
    def chain_id(self) -> int:
        """The chain's number."""
        return self._chain_id

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._db.close()

    def head(self) -> Head:
        """The last durable block; read again only where something was committed since (SQLite, data_version)."""
        with self._lock:
            (version,) = self._db.execute("PRAGMA data_version").fetchone()
            if version != self._seen:
                self._head, self._seen = head_of(self._tables.head()), version
            return self._head

    def fresh_head(self) -> Head:
        """The same: on the chain's own machine it is never too old."""
        return self.head()

    def block(self, number: int) -> Head:
        """A durable block; raises BlockNotFound."""
        return self.blocks([number])[number]

    def blocks(self, numbers: Collection[int]) -> dict[int, Head]:
        """Several; raises BlockNotFound."""
        with self._lock:
            found = {each[0]: Head(*each) for each in self._tables.heads(numbers)}
        if missing := set(numbers) - found.keys():
            raise BlockNotFound(number=min(missing))
        return found

    def call(
        self, to: Address | None, data: bytes, sender: Address = ZERO_ADDRESS, block: int | None = None
    ) -> bytes:
        """What a contract, or with ``to`` None a constructor, answers; it runs on EELS, on the rows as they were after
        that block. Raises LedgerRefused, BlockNotFound."""
        with self._lock:
            at = self.head() if block is None else self.block(block)
            context = BlockContext(at.number, at.time, self._chain_id)
            answer = simulated(self._past.at(at.number), Message(sender, to, data, GAS), context)
        if not answer.success:
            raise LedgerRefused(reason=revert_reason(answer.output))
        return answer.output

    def logs(
        self, first: int, last: int, addresses: Collection[Address], topics: Sequence[bytes | None] = ()
    ) -> list[FoundLog]:
        """Logs in chain order."""
        if not addresses:
            return []
        wanted = tuple(None if topic is None else frozenset([topic]) for topic in topics)
        emitters = frozenset(addresses) if len(addresses) == 1 else frozenset[Address]()
        with self._lock:
            found = list(self._tables.logs(LogSearch(first, last, emitters, wanted)))
        return [each for each in found if each.log.address in addresses]

    def nonce(self, sender: Address) -> int:
        """The sender's next nonce."""
        with self._lock:
            return self._tables.account_at(sender, self.head().number).nonce

    def send(self, sender: SigningKey, calls: Sequence[Call]) -> list[Mined]:
        """Refused: what changes something is sent by who has the chain."""
        raise StoreUnavailable(why="this process only reads the chain")
