"""What the ledger's acts and facts ask of a chain: the one seam between them and where the chain runs.

``EmbeddedNode`` (adapters/evm/embedded.py) has it on this machine. Nobody who asks may assume that a transaction is
mined at once, that a block holds what was sent together, or any order between two senders.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from careledger.adapters.evm.engine import ZERO_ADDRESS
from careledger.adapters.evm.tables import FoundLog
from careledger.domain.facts import Head
from careledger.formats.signatures import Address, SigningKey

GAS = 30_000_000
"""What a transaction of ours may use at most."""


class Call(NamedTuple):
    """What a transaction does: ``to`` None creates a contract from ``data``."""

    to: Address | None
    data: bytes


@dataclass(frozen=True, slots=True)
class Mined:
    """What became of a transaction, in a final block.

    ``reason`` is why the contract refused, None if it did not; ``created`` the new contract's address.
    """

    block: Head
    reason: str | None = None
    created: Address | None = None


class Node(Protocol):
    """One chain. Blocks that it names are final; its head never goes back. Safe to use from several threads."""

    @property
    def chain_id(self) -> int: ...

    def head(self) -> Head:
        """The newest final block known here, at least as new as every block that was given out before."""
        ...

    def fresh_head(self) -> Head:
        """The same; raises LedgerStale if it may be too old to decide on."""
        ...

    def block(self, number: int) -> Head:
        """A final block; raises BlockNotFound for one that is not there yet."""
        ...

    def blocks(self, numbers: Collection[int]) -> dict[int, Head]:
        """Several at once; raises BlockNotFound."""
        ...

    def call(
        self, to: Address | None, data: bytes, sender: Address = ZERO_ADDRESS, block: int | None = None
    ) -> bytes:
        """What a contract answers on the state after a block (None: the head), writing nothing.

        Raises LedgerRefused with the contract's ``reason``, BlockNotFound.
        """
        ...

    def logs(
        self, first: int, last: int, addresses: Collection[Address], topics: Sequence[bytes | None] = ()
    ) -> list[FoundLog]:
        """Every log of these contracts in final blocks first…last, in chain order."""
        ...

    def nonce(self, sender: Address) -> int:
        """The nonce that the next transaction of this sender will have, if nobody else sends for it."""
        ...

    def send(self, sender: SigningKey, calls: Sequence[Call]) -> list[Mined]:
        """One transaction for each call at gas price 0, in order; returns once each is in a final block.

        A contract's refusal is told in ``reason`` and hinders no other call. Raises TransactionRefused for the first
        one that the chain does not take, StoreUnavailable if it is not known what became of them.
        """
        ...

    def close(self) -> None: ...
