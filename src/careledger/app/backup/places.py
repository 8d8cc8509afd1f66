"""Where everything lies in a backup, and who can open it.

recipient         digest of the public key that every part is sealed to
vault             where a passphrase opens it: the private key, sealed under it
blocks/           extents of segment files, kept once for all copies: SEGMENT-START-STOP-SHA256
copies/NUMBER/    the other files of one copy, numbered, and ``manifest``, without which the copy is incomplete
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, NamedTuple

from careledger.adapters.blocks.segments import sync_directory
from careledger.app.vault import Ask, replace_file
from careledger.domain.errors import BackupDamaged, CannotOpen, MalformedBytes, SettingsRefused
from careledger.formats.backups import MOST_MANIFEST, BackupManifest
from careledger.formats.keyring import Vault
from careledger.sealing.backups import open_part
from careledger.sealing.keys import SealingKey, Secret
from careledger.sealing.vault import new_vault, open_vault

RECIPIENT, VAULT, BLOCKS, COPIES, MANIFEST = "recipient", "vault", "blocks", "copies", "manifest"


class Extent(NamedTuple):
    """Bytes start…stop − 1 of a segment file, and their SHA-256 in hex; it is named so."""

    segment: str
    start: int
    stop: int
    sha256: str

    @property
    def name(self) -> str:
        """Its file below the backup."""
        return f"{BLOCKS}/{self.segment}-{self.start}-{self.stop}-{self.sha256}"


def extents(backup: Path) -> list[Extent]:
    """What there is of every segment file."""
    parent = backup / BLOCKS
    names = [path.name.split("-") for path in parent.iterdir() if not path.suffix] if parent.is_dir() else []
    return [Extent(each[0], int(each[1]), int(each[2]), each[3]) for each in names if len(each) == 4]


def copies(backup: Path) -> dict[int, bool]:
    """The copies by number, and whether each has a manifest."""
    parent = backup / COPIES
    names = [path.name for path in parent.iterdir()] if parent.is_dir() else []
    found = sorted(int(name) for name in names if name.isascii() and name.isdigit())
    return {number: (copy_folder(backup, number) / MANIFEST).is_file() for number in found}


def copy_folder(backup: Path, number: int) -> Path:
    """Where a copy lies."""
    return backup / COPIES / f"{number:06d}"


def newest(backup: Path) -> int:
    """The newest copy, whole or not; raises BackupDamaged if there is none."""
    found = copies(backup)
    if not found:
        raise BackupDamaged(why="there is no copy in it")
    return max(found)


def part_of(backup: Path, name: str) -> Path:
    """Where a part lies that a manifest names; raises BackupDamaged for a name that leads out of the backup."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise BackupDamaged(why="a part that lies elsewhere")
    return backup / path


class Bounded:
    """A target that takes no more than it was told, whatever a part says: compressed, a small one may hold anything."""

    def __init__(self, inner: Any, most: int) -> None:
        self._inner, self._left = inner, most

    def write(self, data: bytes) -> int:
        """As a file; raises MalformedBytes."""
        self._left -= len(data)
        if self._left < 0:
            raise MalformedBytes(why="longer than it may be")
        self._inner.write(data)
        return len(data)


@contextmanager
def written(path: Path) -> Iterator[BinaryIO]:
    """A new file that has its name once it is whole and durable."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    begun = path.with_name(path.name + ".next")
    begun.unlink(missing_ok=True)
    with open(os.open(begun, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    begun.rename(path)
    sync_directory(path.parent)


def settle_recipient(backup: Path, public: bytes) -> None:
    """The backup is for this key from now on; raises SettingsRefused if it is for another."""
    if not is_for(backup, public):
        raise SettingsRefused(backup=backup.name, why="it is for another key; begin a new one")
    if not (backup / RECIPIENT).exists():
        replace_file(backup / RECIPIENT, _named(public).encode())


def is_for(backup: Path, public: bytes) -> bool:
    """Whether the backup, new or there, can be for this key."""
    path = backup / RECIPIENT
    return not path.exists() or path.read_text("ascii", "replace") == _named(public)


def _named(public: bytes) -> str:
    return hashlib.sha256(public).hexdigest() + "\n"


def key_under(backup: Path, passphrase: Ask, make: bool = False) -> SealingKey:
    """The private key that lies in the backup under a passphrase; ``make``: a new one where there is none.

    Raises PassphraseRefused, PassphraseMissing, and SettingsRefused for a backup that needs a key file.
    """
    path = backup / VAULT
    if path.exists():
        return SealingKey(open_vault(_vault(path), passphrase()))
    if not make or (backup / RECIPIENT).exists():
        raise SettingsRefused(backup=backup.name, why="it opens with a key file, not with a passphrase")
    backup.mkdir(parents=True, exist_ok=True, mode=0o700)
    seed = Secret.random()
    replace_file(path, new_vault(passphrase(), seed).encode())
    return SealingKey(seed)


def _vault(path: Path) -> Vault:
    try:
        return Vault.decode(path.read_bytes())
    except MalformedBytes:
        raise BackupDamaged(part=VAULT) from None


def manifest(backup: Path, number: int, key: SealingKey) -> tuple[BackupManifest, str]:
    """A copy's manifest and the SHA-256, in hex, of what it says; raises BackupDamaged."""
    path = copy_folder(backup, number) / MANIFEST
    if not path.is_file():
        raise BackupDamaged(copy=number, why="incomplete: it has no manifest")
    said = io.BytesIO()
    try:
        with path.open("rb") as file:
            open_part(key, file, Bounded(said, MOST_MANIFEST), "plain")
        found = BackupManifest.decode(said.getvalue())
    except (CannotOpen, MalformedBytes):
        raise BackupDamaged(copy=number, part=MANIFEST, why="changed, or for another key") from None
    if found.number != number:
        raise BackupDamaged(copy=number, part=MANIFEST, why="another copy's")
    return found, hashlib.sha256(said.getvalue()).hexdigest()
