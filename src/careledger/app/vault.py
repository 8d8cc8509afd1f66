"""The key files of a data directory under one passphrase: opened, set, changed.

``vault`` holds a random master secret sealed under the passphrase; each directory's files are sealed with a key that
follows from it. Where there is no vault they lie as they are, which is for the demo only.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from careledger.adapters.blocks.segments import sync_directory as sync
from careledger.adapters.custody.plain_keys import InsecurePlainKeys
from careledger.app.removal import refuse_in_use
from careledger.domain.errors import CannotOpen, MalformedBytes, PassphraseRefused, StoreCorrupt
from careledger.formats.keyring import Vault
from careledger.ports import KeyFiles
from careledger.sealing.keys import Secret
from careledger.sealing.vault import directory_key, new_vault, open_file, open_vault, seal_file

FILE = "vault"
Ask = Callable[[], Secret]
"""Says the passphrase; raises PassphraseMissing. Asked only where there is a vault."""


class Guard(Protocol):
    """What stands before the key files of a data directory."""

    def directory(self, name: str) -> KeyFiles:
        """The key files of one directory, by its path below the data directory."""
        ...


class InsecurePlainGuard:
    """No passphrase: whoever reads the data directory has every key. For demo and tests."""

    def directory(self, name: str) -> InsecurePlainKeys:
        """Files that lie as they are."""
        return InsecurePlainKeys()


class SealedKeys:
    """The port KeyFiles under one directory's key, which is never printed."""

    def __init__(self, key: Secret) -> None:
        self.key = key

    def seal(self, name: str, content: bytes) -> bytes:
        """The sealed file."""
        return seal_file(self.key, name, content)

    def open(self, name: str, data: bytes) -> bytes:
        """Its content; raises StoreCorrupt."""
        try:
            return open_file(self.key, name, data)
        except MalformedBytes:
            raise StoreCorrupt(file=name, why="not sealed: careledger passphrase seals it") from None
        except CannotOpen:
            raise StoreCorrupt(file=name, why="changed, or from another place") from None


class SealedGuard:
    """The master secret, opened."""

    def __init__(self, master: Secret) -> None:
        self._master = master

    def directory(self, name: str) -> SealedKeys:
        """Files sealed with that directory's own key."""
        return SealedKeys(directory_key(self._master, name))


def open_guard(folder: Path, passphrase: Ask) -> Guard:
    """What stands before this data directory's keys; raises PassphraseMissing, PassphraseRefused, StoreCorrupt."""
    vault = _read(folder)
    return InsecurePlainGuard() if vault is None else SealedGuard(open_vault(vault, passphrase()))


def create_guard(folder: Path, passphrase: Secret) -> Guard:
    """A vault for a directory that has none; durable when it returns."""
    master = Secret.random()
    replace_file(folder / FILE, new_vault(passphrase, master).encode())
    return SealedGuard(master)


def set_passphrase(folder: Path, present: Ask, following: Secret) -> int:
    """From now on only the following passphrase opens this directory; returns how many key files were sealed newly.

    Order of effects: the vault, replaced whole; then each key file that lies unsealed, also what an earlier call left.
    A crash between leaves files that are refused until this is called again. Raises DirectoryInUse while another
    process has the directory open, PassphraseRefused, PassphraseMissing.
    """
    refuse_in_use(folder)
    vault = _read(folder)
    if vault is None:
        guard = create_guard(folder, following)
    else:
        master = _master(vault, present, following)
        replace_file(folder / FILE, new_vault(following, master).encode())
        guard = SealedGuard(master)
    return sum(_seal(guard, folder, path) for path in _key_files(folder))


def _master(vault: Vault, present: Ask, following: Secret) -> Secret:
    try:
        return open_vault(vault, following)  # a call that crashed before has set it already
    except PassphraseRefused:
        return open_vault(vault, present())


def _read(folder: Path) -> Vault | None:
    try:
        return Vault.decode((folder / FILE).read_bytes())
    except FileNotFoundError:
        return None
    except MalformedBytes:
        raise StoreCorrupt(file=FILE) from None


def _key_files(folder: Path) -> Iterator[Path]:
    """Every file that holds a key; what a crash left of one being made or replaced is removed."""
    for begun in (*folder.glob("organisations/.*"), *folder.glob("patients/.*")):
        shutil.rmtree(begun)
    for left in (*folder.glob("*/*/keys.next"), *folder.glob("custodians/*/keys/*.next")):
        left.unlink()
    for pattern in ("organisations/*/keys", "patients/*/keys", "custodians/*/keys/*"):
        yield from sorted(folder.glob(pattern))


def _seal(guard: Guard, folder: Path, path: Path) -> bool:
    """Seals a file that is not sealed yet."""
    place = path.parent.parent if path.parent.parent.parent.name == "custodians" else path.parent
    key_files = guard.directory(place.relative_to(folder).as_posix())
    data = path.read_bytes()
    try:
        InsecurePlainKeys().open(path.name, data)
    except StoreCorrupt:
        key_files.open(path.name, data)  # sealed, and by this vault
        return False
    replace_file(path, key_files.seal(path.name, data))
    return True


def replace_file(path: Path, data: bytes) -> None:
    """Writes a file for its owner alone, whole or not at all; durable when it returns."""
    following = path.with_name(path.name + ".next")
    following.unlink(missing_ok=True)
    handle = os.open(following, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        os.write(handle, data)
        os.fsync(handle)
    finally:
        os.close(handle)
    following.rename(path)
    sync(path.parent)
