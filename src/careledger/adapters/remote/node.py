"""The remote node: the ledger's chain over JSON-RPC."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path

from careledger.adapters.evm.engine import ZERO_ADDRESS
from careledger.adapters.evm.node import Call, Mined
from careledger.adapters.evm.tables import FoundLog
from careledger.adapters.locks import hold
from careledger.adapters.remote import reading
from careledger.adapters.remote.answers import SeenReceipt
from careledger.adapters.remote.courier import Courier, Limits
from careledger.adapters.remote.heads import Heads
from careledger.adapters.remote.journal import Journal
from careledger.adapters.remote.nodes import Nodes
from careledger.domain.errors import LedgerRefused, LedgerStale, NodeUnavailable
from careledger.domain.facts import Head
from careledger.formats.signatures import Address, SigningKey
from careledger.ports import Clock

SENT = "sent.sqlite"
OLDEST = 10
"""Seconds that a head may be old and still be decided on."""
RECENT = 0.1
"""Seconds for which the nodes are not asked again for their head."""


class RemoteNode:
    """See ``Node``."""

    def __init__(
        self,
        folder: Path,
        chain_id: int,
        nodes: Nodes,
        clock: Clock,
        oldest: int = OLDEST,
        limits: Limits | None = None,
        new: bool = True,
    ) -> None:
        """``folder`` holds the journal, made first where there is none and it may be ``new``.

        ``oldest``: how old, in seconds, a head may be to decide on.

        Raises DirectoryInUse, WrongNetwork, NodeUnavailable, LedgerStale, LedgerRewritten, StoreCorrupt.
        """
        self.chain_id, self._nodes, self._clock, self._oldest = chain_id, nodes, clock, oldest
        self._lock_file = hold(folder)
        try:
            nodes.check(chain_id)
            self._journal = Journal(folder / SENT, new)
            self._heads = Heads(nodes, self._journal)
            self._courier = Courier(chain_id, nodes, self._heads, self._journal, limits or Limits())
        except BaseException:
            os.close(self._lock_file)
            raise

    def close(self) -> None:
        """Ends sending and closes everything; what is not final is sent again after the next start."""
        self._courier.close()
        self._journal.close()
        self._nodes.close()
        os.close(self._lock_file)

    def head(self) -> Head:
        """The newest block that the nodes agreed on; an earlier one if they do not answer now."""
        try:
            return self._heads.refresh(RECENT).head
        except (NodeUnavailable, LedgerStale):
            return self._heads.known.head

    def fresh_head(self) -> Head:
        """The same, asked just now and not older than it may be; raises LedgerStale, LedgerRewritten."""
        for within in (RECENT, 0.0):
            try:
                head = self._heads.refresh(within).head
            except NodeUnavailable as error:
                raise LedgerStale(**error.details) from None
            age = self._clock.now() - head.time
            if age <= self._oldest:
                return head
        raise LedgerStale(head=head.number, seconds_old=age)

    def block(self, number: int) -> Head:
        """A block; raises BlockNotFound, NodeUnavailable."""
        return self._heads.block(number)

    def blocks(self, numbers: Collection[int]) -> dict[int, Head]:
        """Several; raises BlockNotFound, NodeUnavailable."""
        return self._heads.blocks(numbers)

    def call(
        self, to: Address | None, data: bytes, sender: Address = ZERO_ADDRESS, block: int | None = None
    ) -> bytes:
        """What a contract answers after a block; raises LedgerRefused, BlockNotFound, NodeUnavailable."""
        at = self.head() if block is None else self.block(block)
        return reading.call(self._nodes, at, to, data, sender)

    def logs(
        self, first: int, last: int, addresses: Collection[Address], topics: Sequence[bytes | None] = ()
    ) -> list[FoundLog]:
        """Logs in chain order; raises BlockNotFound, NodeUnavailable, LedgerStale."""
        if first > last or not addresses:
            return []
        end = self.block(last)
        found = reading.logs(self._nodes, end, first, addresses, topics)
        if found is not None:
            return found
        if first == last:
            raise NodeUnavailable(why="no logs", block=first)
        half = (first + last) // 2
        return [
            *self.logs(first, half, addresses, topics),
            *self.logs(half + 1, last, addresses, topics),
        ]

    def nonce(self, sender: Address) -> int:
        """The sender's next nonce."""
        return self._courier.next_nonce(sender)

    def waiting(self) -> int:
        """How many transactions are on the way or wait for their turn."""
        return self._courier.waiting()

    def send(self, sender: SigningKey, calls: Sequence[Call]) -> list[Mined]:
        """See ``Node``; a refusal's reason is what the contract answers to the same call after that block.

        Raises TransactionRefused, NodeUnavailable if nothing was sent, NotYetFinal if it may yet become final.
        """
        receipts = self._courier.send(sender, calls)
        blocks = self._heads.blocks({each.block for each in receipts})
        return [
            Mined(
                blocks[receipt.block],
                None if receipt.success else self._reason(sender.address, call, receipt),
                receipt.created,
            )
            for call, receipt in zip(calls, receipts, strict=True)
        ]

    def _reason(self, sender: Address, call: Call, receipt: SeenReceipt) -> str:
        """Receipts do not say why: asked after the block, then before it, for its other transactions count too."""
        for block in (receipt.block, receipt.block - 1):
            try:
                self.call(call.to, call.data, sender, block)
            except LedgerRefused as refused:
                return str(refused.details["reason"])
        return "not told"
