"""What a backup says of itself: one copy's files with their sizes and digests, and where the ledger stood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from careledger.formats.schema import Message, message, octets, several, text, uint

MOST_FILES = 1_000_000
MOST_MANIFEST = 2**28


@dataclass(frozen=True)
class BackupFile(Message):
    """One file of a copy: ``path`` below the data directory with slashes, ``size`` and ``sha256`` of what it holds.

    ``kind`` is ``file``, ``database`` (as SQLite's backup interface gives it) or ``segment``. ``parts`` are the sealed
    files that together hold it, in order, by their paths in the backup: one, or of a segment one for each extent.
    """

    TYPE: ClassVar[str] = "backup-file"
    path: str = text(300)
    kind: str = text(8)
    size: int = uint()
    sha256: bytes = octets(32)
    parts: tuple[str, ...] = several(text(200), most=100_000)


@dataclass(frozen=True)
class BackupManifest(Message):
    """One copy of a data directory, whole where this can be opened: all its files at one moment, ``made`` (unix
    seconds).

    ``software`` is the version that made it; ``head_number`` and ``head_hash`` name the last block of a chain that is
    in the directory, 0 and nothing where the ledger is elsewhere.
    """

    TYPE: ClassVar[str] = "backup-manifest"
    MOST: ClassVar[int] = MOST_MANIFEST
    number: int = uint(32)
    made: int = uint()
    software: str = text(40)
    chain_id: int = uint()
    head_number: int = uint()
    head_hash: bytes = octets(most=32)
    files: tuple[BackupFile, ...] = several(message(BackupFile), most=MOST_FILES)
