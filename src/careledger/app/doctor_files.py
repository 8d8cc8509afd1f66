"""The files of a data directory: permissions, leftovers of a crash, databases, blocks."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from careledger.adapters.blocks.store import SegmentBlocks
from careledger.adapters.custody.directory import KEYS as CUSTODIANS
from careledger.adapters.custody.sqlite import opened
from careledger.adapters.evm.tables import FILE as CHAIN
from careledger.adapters.remote.node import SENT
from careledger.app import settings as settings_file
from careledger.app.diagnosis import ILL, MENDED, OPEN, WELL, Diagnosis
from careledger.app.keyring import BOOKS, KEYS
from careledger.app.ledgers import FACTS, LEDGER
from careledger.app.settings import RemoteLedger
from careledger.app.world import BOARD
from careledger.domain.errors import CareLedgerError, StoreCorrupt

DATABASES = ("*.db", "*.sqlite")
LEFTOVERS = ("careledger.json.new", "*/*/keys.next", "custodians/*/keys/*.next", "vault.next", "organisations/.*",
             "patients/.*", "**/.*.db.*", "ledger/.*.sqlite.*", ".backing-up", ".restoring-*")  # fmt: skip
OTHERS = 0o077


def examine(folder: Path, repair: bool) -> Iterator[Diagnosis]:
    """Permissions, leftovers, and whether every database is whole."""
    yield _permissions(folder, repair)
    yield _leftovers(folder, repair)
    yield _files(folder)
    yield _databases(folder)


def _permissions(folder: Path, repair: bool) -> Diagnosis:
    """Keys are for their owner alone; others may not even look into the folder, and whoever runs this reads and writes
    all of it."""
    barred = sorted(path.relative_to(folder) for path in folder.rglob("*") if not _reached(path))
    if barred:
        said = (
            f"{len(barred):,} files or folders may not be read or written by who runs this, such as {barred[0]}. "
            "The rest was not looked at."
        )
        return Diagnosis("permissions", ILL, said)
    keys = [
        *folder.glob("organisations/*/*"),
        *folder.glob("patients/*/*"),
        *folder.glob("custodians/*/keys/*"),
    ]
    open_to_others = [path for path in (folder, *keys) if path.stat().st_mode & OTHERS]
    if not open_to_others:
        return Diagnosis(
            "permissions", WELL, f"The folder and {len(keys):,} files of keys are their owner's alone."
        )
    if not repair:
        return Diagnosis(
            "permissions", OPEN, f"{len(open_to_others):,} of the folder and key files are open to others."
        )
    for path in open_to_others:
        os.chmod(path, path.stat().st_mode & ~OTHERS)
    return Diagnosis(
        "permissions", MENDED, f"{len(open_to_others):,} were open to others and are not any more."
    )


def _leftovers(folder: Path, repair: bool) -> Diagnosis:
    """What a crash left half written beside the whole; nothing reads it."""
    left = [path for pattern in LEFTOVERS for path in folder.glob(pattern)]
    if not left:
        return Diagnosis("leftovers", WELL, "No half-written file lies about.")
    if not repair:
        return Diagnosis("leftovers", OPEN, f"{len(left)} half-written files lie about.")
    for path in left:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return Diagnosis("leftovers", MENDED, f"{len(left)} half-written files are gone.")


def _files(folder: Path) -> Diagnosis:
    """Whether what every directory has is there. What lies beside an organisation's books is told of in them, so it is
    missed when they are opened."""
    lost = [path for path in _expected(folder) if not path.exists()]
    again = [path for path in (folder / LEDGER / FACTS,) if not path.exists()]
    if lost:
        named = ", ".join(str(path.relative_to(folder)) for path in lost)
        mend = "Restore them from a backup; careledger patient recover makes a patient's books again."
        return Diagnosis("files", ILL, f"Lost: {named}. {mend}")
    if again:
        return Diagnosis("files", WELL, "Facts are not there, and are folded again from the chain.")
    return Diagnosis("files", WELL, "No file that cannot be made again is missing.")


def _expected(folder: Path) -> Iterator[Path]:
    remote = isinstance(settings_file.load(folder).ledger, RemoteLedger)
    yield folder / BOARD
    yield folder / LEDGER / (SENT if remote else CHAIN)
    if any(folder.glob("blocks/*.seg")):
        yield folder / "blocks" / "pins.db"
    for place in (*folder.glob("organisations/[!.]*"), *folder.glob("patients/[!.]*")):
        if place.is_dir():
            yield from (place / KEYS, place / BOOKS)
    for place in folder.glob("custodians/[!.]*"):
        yield from (place / name for name in ("rows.db", "journal.db"))
        yield from (place / "keys" / name for name in CUSTODIANS)


def _databases(folder: Path) -> Diagnosis:
    files = sorted(path for pattern in DATABASES for path in folder.rglob(pattern) if _reached(path))
    try:
        ill = [path.relative_to(folder) for path in files if not _is_whole(path)]
    except CareLedgerError as error:
        return Diagnosis("databases", ILL, f"They could not be looked at: {error}")
    if ill:
        named = ", ".join(map(str, ill))
        return Diagnosis(
            "databases", ILL, f"Damaged: {named}. Restore them from a backup, or replace that part."
        )
    return Diagnosis("databases", WELL, f"{len(files)} databases are whole.")


def _reached(path: Path) -> bool:
    """Whether who runs this may read it and, of a folder or a database, change it."""
    if os.path.isdir(path):  # False, and no error, for what lies in a folder that may not be entered
        wanted = os.R_OK | os.W_OK | os.X_OK
    else:
        wanted = os.R_OK | (os.W_OK if any(path.match(pattern) for pattern in DATABASES) else 0)
    return os.access(path, wanted, effective_ids=True)


def _is_whole(path: Path) -> bool:
    try:
        db = opened(path)
        try:
            return bool(db.execute("PRAGMA integrity_check").fetchall() == [("ok",)])
        finally:
            db.close()
    except (StoreCorrupt, sqlite3.DatabaseError):
        return False


def blocks(folder: Path, other: Path | None, repair: bool) -> Diagnosis:
    """Every block hashed again; with another directory, damaged and missing ones are fetched from there."""
    with SegmentBlocks(folder / "blocks") as store:
        health = store.verify()
        said = f"{health.blocks:,} blocks of {health.bytes:,} bytes hashed again"
        if health.sound:
            return Diagnosis("blocks", WELL, f"{said}: each is what its CID names, and none is missing.")
        wrong = (
            f"{len(health.damaged)} damaged, {len(health.missing)} missing, {health.unread} bytes of no block"
        )
        if not repair:
            return Diagnosis("blocks", OPEN, f"{said}: {wrong}.")
        mended = _fetched(store, other)
        health = store.verify()
        if health.damaged or health.missing:
            return Diagnosis("blocks", ILL, f"{said}: {wrong}. --blocks DIR fetches them from another copy.")
        freed = store.tidy() if health.unread else 0
        return Diagnosis(
            "blocks", MENDED, f"{mended} blocks fetched from the other copy, {freed:,} bytes given back."
        )


def _fetched(store: SegmentBlocks, other: Path | None) -> int:
    if other is None:
        return 0
    with SegmentBlocks(other / "blocks") as source:
        return len(store.repair(source).mended)
