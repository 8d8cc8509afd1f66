"""A custodian's directory: keys, rows, shred keys, journal, and the lock that keeps a second process out."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from careledger.adapters.custody import journal, rows, sqlite
from careledger.adapters.custody.journal import Journal
from careledger.adapters.custody.plain_keys import InsecurePlainKeys
from careledger.adapters.custody.rows import Rows
from careledger.adapters.custody.shred import ShredKeys, second_of
from careledger.adapters.locks import hold
from careledger.domain.errors import StoreCorrupt, StoreUnavailable
from careledger.ports import KeyFiles

KEYS = ("signing", "log", "sealing")


@dataclass(frozen=True, slots=True, repr=False)
class KeySeeds:
    """The custodian's private keys, 32 bytes each: secp256k1, Ed25519, X-Wing seed; never printed."""

    signing: bytes
    log: bytes
    sealing: bytes


def install(path: Path, key_files: KeyFiles) -> None:
    """A new custodian's directory (0700) with fresh keys and empty, synced files; raises StoreCorrupt if it exists.

    Files: ``keys/`` (0600 each), ``rows.db``, ``shred/`` (never to be backed up), ``journal.db``.
    """
    try:
        path.mkdir(parents=True, mode=0o700)
    except FileExistsError:
        raise StoreCorrupt(why="already installed") from None
    for folder in ("keys", "shred"):
        (path / folder).mkdir(mode=0o700)
    for name in KEYS:
        _write_key(path / "keys" / name, key_files)
    sqlite.create(path / "rows.db", rows.SCHEMA)
    sqlite.create(path / "journal.db", journal.SCHEMA)
    for made in (path / "keys", path / "shred", path, path.parent):
        sqlite.sync(made)


class CustodyDirectory:
    """An open directory; close it to let another process in."""

    def __init__(self, path: Path, key_files: KeyFiles | None = None) -> None:
        """``key_files`` opens its keys; None: they lie there as they are.

        Raises DirectoryInUse if another process has it, DirectoryNotWritable, StoreCorrupt if something is missing,
        StoreUnavailable if the second place of its shred keys is.
        """
        opener = key_files or InsecurePlainKeys()
        if not path.is_dir():
            raise StoreCorrupt(missing="the custodian's directory")
        self._lock = hold(path)
        self.path = path
        (path / "shred").mkdir(
            mode=0o700, exist_ok=True
        )  # keys that are lost are missed by the shares under them
        try:
            self.seeds = KeySeeds(*(_read_key(path / "keys" / name, opener) for name in KEYS))
            self.rows = Rows(path / "rows.db", ShredKeys(path / "shred", second_of(path)))
            self.journal = Journal(path / "journal.db")
        except (StoreCorrupt, StoreUnavailable):
            os.close(self._lock)
            raise

    def close(self) -> None:
        """Closes the files and gives the lock back."""
        self.rows.close()
        self.journal.close()
        os.close(self._lock)


def _write_key(path: Path, key_files: KeyFiles) -> None:
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        os.write(handle, key_files.seal(path.name, secrets.token_bytes(32)))
        os.fsync(handle)
    finally:
        os.close(handle)


def _read_key(path: Path, key_files: KeyFiles) -> bytes:
    try:
        seed = key_files.open(path.name, path.read_bytes())
    except FileNotFoundError:
        raise StoreCorrupt(missing=path.name) from None
    if len(seed) != 32 or path.stat().st_mode & 0o077:
        raise StoreCorrupt(key=path.name)
    return seed
