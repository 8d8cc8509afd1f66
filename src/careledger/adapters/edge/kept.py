"""The ledger as an agent has it beside a service of the same device: facts from the rows that the service keeps there.

The newest block is what t custodians attest, and acts go by the gateway, as for an agent elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from careledger.adapters.edge.attested import AttestedLedger, Pinned
from careledger.adapters.edge.http import Edge
from careledger.adapters.evm.facts import FactTables
from careledger.domain.errors import LedgerStale
from careledger.ports import Clock, CustodianLink, LedgerView
from careledger.projection.view import FactsView


class KeptLedger(AttestedLedger):
    """An agent's ledger that need not ask for each fact; close it."""

    def __init__(
        self, edge: Edge, pinned: Pinned, custodians: Mapping[int, CustodianLink], clock: Clock, facts: Path
    ) -> None:
        """``facts`` is the file of the service's projection, which is read and never written to."""
        super().__init__(edge, pinned, custodians, clock)
        self._directory, self._tables = pinned.directory, FactTables(facts)

    def close(self) -> None:
        """Closes the file."""
        self._tables.close()

    def at(self, block: int) -> LedgerView:
        """All facts as they stood after that block; raises LedgerStale where the service has not followed so far."""
        kept = self._tables.position(self._directory)
        if kept is None or kept[0] < block:
            raise LedgerStale(block=block)
        changed = partial(self._tables.changed, upto=block)
        return FactsView(super().at(block).head, self._tables.reader(block), changed)
