"""Sends acts to the remote ledger until it is killed: a process of its own for the tests of crashes.

python remote_sender.py URL FOLDER DIRECTORY SINCE KEY COUNT POINT

POINT is where it kills itself: ``kept`` after the nonces are durable and before anything is sent, ``sent`` after they
were sent, ``final`` when the receipts are seen and nothing is struck out, or ``never``. Each act that returned is a
line on the standard output.
"""

from __future__ import annotations

import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from adapters.ledger_world import CHAIN_ID, digest
from careledger.adapters.evm.ledger import EvmLedger
from careledger.adapters.remote.http import Endpoint
from careledger.adapters.remote.journal import Journal
from careledger.adapters.remote.node import RemoteNode
from careledger.adapters.remote.nodes import Nodes
from careledger.adapters.remote.rpc import JsonRpc
from careledger.app.clocks import SystemClock
from careledger.domain.parties import Role
from careledger.formats.signatures import SigningKey


def die_at(point: str) -> None:
    """Puts the end of this process before or after an effect."""
    transmit, settle = Nodes.transmit, Journal.settle

    def transmitted(self: Nodes, raws: Any) -> Any:
        said = None if point == "kept" else transmit(self, raws)
        if len(raws) > 1 and point in ("kept", "sent"):
            os.kill(os.getpid(), signal.SIGKILL)
        return transmit(self, raws) if said is None else said

    def settled(self: Journal, hashes: Any) -> None:
        if len(hashes) > 1 and point == "final":
            os.kill(os.getpid(), signal.SIGKILL)
        settle(self, hashes)

    Nodes.transmit = transmitted  # type: ignore[method-assign]
    Journal.settle = settled  # type: ignore[method-assign]


def main(url: str, folder: str, directory: str, since: str, secret: str, first: str, count: str) -> None:
    """Proposes organisations by one key, several at once."""
    node = RemoteNode(Path(folder), CHAIN_ID, Nodes([JsonRpc(Endpoint(url))], 1), SystemClock())
    ledger = EvmLedger(node, bytes.fromhex(directory), SystemClock(), since=int(since))
    key = SigningKey(bytes.fromhex(secret))

    def act(number: int) -> None:
        ledger.propose_organisation(number, [Role.HOSPITAL], digest("l"), digest("k"), key)
        os.write(1, f"{number}\n".encode())

    print("open", flush=True)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(act, range(int(first), int(first) + int(count))))
    ledger.close()


if __name__ == "__main__":
    die_at(sys.argv[-1])
    main(*sys.argv[1:-1])
