"""A copy of a data directory that may be in use: made whole, or left as something that is named incomplete.

Order of effects: the backup held against a second writer; what an earlier copy left unfinished removed; the directory
held against a second copy of it; one moment taken; extents of segment files that no earlier copy holds; databases, by a
copy within the data directory that is removed again; small files; then the manifest, the commit point. A crash before
it leaves extents, which the next copy uses, and a copy without manifest, which the next one removes.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from careledger import __version__
from careledger.adapters.backup.moment import Moment, Segment, one_moment
from careledger.adapters.evm.verify import chain_head
from careledger.adapters.locks import hold
from careledger.app import settings as settings_file
from careledger.app.backup.places import (
    BLOCKS,
    MANIFEST,
    Extent,
    copies,
    copy_folder,
    extents,
    settle_recipient,
    written,
)
from careledger.app.ledgers import LEDGER
from careledger.app.settings import RemoteLedger
from careledger.domain.errors import SettingsRefused
from careledger.formats.backups import BackupFile, BackupManifest
from careledger.ports import Clock
from careledger.sealing.backups import seal_part

STAGED = ".backing-up"
PIECE = 1 << 20
Progress = Callable[[int, int], None]
"""Told how many bytes are done, and of how many."""


@dataclass(frozen=True)
class Made:
    """A copy: its manifest and the SHA-256 of that, how many bytes were written and not found in earlier copies, and
    for how many seconds writers waited."""

    manifest: BackupManifest
    digest: str
    written: int
    paused: float


@dataclass
class _Copy:
    folder: Path
    backup: Path
    public: bytes
    moment: Moment
    number: int
    progress: Progress
    total: int = 0
    done: int = 0
    fresh: int = 0
    files: list[BackupFile] = field(default_factory=list)
    known: dict[str, list[Extent]] = field(default_factory=dict)

    def passed(self, size: int) -> None:
        """Tells how far it is."""
        self.done += size
        self.progress(self.done, max(self.total, self.done))


def create(
    folder: Path, backup: Path, public: bytes, clock: Clock, progress: Progress = lambda done, of: None
) -> Made:
    """A further copy of the data directory in a backup, new or existing, sealed to its public key.

    Raises SettingsRefused, DirectoryInUse while another copy is being made, here or elsewhere, StoreUnavailable,
    KeyRefused.
    """
    settings_file.load(folder)
    if backup.resolve().is_relative_to(folder.resolve()):
        raise SettingsRefused(backup=backup.name, why="it would lie in the data directory itself")
    backup.mkdir(parents=True, exist_ok=True, mode=0o700)
    held = hold(backup)
    try:
        _clear(backup)
        settle_recipient(backup, public)
        with _staging(folder), one_moment(folder, clock.now) as moment:
            number = max(copies(backup), default=0) + 1
            return _written(_Copy(folder, backup, public, moment, number, progress))
    finally:
        os.close(held)


@contextmanager
def _staging(folder: Path) -> Iterator[None]:
    """The place of databases that are being copied, empty and this copy's alone; gone afterwards."""
    staged = folder / STAGED
    held = hold(staged)
    try:
        for left in staged.iterdir():
            if left.is_dir():
                shutil.rmtree(left)
            elif left.name != "lock":
                left.unlink()
        yield
    finally:
        shutil.rmtree(staged, ignore_errors=True)
        os.close(held)


def _clear(backup: Path) -> None:
    """What earlier copies left unfinished goes."""
    for number, whole in copies(backup).items():
        if not whole:
            shutil.rmtree(copy_folder(backup, number))
    for path in (backup / BLOCKS).glob("*.next"):
        path.unlink()


