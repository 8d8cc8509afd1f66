"""A copy is restored: into a new directory whole, or one custodian into a directory that has lost it.

Order of effects: each file written beside its place, synced and compared, then named; the directory itself gets its
name when all are there (the commit point). A restore that was stopped is gone on with by the same call: files that are
there and equal are not written again.

No backup holds shred keys. Without them nothing that a custodian keeps can be opened: one custodian is repaired by the
others, all of them only with the second place of their shred keys (app/backup/second_place.py). A share whose key was
destroyed since does not come back either way.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

from careledger.adapters.backup.listing import SHRED
from careledger.adapters.blocks.segments import sync_directory
from careledger.adapters.custody.shred import follow, second_beside
from careledger.adapters.locks import hold
from careledger.app import settings as settings_file
from careledger.app.backup import second_place
from careledger.app.backup.places import manifest, written
from careledger.app.backup.verify import open_file
from careledger.app.removal import RESTORING, refuse_in_use
from careledger.domain.errors import BackupDamaged, SettingsRefused
from careledger.formats.backups import BackupFile, BackupManifest
from careledger.sealing.keys import SealingKey

Progress = Callable[[int, int], None]


def restore(
    backup: Path,
    number: int,
    key: SealingKey,
    target: Path,
    shred_keys: Path | None,
    progress: Progress = lambda done, of: None,
) -> tuple[BackupManifest, str]:
    """The whole directory as it was, at ``target``, which is new or empty.

    ``shred_keys``: the second place of every custodian's shred keys; None: without. Raises SettingsRefused if there is
    anything at the target, BackupDamaged, StoreUnavailable if the second place is not there.
    """
    if target.is_symlink() or (target.exists() and (not target.is_dir() or any(target.iterdir()))):
        raise SettingsRefused(folder=target.name, why="not empty; name another or remove it")
    whole, (found, digest) = target.absolute(), manifest(backup, number, key)
    begun = whole.parent / f".{whole.name}.restoring"
    if begun.is_symlink():
        raise SettingsRefused(folder=begun.name, why="a link, behind which nothing is restored")
    held = hold(begun)
    try:
        _fill(backup, number, key, begun, found.files, progress)
        for custodian in _custodians(found):
            second_place.fetch(shred_keys, begun / "custodians" / custodian / SHRED, custodian)
        (begun / "lock").unlink()
        begun.rename(whole)
        sync_directory(whole.parent)
    finally:
        os.close(held)
    return found, digest


def restore_custodian(
    backup: Path,
    number: int,
    key: SealingKey,
    folder: Path,
    custodian: int,
    progress: Progress = lambda done, of: None,
) -> tuple[BackupManifest, str]:
    """One custodian's directory into a data directory that has it no more, without shred keys.

    It hears of destructions and revocations from the ledger before it serves, and the others remake its shares. Where
    they keep a second place of shred keys it does too, and what it had there is destroyed. Raises SettingsRefused if
    the directory is there or the copy holds no such custodian, DirectoryInUse, BackupDamaged, StoreUnavailable.
    """
    settings_file.load(folder)
    name = f"{custodian:016x}"
    place, begun = folder / "custodians" / name, folder / f"{RESTORING}{name}"
    if place.exists():
        raise SettingsRefused(custodian=name, why="its directory is there; move it away first")
    refuse_in_use(folder)
    found, digest = manifest(backup, number, key)
    prefix = f"custodians/{name}/"
    files = [file for file in found.files if file.path.startswith(prefix)]
    if not files:
        raise SettingsRefused(custodian=name, why="this copy holds no such custodian")
    _fill(backup, number, key, begun, files, progress, prefix)
    second_place.fetch(None, begun / SHRED, name)
    if (second := second_beside(folder / "custodians")) is not None:
        follow(begun, second, name)
    place.parent.mkdir(exist_ok=True, mode=0o700)
    begun.rename(place)
    sync_directory(place.parent)
    return found, digest


def _custodians(found: BackupManifest) -> list[str]:
    return sorted({file.path.split("/")[1] for file in found.files if file.path.startswith("custodians/")})


def _fill(
    backup: Path,
    number: int,
    key: SealingKey,
    begun: Path,
    files: Iterable[BackupFile],
    progress: Progress,
    prefix: str = "",
) -> None:
    begun.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.chmod(begun, 0o700)
    wanted = {_inside(file, prefix): file for file in files}
    _clear(begun, wanted.keys())
    total, done = sum(file.size for file in wanted.values()), 0
    for name, file in wanted.items():
        if not _is_there(begun / name, file):
            with written(begun / name) as target:
                open_file(backup, number, file, key, target)
        done += file.size
        progress(done, total)
    for path in begun.rglob("*"):
        if path.is_dir():
            os.chmod(path, 0o700)


def _inside(file: BackupFile, prefix: str) -> str:
    """Its path below what is restored, which it never leaves."""
    path = PurePosixPath(file.path.removeprefix(prefix))
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise BackupDamaged(why="a path that leads elsewhere")
    return path.as_posix()


def _clear(begun: Path, wanted: Iterable[str]) -> None:
    """What an earlier, other restore left there goes."""
    keep = {begun / name for name in wanted} | {begun / "lock"}
    for path in begun.rglob("*"):
        if path.is_file() and path not in keep:
            path.unlink()
    for path in begun.rglob(SHRED):
        shutil.rmtree(path)


def _is_there(path: Path, file: BackupFile) -> bool:
    if not path.is_file() or path.stat().st_size != file.size:
        return False
    with path.open("rb") as there:
        return hashlib.file_digest(there, "sha256").digest() == file.sha256
