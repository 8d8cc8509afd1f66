"""The first engine: revm through ``pyrevm``, isolated per transaction.

``pyrevm`` keeps one journal open over all its calls, so whatever it has read stays warm and wins over
later changes of the state below. Each execution, and each change of the state below, therefore stands
between a snapshot and its revert, and the journal is seen to be empty before anything is run or written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from typing import Any

from eth_hash.auto import keccak
from pyrevm import EVM, AccountInfo, BlockEnv, CfgEnv, Env

from careledger.adapters.evm.engine import (
    BLOCK_GAS_LIMIT,
    DIFFICULTY,
    FORK,
    Account,
    BlockContext,
    Execution,
    Log,
    Message,
    Slot,
    WriteSet,
)
from careledger.domain.errors import EngineMismatch, TransactionRefused
from careledger.formats.signatures import Address

_NOBODY = "0x" + "00" * 20
_ENTRY = re.compile(
    r"(StorageChange|NonceChange|CodeChange|AccountCreated|AccountDestroyed) "
    r"\{ address: (0x[0-9a-f]{40})(?:, key: (\d+), had_value: (?:None|Some\((\d+)\)))?"
)
_REVERT = re.compile(r"Revert \{ gas_used: \d+, output: 0x([0-9a-f]*) \}")


@lru_cache(maxsize=65_536)
def _text(address: Address) -> str:
    return "0x" + address.hex()


class RevmEngine:
    """revm at London, its state in revm's own memory."""

    name = "revm"

    def __init__(self, chain_id: int) -> None:
        self._chain_id = chain_id
        self._block: BlockContext | None = None
        self._evm = EVM(Env(cfg=CfgEnv(chain_id=chain_id)), gas_limit=BLOCK_GAS_LIMIT, spec_id=FORK)

    def load(
        self, accounts: Iterable[tuple[Address, Account]], storage: Iterable[tuple[Address, int, int]]
    ) -> None:
        """Add rows of a stored state."""
        for address, account in accounts:
            self._put_account(address, account)
        evm = self._evm
        self._check_journal()
        for address, slot, value in storage:
            # A slot goes below the journal only while its account is not in the journal, and inserting
            # puts it there: so each slot has a snapshot of its own.
            checkpoint = evm.snapshot()
            evm.insert_account_storage(_text(address), slot, value)
            evm.revert(checkpoint)

    def apply(self, writes: WriteSet) -> None:
        """Make a write set part of the state."""
        self.load(writes.accounts.items(), ((*slot, value) for slot, value in writes.storage.items()))

    def execute(self, message: Message, block: BlockContext) -> Execution:
        """Run between snapshot and revert; see Engine.execute."""
        self._enter(block)
        with self._isolated():
            ran = self._run(message)
            writes = self._writes(message.sender)
        return replace(ran, writes=writes)

    def call(self, message: Message, block: BlockContext) -> Execution:
        """Run and forget what would be written."""
        self._enter(block)
        with self._isolated():
            return self._run(message)

    def _enter(self, block: BlockContext) -> None:
        if block == self._block:
            return
        if block.chain_id != self._chain_id:
            raise EngineMismatch(why="chain id", engine=self._chain_id, block=block.chain_id)
        self._evm.set_block_env(
            BlockEnv(
                number=block.number,
                coinbase=_NOBODY,
                timestamp=block.timestamp,
                difficulty=DIFFICULTY,
                basefee=0,
                gas_limit=BLOCK_GAS_LIMIT,
            )
        )
        self._block = block

    @contextmanager
    def _isolated(self) -> Iterator[None]:
        self._check_journal()
        checkpoint = self._evm.snapshot()
        try:
            yield
        finally:
            self._evm.revert(checkpoint)

    def _check_journal(self) -> None:
        if self._evm.journal_depth or self._evm.journal_state:
            raise EngineMismatch(why="the journal is not empty")

    def _put_account(self, address: Address, account: Account) -> None:
        self._check_journal()
        self._evm.insert_account_info(_text(address), AccountInfo(nonce=account.nonce, code=account.code))

    def _run(self, message: Message) -> Execution:
        output, created = b"", None
        try:
            if message.to is None:
                made = self._evm.deploy(_text(message.sender), message.data, gas=message.gas)
                created = bytes.fromhex(made[2:])
            else:
                output = self._evm.message_call(
                    _text(message.sender), _text(message.to), calldata=message.data, gas=message.gas
                )
        except RuntimeError as error:  # whatever is not a success arrives here, told as text
            if self._evm.result is None:
                raise TransactionRefused(why=str(error)) from None
            reverted = _REVERT.match(str(error))
            output = bytes.fromhex(reverted[1]) if reverted else b""
        result = self._evm.result
        if result is None:
            raise EngineMismatch(why="no result")
        logs = tuple(_log(log) for log in result.logs) if result.is_success else ()
        return Execution(result.is_success, result.gas_used, bytes(output), logs, created, WriteSet())

    def _writes(self, sender: Address) -> WriteSet:
        """Read the write set from the journal; ``pyrevm`` shows it only as text."""
        text = self._evm.journal_str
        first: dict[tuple[str, int], int] = {}
        changed, destroyed, counted = set(), set(), False
        for kind, address, key, had in _ENTRY.findall(text, text.rindex("journal: [")):
            if kind == "StorageChange":
                if had:
                    first.setdefault((address, int(key)), int(had))
            elif kind == "AccountDestroyed":
                destroyed.add(address)
            else:
                counted |= kind == "NonceChange" and address == _text(sender)
                changed.add(address)
        accounts = {bytes.fromhex(at[2:]): self._account(at) for at in changed - destroyed}
        # A creation has counted the sender's nonce up already, a call has not.
        before = self._evm.basic(_text(sender)).nonce - counted
        accounts[sender] = Account(before + 1)
        accounts.update({bytes.fromhex(at[2:]): Account() for at in destroyed})
        gone = frozenset(bytes.fromhex(at[2:]) for at in destroyed)
        return WriteSet(accounts, self._slots(first, destroyed), gone)

    def _slots(self, first: dict[tuple[str, int], int], destroyed: set[str]) -> dict[Slot, int]:
        slots = {}
        for (address, key), before in first.items():
            if address not in destroyed and (now := self._evm.storage(address, key)) != before:
                slots[bytes.fromhex(address[2:]), key] = now
        return slots

    def _account(self, address: str) -> Account:
        info = self._evm.basic(address)
        return Account(info.nonce, _unpadded(self._evm.get_code(address) or b"", info.code_hash or b""))


def _unpadded(code: bytes, digest: bytes) -> bytes:
    """Code that revm has analysed carries 33 zero bytes more than was deployed."""
    for known in (code, code[:-33]):
        if keccak(known) == digest:
            return known
    raise EngineMismatch(why="code is not what its hash says")


def _log(log: Any) -> Log:
    topics, data = log.data
    address = bytes.fromhex(log.address[2:])
    return Log(address, tuple(bytes(topic) for topic in topics), bytes(data))
