"""A custodian in a process of its own: served over a Unix socket, started and stopped by its process id."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from careledger.adapters.custody.sockets import CallClient, CallServer
from careledger.domain.errors import StoreUnavailable
from careledger.ports import CustodianLink

READY_WITHIN = 30


def serve_custodian(path: Path, custodian: CustodianLink) -> CallServer:
    """Serves this custodian on a socket; call ``start`` or ``serve`` on what it returns."""
    return CallServer(path, custodian.call)


class SocketLink:
    """A CustodianLink to a custodian that another process serves."""

    def __init__(self, party: int, path: Path) -> None:
        self._party = party
        self._client = CallClient(path)

    @property
    def party(self) -> int:
        """The organisation's number on the ledger."""
        return self._party

    def call(self, method: str, body: bytes) -> bytes:
        """The answer's bytes; refusals are the same exceptions as there, with details as text."""
        return self._client.call(method, body)

    def close(self) -> None:
        """Ends the connection."""
        self._client.close()


class CustodianProcess:
    """A child process that serves one custodian; ``command`` is what to run, ``path`` the socket it will serve.

    ``said`` is written to its standard input, which then ends.
    """

    def __init__(self, party: int, path: Path, command: Sequence[str], said: bytes = b"") -> None:
        self.link = SocketLink(party, path)
        self._path, self._command, self._said = path, tuple(command), said
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id; raises StoreUnavailable while it does not run."""
        if self._child is None or self._child.poll() is not None:
            raise StoreUnavailable(why="not running")
        return self._child.pid

    def start(self) -> None:
        """Starts it and waits until it answers; raises StoreUnavailable if it does not within 30 seconds."""
        self._path.unlink(missing_ok=True)
        self._child = subprocess.Popen(self._command, stdin=subprocess.PIPE)
        assert self._child.stdin is not None
        with suppress(BrokenPipeError), self._child.stdin as told:
            told.write(self._said)
        end = time.monotonic() + READY_WITHIN
        while time.monotonic() < end and self._child.poll() is None:
            try:
                self.link.call("keys", b"")
            except StoreUnavailable:
                time.sleep(0.05)
                continue
            return
        self.stop()
        raise StoreUnavailable(why="did not start")

    def stop(self, kill: bool = False) -> None:
        """Ends it, at once if ``kill`` (as a power cut would), and waits until it is gone."""
        self.link.close()
        child, self._child = self._child, None
        if child is None:
            return
        if child.poll() is None:
            os.kill(child.pid, signal.SIGKILL if kill else signal.SIGTERM)
        child.wait()
