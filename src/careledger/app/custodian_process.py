"""Serves one custodian in this process, for whoever has the socket; the ledger is reached over another.

python -m careledger.app.custodian_process DIRECTORY PARTY SOCKET LEDGER-SOCKET
"""

from __future__ import annotations

import gc
import signal
import sys
from pathlib import Path
from types import FrameType

from careledger.adapters.custody.directory import CustodyDirectory
from careledger.adapters.custody.ledger_link import LedgerLink
from careledger.adapters.custody.process import CustodianProcess, serve_custodian
from careledger.app.vault import SealedKeys
from careledger.sealing.keys import Secret
from careledger.workflows.custodian.custodian import Custodian
from careledger.workflows.custodian.parts import Keys


def custodian_process(
    directory: Path, party: int, sockets: Path, ledger_socket: Path, key: bytes = b""
) -> CustodianProcess:
    """A process, not started yet, that serves the custodian of this directory under ``sockets``.

    ``key`` opens its key files (empty: they lie as they are); it goes over a pipe, never in arguments.
    """
    path = sockets / f"{party:016x}.sock"
    arguments = (str(directory), str(party), str(path), str(ledger_socket))
    return CustodianProcess(
        party, path, (sys.executable, "-m", "careledger.app.custodian_process", *arguments), key
    )


def main(arguments: list[str]) -> None:
    """Serves until SIGTERM."""
    key = sys.stdin.buffer.read()
    directory = CustodyDirectory(Path(arguments[0]), SealedKeys(Secret(key)) if key else None)
    party = int(arguments[1])
    ledger = LedgerLink(Path(arguments[3]))
    seeds = directory.seeds
    keys = Keys.of(ledger.deployment, party, seeds.signing, seeds.log, seeds.sealing)
    custodian = Custodian(party, directory.rows, directory.journal, keys, ledger.port(), ledger)
    server = serve_custodian(Path(arguments[2]), custodian)

    def stop(number: int, frame: FrameType | None) -> None:
        server.close()
        sys.exit(0)

    signal.signal(signal.SIGTERM, stop)
    gc.freeze()  # as app/world.py says
    server.serve()


if __name__ == "__main__":
    main(sys.argv[1:])
