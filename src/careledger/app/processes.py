"""Custodians as processes of their own, and the socket over which they reach the ledger."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from careledger.adapters.custody.ledger_link import serve_ledger
from careledger.adapters.custody.process import CustodianProcess
from careledger.app.custodian_process import custodian_process
from careledger.ports import Clock, CustodianLink, Ledger


class Processes:
    """Starts and ends custodians' processes; sockets lie in a temporary directory of mode 0700."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        """Serves the ledger to them."""
        self._folder = Path(tempfile.mkdtemp(prefix="careledger-"))
        self._running: dict[int, CustodianProcess] = {}
        self._ledger = serve_ledger(self._folder / "ledger.sock", ledger, clock)
        self._ledger.start()

    def start(self, directory: Path, number: int, key: bytes) -> CustodianLink:
        """Serves the custodian of that directory, whose key files ``key`` opens (empty: they are not sealed).

        Raises StoreUnavailable if it does not come up.
        """
        process = custodian_process(directory, number, self._folder, self._folder / "ledger.sock", key)
        process.start()
        self._running[number] = process
        return process.link

    def stop(self, number: int) -> None:
        """Ends one custodian's process."""
        process = self._running.pop(number, None)
        if process is not None:
            process.stop()

    def close(self) -> None:
        """Ends every process and the ledger's socket."""
        for number in list(self._running):
            self.stop(number)
        self._ledger.close()
        shutil.rmtree(self._folder, ignore_errors=True)
