"""Calls on the state as it was after an earlier block."""

from __future__ import annotations

from careledger.adapters.evm.engine import Engine
from careledger.adapters.evm.tables import ChainTables

MAX_PAST_ENGINES = 16  # each remembers what was read of one earlier block


class PastEngines:
    """EELS over the rows as they were after a block: it reads only what a call asks for.

    Not safe for several threads: whoever holds it serialises its use together with that of the tables.
    """

    def __init__(self, tables: ChainTables, chain_id: int) -> None:
        self._tables, self._chain_id = tables, chain_id
        self._engines: dict[int, Engine] = {}

    def at(self, block: int) -> Engine:
        """An engine, to call only, on the state after that block, which must not be later than the head."""
        if block not in self._engines:
            if len(self._engines) >= MAX_PAST_ENGINES:
                del self._engines[next(iter(self._engines))]
            from careledger.adapters.evm.eels import EelsEngine

            tables = self._tables
            self._engines[block] = EelsEngine.over(
                self._chain_id,
                lambda address: tables.account_at(address, block),
                lambda address, slot: tables.slot_at(address, slot, block),
                tables.contracts(),
            )
        return self._engines[block]
