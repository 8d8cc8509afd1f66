"""A moment of several databases is one moment, whoever writes to them meanwhile and in whatever order."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from careledger.adapters.backup import moment
from careledger.adapters.backup.listing import list_files
from careledger.adapters.backup.moment import one_moment
from careledger.adapters.blocks.store import SegmentBlocks
from careledger.adapters.custody.sqlite import connect, create
from careledger.domain.errors import SettingsRefused, StoreCorrupt, StoreUnavailable

SCHEMA = "CREATE TABLE counts (number INTEGER NOT NULL, filling BLOB)"

COUNTING = """
import sqlite3, sys
from pathlib import Path
first, second = (sqlite3.connect(Path(sys.argv[1]) / name, 120, isolation_level=None) for name in ("b.db", "a.db"))
print("ready", flush=True)
number = 0
while True:
    number += 1
    for each in (first, second):
        each.execute("UPDATE counts SET number = ?", (number,))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.db", "b.db"):
        (tmp_path / "data").mkdir(exist_ok=True)
        create(tmp_path / "data" / name, SCHEMA)
        db = connect(tmp_path / "data" / name)
        db.execute("INSERT INTO counts VALUES (0, zeroblob(200000))")
        db.close()
    (tmp_path / "data" / "keys").write_bytes(b"a key")
    return tmp_path / "data"


@contextmanager
def counting(folder: Path) -> Iterator[None]:
    """A process that counts in the second database, then in the first, without end."""
    child = subprocess.Popen([sys.executable, "-c", COUNTING, str(folder)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"ready\n"
    try:
        yield
    finally:
        assert child.poll() is None
        child.kill()
        child.wait()
        child.stdout.close()


def counts(taken: moment.Moment, target: Path) -> tuple[int, int]:
    found = []
    for name in ("a.db", "b.db"):
        taken.copy_database(name, target / name)
        db = sqlite3.connect(target / name)
        found.append(int(db.execute("SELECT number FROM counts").fetchone()[0]))
        db.close()
    return found[0], found[1]


def test_nothing_is_seen_of_what_was_done_after_something_that_is_not_seen(
    folder: Path, tmp_path: Path
) -> None:
    seen = []
    for number in range(60):  # between the two, so that what is not locked moves on
        shutil.copy(folder / "a.db", folder / f"aa{number}.db")
    with counting(folder):
        for number in range(12):
            with one_moment(folder, lambda: 7) as taken:
                goes_on(folder)  # what is written meanwhile is not in the snapshot
                seen.append(counts(taken, tmp_path / str(number)))
            assert (taken.at, taken.files) == (7, {"keys": b"a key"})
    assert [(a, b) for a, b in seen if b - a not in (0, 1)] == []
    assert len({b for _, b in seen}) == 12


def goes_on(folder: Path) -> None:
    """Waits until something more was counted."""

    def counted() -> int:
        return int(db.execute("SELECT number FROM counts").fetchone()[0])

    with closing(sqlite3.connect(folder / "b.db", isolation_level=None, timeout=60)) as db:
        begun, end = counted(), time.monotonic() + 60
        while counted() == begun:
            assert time.monotonic() < end
            time.sleep(0.005)


def test_a_file_that_comes_while_it_is_taken_begins_it_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []

    def changing(path: Path) -> object:
        looked.append(1)
        if len(looked) == 2:
            (folder / "later").write_bytes(b"later")
        return list_files(path)

    monkeypatch.setattr(moment, "list_files", changing)
    with one_moment(folder, lambda: 7) as taken:
        assert taken.files == {"keys": b"a key", "later": b"later"}
    assert len(looked) == 4


def test_who_holds_a_lock_for_long_is_waited_for_and_never_stopped(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = sqlite3.connect(folder / "b.db", isolation_level=None, check_same_thread=False)
    held.execute("BEGIN IMMEDIATE")
    other = sqlite3.connect(folder / "a.db", isolation_level=None, timeout=5)
    began = time.monotonic()
    threading.Timer(0.4, lambda: held.execute("COMMIT")).start()
    with one_moment(folder, lambda: 7):
        assert time.monotonic() - began > 0.3
        other.execute("UPDATE counts SET number = 5")
    held.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr(moment, "TRIES", 2)
    with pytest.raises(StoreUnavailable, match="no moment"), one_moment(folder, lambda: 7):
        pass
    held.execute("ROLLBACK")
    other.execute("UPDATE counts SET number = 6")  # no lock was left behind
    held.close()
    other.close()


def test_a_database_that_is_none_is_named_damaged(folder: Path) -> None:
    (folder / "c.db").write_bytes(b"not a database" * 500)
    with pytest.raises(StoreCorrupt), one_moment(folder, lambda: 7):
        pass
    with sqlite3.connect(folder / "a.db", timeout=0) as other:
        other.execute("UPDATE counts SET number = 6")  # no lock was left behind


def test_segments_are_read_up_to_the_moment_also_when_they_are_gone(folder: Path) -> None:
    with SegmentBlocks(folder / "blocks", grace=0) as blocks:
        blocks.put(b"a block")
        with one_moment(folder, lambda: 7) as taken:
            [(name, segment)] = taken.segments.items()
            whole = (folder / name).read_bytes()
            blocks.put(b"another block")
            blocks.collect()
            assert not (folder / name).exists()
            assert segment.read(0, segment.size) == whole
            with pytest.raises(StoreUnavailable):
                segment.read(0, 10_000)


def test_what_can_be_made_again_and_shred_keys_are_left_out_and_links_refused(folder: Path) -> None:
    for name in ("ledger/facts.sqlite", "custodians/1/shred/key.1", "custodians/1/lock", "custodians/1/rows.db-wal",
                 "custodians/1/shred.second", "organisations/1/writings.index", "vault.next", ".backing-up/a.db",
                 "patients/1/keys"):  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    assert list_files(folder).files == ["keys", "patients/1/keys"]
    assert list_files(folder).databases == ["a.db", "b.db"]
    os.symlink(folder / "keys", folder / "patients" / "link")
    with pytest.raises(SettingsRefused, match="link"):
        list_files(folder)


def test_a_directory_may_have_any_name(folder: Path) -> None:
    named = folder.rename(folder.with_name("my #1 network? 100%41"))
    with one_moment(named, lambda: 7) as taken:
        assert [db.execute("SELECT number FROM counts").fetchone() for db in taken.databases.values()] == [
            (0,),
            (0,),
        ]
