"""The second engine: EELS, Ethereum's executable specification, at London.

Slower by about two orders of magnitude, and written by other people in another language than revm: it
runs where revm has no wheel, and differential tests hold one against the other. EELS copies its tries at
every call frame, so the tries given to it are layers over the state that copy only what was written.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import lru_cache
from typing import Any

from eth_hash.auto import keccak
from ethereum import EVM_RECURSION_LIMIT
from ethereum.london.fork_types import Account as EelsAccount
from ethereum.london.fork_types import Address as EelsAddress
from ethereum.london.state import State, account_has_code_or_nonce, increment_nonce
from ethereum.london.trie import Trie
from ethereum.london.utils.address import compute_contract_address
from ethereum.london.vm import BlockEnvironment, Evm, TransactionEnvironment, interpreter
from ethereum.london.vm import Message as EelsMessage
from ethereum.london.vm.exceptions import Revert
from ethereum.london.vm.interpreter import process_create_message, process_message
from ethereum.london.vm.precompiled_contracts.mapping import PRE_COMPILED_CONTRACTS
from ethereum.london.vm.runtime import get_valid_jump_destinations
from ethereum_types.bytes import Bytes0, Bytes32
from ethereum_types.numeric import U64, U256, Uint

from careledger.adapters.evm.engine import (
    BLOCK_GAS_LIMIT,
    DIFFICULTY,
    ZERO_ADDRESS,
    Account,
    BlockContext,
    Execution,
    Log,
    Message,
    WriteSet,
    intrinsic_gas,
)
from careledger.domain.errors import EngineMismatch, TransactionRefused
from careledger.formats.signatures import Address

sys.setrecursionlimit(EVM_RECURSION_LIMIT)
"""As deep as EELS says that it nests. A library below it allows 100,000, with which a parser in C that is sent deeply
nested JSON leaves its stack and ends the process; now it raises RecursionError."""

_GONE = object()

_jump_destinations = lru_cache(maxsize=256)(get_valid_jump_destinations)


def _remembered_destinations(code: bytes) -> set[Uint]:
    """EELS looks for them at every call, 20 ms for 20 KB; they depend on the code alone."""
    return _jump_destinations(bytes(code))


vars(interpreter)["get_valid_jump_destinations"] = _remembered_destinations


class _Layer:
    """Changes over a base that is never touched; a copy copies the changes alone."""

    def __init__(self, base: dict[Any, Any], changes: dict[Any, Any] | None = None) -> None:
        self._base, self.changes = base, changes or {}

    def get(self, key: Any, default: Any = None) -> Any:
        value = self.changes.get(key, self)
        if value is self:
            return self._base.get(key, default)
        return default if value is _GONE else value

    def __contains__(self, key: Any) -> bool:
        return self.get(key, _GONE) is not _GONE

    def __setitem__(self, key: Any, value: Any) -> None:
        self.changes[key] = value

    def __delitem__(self, key: Any) -> None:
        self.changes[key] = _GONE

    def __copy__(self) -> _Layer:
        return _Layer(self._base, dict(self.changes))


class _Read:
    """A base whose entries are read when first asked for; what is read never changes."""

    def __init__(self, read: Callable[[Any], Any]) -> None:
        self._read = lru_cache(maxsize=4096)(read)

    def get(self, key: Any, default: Any = None) -> Any:
        value = self._read(key)
        return default if value is None else value


def _slot_reader(address: Address, slot_of: Callable[[Address, int], int]) -> Callable[[Any], Any]:
    return lambda slot: U256(slot_of(address, int.from_bytes(slot, "big"))) or None


class _NumberedHashes:
    """What BLOCKHASH gives: keccak of the number in decimal, as ``pyrevm`` cannot be told the real ones."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __getitem__(self, back: int) -> bytes:
        return keccak(str(self._number + int(back)).encode("ascii"))


