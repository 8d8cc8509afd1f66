"""The embedded chain as the ledger's node: a transaction is final when its durable block is."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from weakref import WeakValueDictionary

from careledger.adapters.evm.blocks import Header, Receipt
from careledger.adapters.evm.chain import EmbeddedChain, Outcome
from careledger.adapters.evm.engine import ZERO_ADDRESS, Message
from careledger.adapters.evm.node import GAS, Call, Mined
from careledger.adapters.evm.revert import revert_reason
from careledger.adapters.evm.tables import FoundLog
from careledger.adapters.evm.transactions import Transaction
from careledger.domain.errors import LedgerRefused, TransactionRefused
from careledger.domain.facts import Head
from careledger.formats.signatures import Address, SigningKey


class EmbeddedNode:
    """See ``Node``. What one sender sends together lies in one block."""

    def __init__(self, chain: EmbeddedChain) -> None:
        """``close`` closes the chain."""
        self._chain = chain
        self._lanes: WeakValueDictionary[Address, threading.Lock] = WeakValueDictionary()
        self._lanes_lock = threading.Lock()

    @property
    def chain_id(self) -> int:
        """The chain's number."""
        return self._chain.chain_id

    def close(self) -> None:
        """Closes the chain."""
        self._chain.close()

    def head(self) -> Head:
        """The last durable block."""
        return head_of(self._chain.head)

    def fresh_head(self) -> Head:
        """The same: on the chain's own machine it is never too old."""
        return self.head()

    def block(self, number: int) -> Head:
        """A durable block; raises BlockNotFound."""
        return head_of(self._chain.header(number))

    def blocks(self, numbers: Collection[int]) -> dict[int, Head]:
        """Several; raises BlockNotFound."""
        return {found[0]: Head(*found) for found in self._chain.heads(numbers)}

    def call(
        self, to: Address | None, data: bytes, sender: Address = ZERO_ADDRESS, block: int | None = None
    ) -> bytes:
        """What a contract, or with ``to`` None a constructor, answers; raises LedgerRefused, BlockNotFound."""
        answer = self._chain.simulate(Message(sender, to, data, GAS), block)
        if not answer.success:
            raise LedgerRefused(reason=revert_reason(answer.output))
        return answer.output

    def logs(
        self, first: int, last: int, addresses: Collection[Address], topics: Sequence[bytes | None] = ()
    ) -> list[FoundLog]:
        """Logs in chain order."""
        if len(addresses) == 1:
            return self._chain.logs(first, last, next(iter(addresses)), topics)
        found = self._chain.logs(first, last, None, topics)
        return [each for each in found if each.log.address in addresses]

    def nonce(self, sender: Address) -> int:
        """The sender's next nonce."""
        return self._chain.nonce(sender)

    def send(self, sender: SigningKey, calls: Sequence[Call]) -> list[Mined]:
        """Executes in order, in one block; raises TransactionRefused, StoreUnavailable."""
        return [self._mined(outcome) for outcome in self._sent(sender, calls)]

    def _sent(self, sender: SigningKey, calls: Sequence[Call]) -> list[Outcome]:
        address = sender.address
        with self._lanes_lock:
            lane = self._lanes.setdefault(address, threading.Lock())  # there as long as somebody sends
        with lane:
            nonce = self._chain.nonce(address)
            transactions = [
                Transaction(self.chain_id, nonce + place, call.to, call.data, GAS)
                for place, call in enumerate(calls)
            ]
            return self._chain.send_many([each.sign(sender) for each in transactions])

    def _mined(self, outcome: Outcome) -> Mined:
        if isinstance(outcome, TransactionRefused):
            raise outcome
        return Mined(self.block(outcome.block), _reason(outcome), outcome.created)


def _reason(receipt: Receipt) -> str | None:
    return None if receipt.success else revert_reason(receipt.output)


def head_of(header: Header) -> Head:
    """The block as the facts name it."""
    return Head(header.number, header.hash, header.timestamp)
