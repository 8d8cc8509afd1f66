"""One block: which transactions it takes, what each does, and the header over all of it."""

from __future__ import annotations

from collections.abc import Callable

from careledger.adapters.evm.blocks import Block, Header, Receipt, bloom_of, next_state
from careledger.adapters.evm.engine import (
    Account,
    BlockContext,
    Engine,
    Execution,
    Message,
    WriteSet,
)
from careledger.adapters.evm.rlp_trie import ordered_root
from careledger.adapters.evm.transactions import SignedTransaction
from careledger.domain.errors import TransactionRefused
from careledger.formats.signatures import Address


class BlockBuilder:
    """Collects transactions on top of a parent; the engine runs ahead, nothing is stored here.

    ``account_of`` and ``slots_of`` read the stored state under the block: an account, and the slots of a
    contract that are not 0.
    """

    def __init__(
        self,
        engine: Engine,
        parent: Header,
        context: BlockContext,
        account_of: Callable[[Address], Account],
        slots_of: Callable[[Address], set[int]],
    ) -> None:
        self._engine, self._parent, self._context = engine, parent, context
        self._account_of, self._slots_of = account_of, slots_of
        self._transactions: list[SignedTransaction] = []
        self._receipts: list[Receipt] = []
        self._writes = WriteSet()
        self._gas = 0

    def add(self, signed: SignedTransaction) -> Receipt:
        """Execute one more; the receipt counts once the block is stored.

        Raises TransactionRefused with ``why`` nonce too low, nonce too high or sender is a contract; the
        block is then as before.
        """
        self._check_sender(signed)
        transaction = signed.transaction
        message = Message(signed.sender, transaction.to, transaction.data, transaction.gas)
        execution = self._engine.execute(message, self._context)
        writes = self._whole(execution.writes)
        self._engine.apply(writes)
        self._writes.accounts.update(writes.accounts)
        self._writes.storage.update(writes.storage)
        receipt = self._receipt(signed, execution)
        self._transactions.append(signed)
        self._receipts.append(receipt)
        return receipt

    def build(self) -> Block:
        """The block of everything added."""
        logs = [log for receipt in self._receipts for log in receipt.logs]
        header = Header(
            number=self._context.number,
            parent=self._parent.hash,
            timestamp=self._context.timestamp,
            state=next_state(self._parent.state, self._writes),
            transactions=ordered_root([signed.raw for signed in self._transactions]),
            receipts=ordered_root([receipt.encode() for receipt in self._receipts]),
            bloom=bloom_of(logs),
            gas_used=self._gas,
        )
        return Block(header, tuple(self._transactions), tuple(self._receipts), self._writes)

    def _check_sender(self, signed: SignedTransaction) -> None:
        account = self._writes.accounts.get(signed.sender) or self._account_of(signed.sender)
        if account.code:
            raise TransactionRefused(why="sender is a contract")  # EIP-3607
        given = signed.transaction.nonce
        if given != account.nonce:
            why = "nonce too low" if given < account.nonce else "nonce too high"
            raise TransactionRefused(why=why, expected=account.nonce, given=given)

    def _whole(self, writes: WriteSet) -> WriteSet:
        """The write set with the slots of destroyed contracts written out as zeros."""
        if not writes.destroyed:
            return writes
        zeros = {}
        for address in writes.destroyed:
            here = {slot for (at, slot), value in self._writes.storage.items() if at == address and value}
            zeros.update({(address, slot): 0 for slot in here | self._slots_of(address)})
        return WriteSet(writes.accounts, zeros | writes.storage)

    def _receipt(self, signed: SignedTransaction, execution: Execution) -> Receipt:
        self._gas += execution.gas_used
        return Receipt(
            hash=signed.hash,
            block=self._context.number,
            position=len(self._receipts),
            sender=signed.sender,
            kind=signed.transaction.kind,
            success=execution.success,
            gas_used=execution.gas_used,
            cumulative_gas=self._gas,
            created=execution.created,
            output=b"" if execution.success else execution.output,
            logs=execution.logs,
        )
