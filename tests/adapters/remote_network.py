"""One real node with one network on it, shared by tests that each open it in their own way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from adapters.ledger_world import CHAIN_ID, MovingClock, digest
from adapters.remote_world import DEV_NODES, Running, TravellingClock, founded
from careledger.adapters.evm.ledger import EvmLedger
from careledger.adapters.remote.node import RemoteNode
from careledger.domain.parties import Role
from careledger.formats.signatures import SigningKey


class Network(NamedTuple):
    """A real node with a network on it."""

    real: Running
    directory: bytes
    since: int
    clock: MovingClock

    def ledger(self, node: RemoteNode) -> EvmLedger:
        """The network's ledger over that node."""
        return EvmLedger(node, self.directory, self.clock, since=self.since)


@contextmanager
def opened_network(state: Path | None = None) -> Iterator[Network]:
    """An Anvil with a network, some blocks after its founding."""
    with DEV_NODES.anvil(CHAIN_ID, state) as real:
        clock = TravellingClock(real)
        since = int(real.rpc("eth_blockNumber"), 16)
        with founded(real.url, clock) as world:
            directory = world.ledger.contract("Directory")
        real.rpc("anvil_mine", "0x6")
        yield Network(real, directory, since, clock)


def proposed(ledger: EvmLedger, number: int) -> bool:
    """Has a new organisation proposed by a key of its own, and reads it back."""
    ledger.propose_organisation(number, [Role.HOSPITAL], digest("l"), digest("k"), SigningKey.random())
    return ledger.fresh_head().party(number) is not None
