"""Where an organisation's log of reads lies, and how lines of many requests become durable together.

It is a file of its own beside the books, so that nobody waits for it who shows nothing, encrypted like these under a
key derived from the organisation's tag key.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from careledger.adapters.books.sqlite import SqliteBooks
from careledger.app.keyring import BESIDE
from careledger.domain.errors import StoreUnavailable
from careledger.formats.own_reads import OwnRead
from careledger.ports import Books
from careledger.sealing.keys import Secret, derive
from careledger.workflows.actors import Organisation
from careledger.workflows.own_reads import append

FILE = "reads.db"


def open_read_log(folder: Path, organisation: Organisation) -> ReadLog:
    """An organisation's, made where it has none yet. That there is one is in its books before the first line is in it,
    so that one that is lost is not made anew. Raises StoreUnavailable, StoreCorrupt."""
    new = organisation.books.get(BESIDE, FILE.encode()) is None
    log = ReadLog(folder, organisation.tag, new)
    try:
        if new:
            organisation.books.put(BESIDE, [(FILE.encode(), b"")])
    except BaseException:
        log.close()
        raise
    return log


class ReadLog:
    """One organisation's; may be used from any thread. Lines that come while others are being written are written
    together, by one commit."""

    def __init__(self, folder: Path, tag: Secret, new: bool = True) -> None:
        """``folder`` is the organisation's, ``tag`` its tag key; made where there is none and it may be ``new``.

        Raises StoreUnavailable where the disk lets no file be made or opened there, StoreCorrupt where it is lost.
        """
        try:
            self._books = SqliteBooks(folder / FILE, derive(tag, "own-reads").reveal(), new)
        except (OSError, sqlite3.Error):
            raise StoreUnavailable(disk="the log of what was shown") from None
        self._writer = ThreadPoolExecutor(1, "own-reads")
        self._lock = threading.Lock()
        self._waiting: list[tuple[Sequence[OwnRead], Future[None]]] = []

    @property
    def books(self) -> Books:
        """The lines, to be read."""
        return self._books

    def note(self, lines: Sequence[OwnRead]) -> Future[None]:
        """Done once the lines are durable; fails with what the disk refused with."""
        done: Future[None] = Future()
        with self._lock:
            self._waiting.append((lines, done))
            alone = len(self._waiting) == 1
        if alone:
            self._writer.submit(self._write)
        return done

    def close(self) -> None:
        """What waits is written first."""
        self._writer.shutdown()
        self._books.close()

    def _write(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, []
        group = [each for each in waiting if each[1].set_running_or_notify_cancel()]
        try:
            append(self._books, [line for lines, _ in group for line in lines])
        except BaseException as error:  # whoever waits is told, and shows nothing
            for _, done in group:
                done.set_exception(error)
            return
        for _, done in group:
            done.set_result(None)
