"""Shred keys: one file per key, never backed up, overwritten before it is unlinked.

Shares lie under these keys, so that a share is gone once its key is, whatever a backup of the rows still holds. A
custodian may keep them in a second place too, on another disk: the same keys at every moment, and destroyed there
first, so that what is destroyed is nowhere.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from careledger.adapters.custody.sqlite import sync
from careledger.domain.errors import StoreCorrupt, StoreUnavailable

NONCE = 12
SECOND = "shred.second"
"""The file of a custodian's directory that names the second place of its keys, where it has one."""


def second_of(directory: Path) -> Path | None:
    """The second place that a custodian's directory names; raises StoreUnavailable if it is not there."""
    try:
        named = Path((directory / SECOND).read_text().strip())
    except FileNotFoundError:
        return None
    if not named.is_dir():
        raise StoreUnavailable(missing="the second place of shred keys")
    return named


def second_beside(custodians: Path) -> Path | None:
    """The place at which custodians of this directory keep second ones; raises StoreUnavailable if it is not there."""
    homes = sorted(custodians.iterdir()) if custodians.is_dir() else []
    found = next(filter(None, map(second_of, homes)), None)
    return None if found is None else found.parent


def follow(home: Path, place: Path, name: str) -> None:
    """The custodian of that directory, open nowhere, keeps its keys at ``place`` as well, and no others lie there.

    Order of effects: its keys, copied; others destroyed; then it is told. Repeating is harmless. Raises
    StoreUnavailable.
    """
    second = place.absolute() / name
    try:
        second.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.chmod(second, 0o700)
        there, keys = ShredKeys(second), ShredKeys(home / "shred")
        for each, generation in keys.all():
            there.put(each, generation, keys.read(each, generation))
        for each, generation in set(there.all()) - set(keys.all()):
            there.destroy(each, generation)
        sync(second.parent)
    except OSError as error:
        raise StoreUnavailable(second_place=error.strerror) from None
    begun = home / f"{SECOND}.new"
    _write(begun, f"{second}\n".encode(), os.O_TRUNC)
    begun.rename(home / SECOND)
    sync(home)


class ShredKeys:
    """The folder of keys, and a second one that is kept alike. A key has a name (from alias and month) and a
    generation. Raises StoreUnavailable where the second place cannot be written to."""

    def __init__(self, folder: Path, second: Path | None = None) -> None:
        self._folder, self._second = folder, second

    @staticmethod
    def name(alias: bytes, month: str) -> str:
        """The name of the keys of that alias and month."""
        return hashlib.sha256(alias + month.encode()).hexdigest()[:40]

    @staticmethod
    def generation() -> int:
        """A new key's, which no other key has or had: one that was lost may be named by rows of an old backup."""
        return secrets.randbits(62)

    def create(self, name: str, generation: int) -> bytes:
        """A new key, durable when it returns."""
        key = secrets.token_bytes(32)
        if self._second is not None:
            try:
                _write(self._second / f"{name}.{generation}", key, os.O_EXCL)
            except OSError as error:
                raise StoreUnavailable(second_place=error.strerror) from None
        _write(self._path(name, generation), key, os.O_EXCL)
        return key

    def put(self, name: str, generation: int, key: bytes | None) -> None:
        """A key that was made elsewhere, durable when it returns; nothing for None, which a crash cut off."""
        if key is not None and self.read(name, generation) != key:
            _write(self._path(name, generation), key, os.O_TRUNC)

    def read(self, name: str, generation: int) -> bytes | None:
        """The key, or None if there is none (destroyed, or never on this disk)."""
        try:
            key = self._path(name, generation).read_bytes()
        except FileNotFoundError:
            return None
        if len(key) != 32:
            return None
        return key

    def destroy(self, name: str, generation: int) -> None:
        """Overwrites and unlinks the key, in the second place first; durable when it returns. Repeating is harmless."""
        if self._second is not None:
            try:
                if not self._second.is_dir():
                    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
                _destroy(self._second / f"{name}.{generation}")
            except OSError as error:
                raise StoreUnavailable(second_place=error.strerror) from None
        _destroy(self._path(name, generation))

    def all(self) -> list[tuple[str, int]]:
        """Name and generation of every key."""
        return [(path.stem, int(path.suffix[1:])) for path in self._folder.iterdir()]

    def _path(self, name: str, generation: int) -> Path:
        return self._folder / f"{name}.{generation}"


def _write(path: Path, key: bytes, how: int) -> None:
    handle = os.open(path, os.O_CREAT | how | os.O_WRONLY, 0o600)
    try:
        os.write(handle, key)
        os.fsync(handle)
    finally:
        os.close(handle)
    sync(path.parent)


def _destroy(path: Path) -> None:
    try:
        handle = os.open(path, os.O_WRONLY)
    except FileNotFoundError:
        return
    try:
        for filling in (secrets.token_bytes(32), bytes(32)):
            os.pwrite(handle, filling, 0)
            os.fsync(handle)
    finally:
        os.close(handle)
    path.unlink()
    sync(path.parent)


def seal(key: bytes, subject: bytes, share: bytes) -> bytes:
    """nonce ‖ AES-256-GCM(key, share), bound to the subject."""
    nonce = secrets.token_bytes(NONCE)
    return nonce + AESGCM(key).encrypt(nonce, share, subject)


def open_sealed(key: bytes, subject: bytes, sealed: bytes) -> bytes:
    """What seal was given; raises StoreCorrupt."""
    try:
        return AESGCM(key).decrypt(sealed[:NONCE], sealed[NONCE:], subject)
    except (InvalidTag, ValueError):
        raise StoreCorrupt(what="a share") from None
