"""One moment of a data directory: nothing is written while it is taken, and all of it is copied afterwards at leisure.

Order of effects: every database opened twice; the write lock of each taken, so that whoever writes waits (for
milliseconds; it may wait thirty seconds); with all locks held a snapshot of each begun, segment files opened and
measured, small files read; then the locks are given back. What refers to something is durable only after it, so at one
moment nothing refers to what is not there: no anchor without its blocks and shares, no act without its plan.

Locks are never waited for long: whoever holds one may want another that is held here. Then all are given back, and it
is tried again.
"""

from __future__ import annotations

import os
import random
import resource
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from careledger.adapters.backup.listing import Listing, list_files
from careledger.adapters.blocks.segments import sync_directory
from careledger.domain.errors import StoreCorrupt, StoreUnavailable

PATIENCE = 0.1  # seconds for one lock
TRIES = 200
BESIDE_DATABASES = 200  # files that a process has open besides
FOR_EACH_DATABASE = 8


@dataclass
class Segment:
    """An open segment file and how long it was at the moment; it only grows, and may be unlinked meanwhile."""

    descriptor: int
    size: int

    def read(self, start: int, stop: int) -> bytes:
        """Bytes start…stop − 1; raises StoreUnavailable if they are not there any more."""
        data = os.pread(self.descriptor, stop - start, start)
        if len(data) != stop - start:
            raise StoreUnavailable(why="a segment of blocks became shorter while it was copied")
        return data


@dataclass
class Moment:
    """Everything by its path below the data directory; ``paused`` is for how many seconds writers waited."""

    files: dict[str, bytes] = field(default_factory=dict)
    segments: dict[str, Segment] = field(default_factory=dict)
    databases: dict[str, sqlite3.Connection] = field(default_factory=dict)
    at: int = 0
    paused: float = 0.0

    def copy_database(self, name: str, target: Path) -> None:
        """Writes a database as it was, in one file for its owner alone; raises StoreUnavailable."""
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        copy = sqlite3.connect(target)
        try:
            self.databases[name].backup(copy)
        except sqlite3.Error as error:
            raise StoreUnavailable(file=name, why=str(error)) from None
        finally:
            copy.close()
        sync_directory(target.parent)


class _ChangedMeanwhileError(Exception):
    """A file came or went between listing and locking."""


@contextmanager
def one_moment(folder: Path, now: Callable[[], int]) -> Iterator[Moment]:
    """A moment of this directory, open for as long as it is copied.

    Raises StoreUnavailable if there was none in which nobody wrote for longer than a tenth of a second, StoreCorrupt
    for a database that is none, SettingsRefused for a link.
    """
    for _ in range(TRIES):
        with ExitStack() as held:
            try:
                moment = _taken(folder, held, now)
            except (_ChangedMeanwhileError, FileNotFoundError):
                continue
            except sqlite3.DatabaseError as error:
                _check_busy(error)
                time.sleep(random.uniform(0.01, 0.1))  # noqa: S311 - who tries again when is no secret
                continue
            yield moment
            return
    raise StoreUnavailable(why="it is written to all the time, and no moment was found")


def _check_busy(error: sqlite3.DatabaseError) -> None:
    if not isinstance(error, sqlite3.OperationalError):
        raise StoreCorrupt(why=str(error)) from None
    if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        raise StoreUnavailable(why=str(error)) from None


def _taken(folder: Path, held: ExitStack, now: Callable[[], int]) -> Moment:
    listed = list_files(folder)
    _allow_files(len(listed.databases), len(listed.segments))
    moment = Moment()
    writers = {name: _connection(folder / name) for name in listed.databases}
    try:
        for name in listed.databases:
            moment.databases[name] = held.enter_context(_closing(_connection(folder / name)))
        began = time.monotonic()
        for writer in writers.values():
            writer.execute("BEGIN IMMEDIATE")
        _look(folder, listed, moment, held)
        moment.at = now()
    finally:
        for writer in writers.values():
            if writer.in_transaction:
                writer.execute("ROLLBACK")
        moment.paused = time.monotonic() - began if moment.at else 0.0
        for writer in writers.values():
            writer.close()
    return moment


def _look(folder: Path, listed: Listing, moment: Moment, held: ExitStack) -> None:
    """With every write lock held."""
    for database in moment.databases.values():
        database.execute("BEGIN")
        database.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
    for name in listed.segments:
        descriptor = os.open(folder / name, os.O_RDONLY)
        held.callback(os.close, descriptor)
        moment.segments[name] = Segment(descriptor, os.fstat(descriptor).st_size)
    moment.files = {name: (folder / name).read_bytes() for name in listed.files}
    if list_files(folder) != listed:
        raise _ChangedMeanwhileError


def _connection(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.resolve().as_uri()}?mode=rw", uri=True, timeout=PATIENCE, isolation_level=None
    )


@contextmanager
def _closing(database: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    try:
        yield database
    finally:
        if database.in_transaction:
            database.execute("ROLLBACK")
        database.close()


def _allow_files(databases: int, segments: int) -> None:
    """As many open files as are needed, as far as the system lets."""
    wanted = databases * FOR_EACH_DATABASE + segments + BESIDE_DATABASES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