class EelsEngine:
    """EELS at London, its state in Python dictionaries."""

    name = "eels"

    def __init__(self, chain_id: int) -> None:
        self._chain_id = chain_id
        self._accounts: Any = {}  # EelsAddress to EelsAccount
        self._storage: dict[EelsAddress, Any] = {}  # Bytes32 to U256, never 0

    @classmethod
    def over(
        cls,
        chain_id: int,
        account_of: Callable[[Address], Account],
        slot_of: Callable[[Address, int], int],
        contracts: Iterable[Address],
    ) -> EelsEngine:
        """An engine, to call only, over a state that is read as it is needed and never changes.

        ``contracts`` are the addresses that may have storage.
        """
        engine = cls(chain_id)
        engine._accounts = _Read(lambda at: _eels_account(account_of(bytes(at))))
        for address in contracts:
            engine._storage[EelsAddress(address)] = _Read(_slot_reader(address, slot_of))
        return engine

    def load(
        self, accounts: Iterable[tuple[Address, Account]], storage: Iterable[tuple[Address, int, int]]
    ) -> None:
        """Add rows of a stored state."""
        for address, account in accounts:
            known = _eels_account(account)
            if known is None:
                self._accounts.pop(EelsAddress(address), None)
            else:
                self._accounts[EelsAddress(address)] = known
        for address, slot, value in storage:
            self._put_slot(EelsAddress(address), Bytes32(slot.to_bytes(32, "big")), value)

    def _put_slot(self, address: EelsAddress, slot: Bytes32, value: int) -> None:
        slots = self._storage.setdefault(address, {})
        if value:
            slots[slot] = U256(value)
            return
        slots.pop(slot, None)
        if not slots:
            del self._storage[address]

    def apply(self, writes: WriteSet) -> None:
        """Make a write set part of the state."""
        self.load(writes.accounts.items(), ((*slot, value) for slot, value in writes.storage.items()))

    def call(self, message: Message, block: BlockContext) -> Execution:
        """Run and forget what would be written."""
        return replace(self.execute(message, block), writes=WriteSet())

    def execute(self, message: Message, block: BlockContext) -> Execution:
        """Run on layers over the state; see Engine.execute."""
        self._check(message, block)
        state = self._layered()
        sender = EelsAddress(message.sender)
        target = EelsAddress(message.to) if message.to is not None else self._new_address(state, sender)
        increment_nonce(state, sender)
        evm = _run(state, message, block, target)
        used = message.gas - (int(evm.gas_left) if evm else 0)
        if evm is None or evm.error:
            reverted = evm is not None and isinstance(evm.error, Revert)
            output = bytes(evm.output) if evm is not None and reverted else b""
            return Execution(False, used, output, (), None, self._writes(state, set()))
        used -= min(used // 5, int(evm.refund_counter))
        created = bytes(target) if message.to is None else None
        writes = self._writes(state, {EelsAddress(at) for at in evm.accounts_to_delete})
        output = b"" if created else bytes(evm.output)
        return Execution(True, used, output, tuple(map(_log, evm.logs)), created, writes)

    def _check(self, message: Message, block: BlockContext) -> None:
        if block.chain_id != self._chain_id:
            raise EngineMismatch(why="chain id", engine=self._chain_id, block=block.chain_id)
        if message.gas < intrinsic_gas(message.data, message.to is None):
            raise TransactionRefused(why="gas too low")
        if message.gas > BLOCK_GAS_LIMIT:
            raise TransactionRefused(why="gas too high")

    def _layered(self) -> State:
        storage = {at: _trie(_Layer(slots), U256(0)) for at, slots in self._storage.items()}
        main = _trie(_Layer(self._accounts), None)
        return State(_main_trie=main, _storage_tries=storage)

    def _new_address(self, state: State, sender: EelsAddress) -> EelsAddress:
        account = state._main_trie._data.get(sender)
        return compute_contract_address(sender, account.nonce if account else Uint(0))

    def _writes(self, state: State, destroyed: set[EelsAddress]) -> WriteSet:
        """What the layers hold that differs from the state below them."""
        accounts = {}
        main: Any = state._main_trie._data
        for address, account in main.changes.items():
            now = Account() if account is _GONE or account is None else _account(account)
            before = self._accounts.get(address)
            if now != (_account(before) if before else Account()):
                accounts[bytes(address)] = now
        storage = {}
        for address, trie in state._storage_tries.items():
            if address not in destroyed:
                storage.update(self._slots(address, trie))
        accounts.update({bytes(address): Account() for address in destroyed})
        return WriteSet(accounts, storage, frozenset(bytes(address) for address in destroyed))

    def _slots(self, address: EelsAddress, trie: Any) -> dict[tuple[Address, int], int]:
        before = self._storage.get(address, {})
        changes = trie._data.changes if isinstance(trie._data, _Layer) else trie._data
        return {
            (bytes(address), int.from_bytes(slot, "big")): now
            for slot, value in changes.items()
            if (now := 0 if value is _GONE else int(value)) != int(before.get(slot, 0))
        }


def _trie(layer: Any, default: Any) -> Any:
    return Trie(secured=True, default=default, _data=layer)


def _run(state: State, message: Message, block: BlockContext, target: EelsAddress) -> Evm | None:
    """The outermost frame; None where a contract stands at the new contract's address already."""
    prepared = _prepare(state, message, block, target)
    if message.to is not None:
        return process_message(prepared)
    if account_has_code_or_nonce(state, target):
        return None
    return process_create_message(prepared)


def _prepare(state: State, message: Message, block: BlockContext, target: EelsAddress) -> EelsMessage:
    gas = Uint(message.gas - intrinsic_gas(message.data, message.to is None))
    sender = EelsAddress(message.sender)
    account = state._main_trie._data.get(target) if message.to is not None else None
    code = message.data if message.to is None else (bytes(account.code) if account else b"")
    return EelsMessage(
        block_env=_block(state, block),
        tx_env=TransactionEnvironment(sender, Uint(0), gas, set(), set(), Uint(0), None, []),
        caller=sender,
        target=Bytes0(b"") if message.to is None else target,
        current_target=target,
        gas=gas,
        value=U256(0),
        data=message.data if message.to is not None else b"",
        code_address=target if message.to is not None else None,
        code=code,
        depth=Uint(0),
        should_transfer_value=True,
        is_static=False,
        accessed_addresses={sender, target, *PRE_COMPILED_CONTRACTS},
        accessed_storage_keys=set(),
        parent_evm=None,
    )


def _block(state: State, block: BlockContext) -> BlockEnvironment:
    hashes: Any = _NumberedHashes(block.number)
    return BlockEnvironment(
        chain_id=U64(block.chain_id),
        state=state,
        block_gas_limit=Uint(BLOCK_GAS_LIMIT),
        block_hashes=hashes,
        coinbase=EelsAddress(ZERO_ADDRESS),
        number=Uint(block.number),
        base_fee_per_gas=Uint(0),
        time=U256(block.timestamp),
        difficulty=Uint(DIFFICULTY),
    )


def _eels_account(account: Account) -> EelsAccount | None:
    """An account as EELS keeps it; None, as if it were not there, for an empty one."""
    return None if account == Account() else EelsAccount(Uint(account.nonce), U256(0), account.code)


def _account(account: EelsAccount) -> Account:
    return Account(int(account.nonce), bytes(account.code))


def _log(log: Any) -> Log:
    return Log(bytes(log.address), tuple(bytes(topic) for topic in log.topics), bytes(log.data))
