"""What the chain asks of an EVM: run one transaction, change nothing, say what it would write.

The chain's tables are the state. An engine keeps a copy of it in memory, only to execute on; it changes
that copy in ``load`` and ``apply`` alone. Balances do not exist: every gas price and every value is 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Protocol

from careledger.formats.signatures import Address

FORK = "London"
ZERO_ADDRESS: Address = bytes(20)
BLOCK_GAS_LIMIT = 0x1FFFFFFFFFFFFF
DIFFICULTY = 1  # what a QBFT block carries


@dataclass(frozen=True, slots=True)
class BlockContext:
    """The block that a transaction runs in: height, unix seconds, chain id."""

    number: int
    timestamp: int
    chain_id: int


@dataclass(frozen=True, slots=True)
class Message:
    """What is executed: ``to`` None creates a contract from ``data``; ``gas`` includes the intrinsic gas."""

    sender: Address
    to: Address | None
    data: bytes = b""
    gas: int = 30_000_000


@dataclass(frozen=True, slots=True)
class Account:
    """Nonce and code; an address without a row has nonce 0 and no code."""

    nonce: int = 0
    code: bytes = b""


@dataclass(frozen=True, slots=True)
class Log:
    """One event: emitter, up to four topics of 32 bytes, data."""

    address: Address
    topics: tuple[bytes, ...]
    data: bytes


Slot = tuple[Address, int]


@dataclass(frozen=True, slots=True)
class WriteSet:
    """Everything that differs after a transaction, and nothing that does not.

    ``accounts`` has the new nonce and code; ``storage`` the new value of each changed slot, 0 for a
    cleared one; ``destroyed`` the contracts whose whole storage is gone besides.
    """

    accounts: dict[Address, Account] = field(default_factory=dict)
    storage: dict[Slot, int] = field(default_factory=dict)
    destroyed: frozenset[Address] = frozenset()


@dataclass(frozen=True, slots=True)
class Execution:
    """The outcome of one transaction.

    ``output`` is the return data of a call, or the revert data; empty for a creation that succeeded and
    for an exceptional halt. ``created`` is the new contract's address, if it succeeded.
    """

    success: bool
    gas_used: int
    output: bytes
    logs: tuple[Log, ...]
    created: Address | None
    writes: WriteSet


class Engine(Protocol):
    """An EVM at the London rules. Not safe for several threads: the chain holds one lock around it."""

    @property
    def name(self) -> str:
        """A short name for reports."""

    def load(
        self, accounts: Iterable[tuple[Address, Account]], storage: Iterable[tuple[Address, int, int]]
    ) -> None:
        """Add rows (address, slot, value) of a stored state to the copy in memory."""

    def execute(self, message: Message, block: BlockContext) -> Execution:
        """The outcome of the transaction on the present state, which it leaves as it was.

        The sender's nonce counts up in the write set whatever the outcome. Raises TransactionRefused if
        the message cannot run at all (less gas than the intrinsic gas, more than the block's).
        """

    def call(self, message: Message, block: BlockContext) -> Execution:
        """The same without a write set: for reading."""

    def apply(self, writes: WriteSet) -> None:
        """Make a write set part of the state. Slots of destroyed contracts are given in ``storage``."""


def simulated(engine: Engine, message: Message, block: BlockContext) -> Execution:
    """The outcome without a write set; a creation's ``output`` is the code that it would leave."""
    if message.to is not None:
        return engine.call(message, block)
    made = engine.execute(message, block)
    left = made.output if made.created is None else made.writes.accounts[made.created].code
    return replace(made, output=left, writes=WriteSet())


def intrinsic_gas(data: bytes, creates: bool) -> int:
    """The gas that a transaction costs before its first instruction (yellow paper g0, EIP-2028)."""
    zeros = data.count(0)
    return 21_000 + 4 * zeros + 16 * (len(data) - zeros) + (32_000 if creates else 0)
