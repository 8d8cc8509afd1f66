"""ClamAV's daemon, which knows one harmful thing; skipped where there is none, unless everything is required."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest

from careledger.adapters.clamd import Clamd, Stream
from contracts.loading import script

DEV = script("tools/dev_nodes.py")
HARMFUL = b"CareLedger's own test of scanners, which harms nobody"


class Daemon(NamedTuple):
    """Where it listens, and its process."""

    place: str
    number: int

    @contextmanager
    def held(self) -> Iterator[None]:
        """It stands still."""
        os.kill(self.number, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.number, signal.SIGCONT)


@contextmanager
def daemon(*settings: str) -> Iterator[Daemon]:
    """In a folder whose name is short, as a socket's has to be."""
    with TemporaryDirectory(prefix="clamd-") as folder:
        try:
            with DEV.clamd(Path(folder), HARMFUL, *settings) as (socket, number):
                yield Daemon(str(socket), number)
        except DEV.NoNode as error:
            if os.environ.get("CARELEDGER_REQUIRE_ALL") == "1":
                pytest.fail(str(error))
            pytest.skip(str(error))


class Stalling:
    """The daemon, which takes no file before it is let go on, or a minute is over."""

    def __init__(self, daemon: Clamd) -> None:
        self.asked, self.goes_on, self.stands = threading.Event(), threading.Event(), False
        self._daemon = daemon

    def begin(self) -> Stream:
        self.stands = True
        self.asked.set()
        self.goes_on.wait(60)
        self.stands = False
        return self._daemon.begin()


def pieces(data: bytes, size: int) -> Sequence[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]
