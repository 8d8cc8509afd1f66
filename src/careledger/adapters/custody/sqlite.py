"""SQLite files as a custodian uses them: durable when a transaction ends, private, wiped when deleted from."""

from __future__ import annotations

import logging
import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from careledger.domain.errors import DirectoryNotWritable, StoreCorrupt, StoreUnavailable

DISK = frozenset(
    {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}
)
LOCKED = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})

WAITS = 30.0
"""Seconds for which a step waits until another process's is over."""
AGAIN = 5
"""Seconds after which whoever was refused because of that may ask again."""
WIPE_WAITS = 0.02
"""Seconds for which emptying the log waits for whoever reads: a backup reads for minutes."""
CACHE = -512
"""KiB of pages that one file keeps in memory, as SQLite wants it said. By itself it keeps four times as much, which
twenty files fill as they grow; a page that is wanted again comes from the system's memory in microseconds."""
WAL = b"\2\2"
"""File format write and read version of a database in WAL mode, bytes 18 and 19 (SQLite's fileformat2.html)."""


DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
ROLES = {
    "board.db": "the board", "books.db": "somebody's books", "chain.sqlite": "the chain", "facts.sqlite": "the facts",
    "journal.db": "a custodian's journal", "pins.db": "the blocks' pins", "rows.db": "a custodian's rows",
}  # fmt: skip
"""What our files are for, in the words of a refusal; a file's path may name whose it is."""
MEND = "stop what uses it; careledger doctor says what is damaged and mends what can be made again; restore the rest"
_LOG = logging.getLogger(__name__)


class Cursor(sqlite3.Cursor):
    """What was asked of a ``Connection``, whose rows are read as they are wanted: raises what that does."""

    connection: Connection

    def __next__(self) -> Any:
        try:
            return super().__next__()
        except sqlite3.DatabaseError as error:
            _check(error, self.connection.role)
            raise

    def fetchone(self) -> Any:
        """As sqlite3 says."""
        try:
            return super().fetchone()
        except sqlite3.DatabaseError as error:
            _check(error, self.connection.role)
            raise

    def fetchmany(self, size: int | None = 1) -> list[Any]:
        """As sqlite3 says."""
        try:
            return super().fetchmany(size)
        except sqlite3.DatabaseError as error:
            _check(error, self.connection.role)
            raise

    def fetchall(self) -> list[Any]:
        """As sqlite3 says."""
        try:
            return super().fetchall()
        except sqlite3.DatabaseError as error:
            _check(error, self.connection.role)
            raise


class Connection(sqlite3.Connection):
    """Raises StoreUnavailable where the disk is full, fails or is read-only, and what was asked may or may not be done;
    and where another process keeps the file locked for longer than is waited, and nothing was done; StoreCorrupt where
    a page of the file is not what SQLite wrote. ``role`` says what the file is for."""

    role = "a file"

    def execute(self, *given: Any) -> sqlite3.Cursor:
        """As sqlite3 says."""
        try:
            return self.cursor(Cursor).execute(*given)
        except sqlite3.DatabaseError as error:
            _check(error, self.role)
            raise

    def executescript(self, *given: Any) -> sqlite3.Cursor:
        """As sqlite3 says."""
        try:
            return super().executescript(*given)
        except sqlite3.DatabaseError as error:
            _check(error, self.role)
            raise

    def executemany(self, *given: Any) -> sqlite3.Cursor:
        """As sqlite3 says."""
        try:
            return super().executemany(*given)
        except sqlite3.DatabaseError as error:
            _check(error, self.role)
            raise


def _check(error: sqlite3.DatabaseError, role: str) -> None:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in DISK:
        raise StoreUnavailable(disk=str(error)) from error
    if code in LOCKED:
        raise StoreUnavailable(why="another process keeps its file locked", seconds=AGAIN) from error
    if code in DAMAGED:
        _LOG.error("damaged: %s", role)
        raise StoreCorrupt(file=role, do=MEND) from error


