"""A ledger that stands still when told: no fresh head and no block, while everything known is still answered."""

from __future__ import annotations

from typing import Any

from careledger.adapters.memory.failing import LEDGER_READS
from careledger.domain.errors import LedgerStale, StoreUnavailable
from careledger.ports import Ledger, LedgerView


class StandingLedger:
    """The port Ledger in front of another one; ``stands`` may be changed at any time."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.stands = False

    def fresh_head(self) -> LedgerView:
        """The newest block; raises LedgerStale while it stands still."""
        if self.stands:
            raise LedgerStale()
        return self._ledger.fresh_head()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._ledger, name)
        if name in LEDGER_READS or not callable(found) or not self.stands:
            return found
        return _not_taken


def _not_taken(*arguments: object, **named: object) -> None:
    raise StoreUnavailable(why="no block is made")
