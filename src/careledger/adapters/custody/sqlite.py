"""SQLite files as a custodian uses them: durable when a transaction ends, private, wiped when deleted from."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from careledger.domain.errors import StoreCorrupt


def create(path: Path, schema: str) -> None:
    """A new file of mode 0600 with that schema, synced with its directory, then closed."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    db = connect(path)
    db.executescript(schema)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    sync(path)
    sync(path.parent)


def connect(path: Path) -> sqlite3.Connection:
    """The file, which must exist; raises StoreCorrupt if it does not."""
    if not path.is_file():
        raise StoreCorrupt(missing=path.name)
    db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON", "foreign_keys=ON"):
        db.execute(f"PRAGMA {pragma}")
    return db


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
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def number(value: int) -> bytes:
    """A uint64 as a column: 8 bytes, big-endian (SQLite's integers are signed)."""
    return value.to_bytes(8, "big")


def joined(hashes: tuple[bytes, ...]) -> bytes:
    """Hashes of 32 bytes as one column."""
    return b"".join(hashes)


def split(column: bytes) -> tuple[bytes, ...]:
    """The hashes in a column."""
    return tuple(column[at : at + 32] for at in range(0, len(column), 32))
