"""A copy in a backup is checked without being restored: every part opened, measured, hashed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from careledger.app.backup.places import Bounded, manifest, part_of
from careledger.domain.errors import BackupDamaged, CannotOpen, MalformedBytes
from careledger.formats.backups import BackupFile, BackupManifest
from careledger.sealing.backups import open_part
from careledger.sealing.keys import SealingKey


class _Measured:
    """A target that hashes and counts, and hands on."""

    def __init__(self, inner: Any = None) -> None:
        self.size, self.hash, self._inner = 0, hashlib.sha256(), inner

    def write(self, data: bytes) -> int:
        """As a file."""
        self.size += len(data)
        self.hash.update(data)
        if self._inner is not None:
            self._inner.write(data)
        return len(data)


def open_file(backup: Path, copy: int, file: BackupFile, key: SealingKey, target: Any = None) -> None:
    """Writes what a file of a copy holds; raises BackupDamaged, and then target is to be thrown away."""
    measured = _Measured(target)
    kind = "ciphertext" if file.kind == "segment" else "plain"
    for part in file.parts:
        try:
            with part_of(backup, part).open("rb") as source:
                open_part(key, source, Bounded(measured, file.size - measured.size), kind)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise BackupDamaged(copy=copy, part=part, why="missing") from None
        except (CannotOpen, MalformedBytes):
            raise BackupDamaged(copy=copy, part=part, why="changed, cut, or for another key") from None
    if (measured.size, measured.hash.digest()) != (file.size, file.sha256):
        raise BackupDamaged(
            copy=copy, file=file.kind, part=file.parts[-1] if file.parts else "", why="other bytes"
        )


def verify(
    backup: Path, number: int, key: SealingKey, progress: Callable[[int, int], None] = lambda done, of: None
) -> tuple[BackupManifest, str]:
    """A copy's manifest and its SHA-256 in hex, once every part of it was found whole; raises BackupDamaged."""
    found, digest = manifest(backup, number, key)
    total, done = sum(file.size for file in found.files), 0
    for file in found.files:
        open_file(backup, number, file, key)
        done += file.size
        progress(done, total)
    return found, digest
