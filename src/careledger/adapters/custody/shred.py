"""Shred keys: one file per key, never backed up, overwritten before it is unlinked.

Shares lie under these keys, so that a share is gone once its key is, whatever a backup of the rows still holds.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from careledger.adapters.custody.sqlite import sync
from careledger.domain.errors import StoreCorrupt

NONCE = 12


class ShredKeys:
    """The folder of keys. A key has a name (from alias and month) and a generation."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @staticmethod
    def name(alias: bytes, month: str) -> str:
        """The name of the keys of that alias and month."""
        return hashlib.sha256(alias + month.encode()).hexdigest()[:40]

    def create(self, name: str, generation: int) -> bytes:
        """A new key, durable when it returns."""
        path = self._path(name, generation)
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            key = secrets.token_bytes(32)
            os.write(handle, key)
            os.fsync(handle)
        finally:
            os.close(handle)
        sync(self._folder)
        return key

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
        """Overwrites and unlinks the key; durable when it returns. Repeating is harmless."""
        path = self._path(name, generation)
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
        sync(self._folder)

    def generations(self, name: str) -> list[int]:
        """The generations of the keys of that name."""
        return [int(path.suffix[1:]) for path in self._folder.glob(f"{name}.*")]

    def all(self) -> list[tuple[str, int]]:
        """Name and generation of every key."""
        return [(path.stem, int(path.suffix[1:])) for path in self._folder.iterdir()]

    def _path(self, name: str, generation: int) -> Path:
        return self._folder / f"{name}.{generation}"


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