def _written(copy: _Copy) -> Made:
    for each in extents(copy.backup):
        copy.known.setdefault(each.segment, []).append(each)
    moment = copy.moment
    copy.total = sum(each.size for each in moment.segments.values()) + sum(
        (copy.folder / name).stat().st_size for name in moment.databases
    )
    for name, segment in moment.segments.items():
        _segment(copy, name, segment)
    for name in moment.databases:
        _database(copy, name)
    for name, content in moment.files.items():
        _part(copy, name, "file", io.BytesIO(content))
    settings = settings_file.load(copy.folder)
    number, hash_ = (0, b"") if isinstance(settings.ledger, RemoteLedger) else _head(copy)
    made = BackupManifest(
        copy.number, moment.at, __version__, settings.chain_id, number, hash_, tuple(copy.files)
    )
    encoded = made.encode()
    with written(copy_folder(copy.backup, copy.number) / MANIFEST) as file:
        seal_part(copy.public, io.BytesIO(encoded), file, "plain")
    return Made(made, hashlib.sha256(encoded).hexdigest(), copy.fresh, moment.paused)


def _database(copy: _Copy, name: str) -> None:
    staged = copy.folder / STAGED / name
    copy.moment.copy_database(name, staged)
    with staged.open("rb") as source:
        _part(copy, name, "database", source)
    if not name.startswith(f"{LEDGER}/"):  # the chain's head is looked up in its copy
        staged.unlink()


def _head(copy: _Copy) -> tuple[int, bytes]:
    head = chain_head(copy.folder / STAGED / LEDGER)
    return head.number, head.hash


def _part(copy: _Copy, name: str, kind: str, source: object) -> None:
    path = copy_folder(copy.backup, copy.number) / f"{len(copy.files):06d}"
    with written(path) as file:
        size, sha256 = seal_part(copy.public, source, file, "plain")
    part = path.relative_to(copy.backup).as_posix()
    copy.files.append(BackupFile(name, kind, size, sha256, (part,)))
    copy.fresh += size
    copy.passed(size)


def _segment(copy: _Copy, name: str, segment: Segment) -> None:
    """Extents of earlier copies that are still what the file begins with, then one of what is new."""
    at, hashed, parts = 0, hashlib.sha256(), []
    while at < segment.size:
        extent = _known(copy, Path(name).stem, segment, at) or _new(copy, Path(name).stem, segment, at)
        _hash(segment, at, extent.stop, hashed.update)
        parts.append(extent.name)
        copy.passed(extent.stop - at)
        at = extent.stop
    copy.files.append(BackupFile(name, "segment", segment.size, hashed.digest(), tuple(parts)))


def _known(copy: _Copy, stem: str, segment: Segment, at: int) -> Extent | None:
    fitting = [
        each for each in copy.known.get(stem, ()) if each.start == at and at < each.stop <= segment.size
    ]
    for each in sorted(fitting, key=lambda extent: -extent.stop):
        found = hashlib.sha256()
        _hash(segment, at, each.stop, found.update)
        if found.hexdigest() == each.sha256:
            return each
    return None


def _new(copy: _Copy, stem: str, segment: Segment, at: int) -> Extent:
    found = hashlib.sha256()
    _hash(segment, at, segment.size, found.update)
    extent = Extent(stem, at, segment.size, found.hexdigest())
    with written(copy.backup / extent.name) as file:
        seal_part(copy.public, _Piecewise(segment, at), file, "ciphertext")
    copy.fresh += segment.size - at
    return extent


def _hash(segment: Segment, start: int, stop: int, update: Callable[[bytes], object]) -> None:
    for at in range(start, stop, PIECE):
        update(segment.read(at, min(at + PIECE, stop)))


class _Piecewise:
    """The rest of a segment as a file that is read."""

    def __init__(self, segment: Segment, at: int) -> None:
        self._segment, self._at = segment, at

    def read(self, size: int) -> bytes:
        """At most ``size`` bytes, none at the end."""
        stop = min(self._at + size, self._segment.size)
        data = self._segment.read(self._at, stop) if stop > self._at else b""
        self._at = stop
        return data
