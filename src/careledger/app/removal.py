"""Removing a data directory, and nothing that is not one."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from careledger.adapters.locks import hold
from careledger.app import settings as settings_file
from careledger.app.service import reading
from careledger.domain.errors import SettingsRefused

KNOWN = frozenset(
    {
        settings_file.FILE,
        reading.FILE,
        "vault",
        "vault.next",
        "ledger",
        "blocks",
        "custodians",
        "organisations",
        "patients",
        "members",
        "audit.proof",
        "worker",
    }
    | {"board.db", "board.db-wal", "board.db-shm", ".backing-up"}
)
"""What a data directory holds; app.world says what each is, ``audit.proof`` is what the demo leaves, ``.backing-up`` a
backup that was killed."""
RESTORING = ".restoring-"
"""How what a killed restore of one custodian leaves begins."""
MAKING = ".board.db."
"""How what is left begins where a process was killed while it made the board."""


def remove(folder: Path) -> None:
    """Removes a CareLedger data directory; raises SettingsRefused for anything else, DirectoryInUse,
    DirectoryNotWritable."""
    if folder.is_symlink():
        raise SettingsRefused(folder=str(folder), why="a link, not a data directory")
    settings_file.load(folder)
    for name in sorted(path.name for path in folder.iterdir()):
        if name not in KNOWN and not name.startswith((RESTORING, MAKING)):
            raise SettingsRefused(folder=str(folder), why="it also holds what CareLedger did not make")
    refuse_in_use(folder)
    # The settings go last: whatever a crash leaves is still known as a data directory.
    for path in sorted(folder.iterdir(), key=lambda path: path.name == settings_file.FILE):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    folder.rmdir()


def refuse_in_use(folder: Path) -> None:
    """Raises DirectoryInUse where a process holds one of its locks, DirectoryNotWritable."""
    for path in folder.rglob("lock"):
        os.close(hold(path.parent))
