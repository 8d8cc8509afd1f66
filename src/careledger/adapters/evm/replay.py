"""The state that a replay has reached, in memory."""

from __future__ import annotations

from careledger.adapters.evm.engine import Account, WriteSet
from careledger.formats.signatures import Address


class ReplayedState:
    """Accounts and slots as the replayed write sets left them."""

    def __init__(self) -> None:
        self._accounts: dict[Address, Account] = {}
        self._storage: dict[Address, dict[int, int]] = {}

    def apply(self, writes: WriteSet) -> None:
        """Take over a block's write set."""
        self._accounts.update(writes.accounts)
        for (address, slot), value in writes.storage.items():
            self._storage.setdefault(address, {})[slot] = value

    def account(self, address: Address) -> Account:
        """An account, empty if never written."""
        return self._accounts.get(address, Account())

    def live_slots(self, address: Address) -> set[int]:
        """The slots of a contract that are not 0."""
        return {slot for slot, value in self._storage.get(address, {}).items() if value}

    def sizes(self) -> tuple[int, int]:
        """How many accounts, and how many slots that are not 0."""
        return len(self._accounts), sum(len(self.live_slots(address)) for address in self._storage)
