"""A ClamAV daemon of this machine as the scanner of files: INSTREAM over its Unix socket or loopback (clamd(8)).

The file goes there piece by piece, each behind its length in four bytes; a length of zero ends it, and one line comes
back: ``stream: OK``, ``stream: NAME FOUND``, or an error. What is no such line counts as no answer. The daemon writes
what it is sent to its own temporary directory until it has scanned it.
"""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from dataclasses import dataclass

from careledger.domain.errors import FileNotScanned, FileRefused, ScannerUnavailable

PIECE = 1 << 16
STEP = 10.0
"""Seconds in which a connection is made, or a piece taken."""
MOST_SAID = 1_024
LIMITS = b"Heuristics.Limits.Exceeded"
"""What it finds, if it is set up to, in what it looked through only in part."""


@dataclass(frozen=True)
class Clamd:
    """``address``: the absolute path of its socket, or HOST:PORT of loopback. ``most``: bytes of the largest file that
    it scans whole. ``within``: seconds that it may take once it has all of a file."""

    address: str
    most: int
    within: float

    def begin(self) -> Stream:
        """One file; raises ScannerUnavailable."""
        return Stream(self, self._connected(b"zINSTREAM\0"))

    def version(self) -> str:
        """What it says that it is, and of when its signatures are; raises ScannerUnavailable."""
        with self._connected(b"zVERSION\0") as connection:
            return _line(connection, STEP).decode("ascii", "replace")

    def _connected(self, command: bytes) -> socket.socket:
        host, _, port = self.address.rpartition(":")
        local = self.address.startswith("/")
        connection = socket.socket(
            socket.AF_UNIX if local else socket.AF_INET6 if ":" in host else socket.AF_INET
        )
        connection.settimeout(STEP)
        try:
            connection.connect(self.address if local else (host.strip("[]"), int(port)))
            connection.sendall(command)
        except OSError:
            connection.close()
            raise ScannerUnavailable() from None
        return connection


class Stream:
    """One file on its way to the daemon; after an error or its end it is over."""

    def __init__(self, daemon: Clamd, connection: socket.socket) -> None:
        self._daemon, self._connection, self._size = daemon, connection, 0

    def add(self, piece: bytes) -> None:
        """The next bytes; raises FileNotScanned for more than it scans, ScannerUnavailable."""
        self._size += len(piece)
        if self._size > self._daemon.most:
            self.close()
            raise FileNotScanned(most=self._daemon.most)
        view = memoryview(piece)
        for at in range(0, len(view), PIECE):
            part = view[at : at + PIECE]
            self._send(len(part).to_bytes(4, "big") + part)

    def end(self) -> None:
        """Nothing more comes, and it is clean; raises FileRefused, FileNotScanned, ScannerUnavailable."""
        self._send(bytes(4))
        self._judge(_line(self._connection, self._daemon.within))

    def close(self) -> None:
        """Gives the file up."""
        self._connection.close()

    def _send(self, data: bytes) -> None:
        try:
            self._connection.sendall(data)
        except OSError:  # where it stopped taking the file it may have said why
            self._judge(_line(self._connection, STEP))
            raise ScannerUnavailable() from None

    def _judge(self, said: bytes) -> None:
        self.close()
        if said == b"stream: OK":
            return
        if said.startswith(b"INSTREAM size limit exceeded") or (LIMITS in said and said.endswith(b" FOUND")):
            raise FileNotScanned()
        if said.startswith(b"stream: ") and said.endswith(b" FOUND"):
            raise FileRefused()
        raise ScannerUnavailable()


def _line(connection: socket.socket, within: float) -> bytes:
    """What comes back, to its zero byte; raises ScannerUnavailable where it does not come in time, or is none."""
    said, end = b"", time.monotonic() + within
    with suppress(OSError):
        while b"\0" not in said and len(said) < MOST_SAID:
            connection.settimeout(max(end - time.monotonic(), 0.001))
            part = connection.recv(MOST_SAID)
            if not part:
                break
            said += part
    line, ended, _ = said.partition(b"\0")
    if not ended:
        connection.close()
        raise ScannerUnavailable()
    return line