def create(path: Path, schema: str) -> None:
    """A new file of mode 0600 with that schema, synced with its directory, then opened once to see that it is whole.

    Written by ourselves, because SQLite passes over most syncs that fail while it makes a file and turns WAL on. It
    comes under its name when it is whole, so nobody opens a part of it; of several who make it at once one does. Raises
    FileExistsError where it is there, other OSErrors, StoreUnavailable.
    """
    made = sqlite3.connect(":memory:")
    made.executescript(schema)
    image = bytearray(made.serialize())
    made.close()
    image[18:20] = WAL
    begun = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(os.open(begun, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb", buffering=0) as file:
            if file.write(image) != len(image):
                raise StoreUnavailable(disk="full")
            os.fsync(file.fileno())
        os.link(begun, path)
    finally:
        begun.unlink(missing_ok=True)
    sync(path.parent)
    again = connect(path)
    try:
        if again.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
            raise StoreUnavailable(disk="a new file does not hold what was written to it")
    finally:
        again.close()


def kept(path: Path, schema: str, new: bool) -> sqlite3.Connection:
    """The file, made first where there is none and it may be ``new``. Raises StoreCorrupt where it may not: made anew
    it would say that nothing was ever written to it."""
    if new and not path.exists():
        with suppress(FileExistsError):  # another process was faster
            create(path, schema)
    return connect(path)


def connect(path: Path) -> sqlite3.Connection:
    """The file; raises StoreCorrupt if it is not there, or was emptied: ``create`` leaves none without its tables."""
    if not path.is_file():
        raise StoreCorrupt(missing=_shown(path), do=MEND)
    db = opened(path)
    if db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None:
        db.close()
        raise StoreCorrupt(empty=_shown(path), do=MEND)
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "secure_delete=ON",
        "foreign_keys=ON",
        f"cache_size={CACHE}",
    ):
        db.execute(f"PRAGMA {pragma}")
    return db


def opened(name: Path | str, **given: Any) -> Connection:
    """A file by its path, or as sqlite3 names one: threads may share it, and transactions are begun by words.

    Raises DirectoryNotWritable for a file that is another user's.
    """
    try:
        made = sqlite3.connect(
            name, WAITS, check_same_thread=False, isolation_level=None, factory=Connection, **given
        )
    except sqlite3.OperationalError:
        if os.path.exists(name) and not os.access(name, os.R_OK | os.W_OK, effective_ids=True):
            why = "who runs this may not read and write it"
            raise DirectoryNotWritable(file=Path(name).name, why=why) from None
        raise
    made.role = ROLES.get(Path(str(name).partition("?")[0]).name, Connection.role)
    return made


def _shown(path: Path) -> str:
    """A file's name, with whose it is where everybody may know that: a patient's folder is called by the alias."""
    open_to_all = path.parent.parent.name in ("organisations", "custodians")
    return "/".join(path.parts[-3:]) if open_to_all else path.name


def sync(path: Path) -> None:
    """fsync of a file or directory."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All or nothing, durable at the end; inside another one it is part of that."""
    if db.in_transaction:
        yield
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if (
            db.in_transaction
        ):  # a commit that failed for want of space leaves it open: nothing may hang on to it
            db.execute("ROLLBACK")
        raise


def emptied(db: sqlite3.Connection) -> bool:
    """Whether the log holds nothing any more and the file holds it all; not while somebody else reads or writes."""
    db.execute(f"PRAGMA busy_timeout = {round(WIPE_WAITS * 1_000)}")
    try:
        return not db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    finally:
        db.execute(f"PRAGMA busy_timeout = {round(WAITS * 1_000)}")


def number(value: int) -> bytes:
    """A uint64 as a column: 8 bytes, big-endian (SQLite's integers are signed)."""
    return value.to_bytes(8, "big")


def joined(hashes: tuple[bytes, ...]) -> bytes:
    """Hashes of 32 bytes as one column."""
    return b"".join(hashes)


def split(column: bytes) -> tuple[bytes, ...]:
    """The hashes in a column."""
    return tuple(column[at : at + 32] for at in range(0, len(column), 32))
