"""A disk that is full, fails or is read-only is named, loses nothing that was acknowledged, and is noticed at once."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from careledger.adapters.board.sqlite import SqliteBoard
from careledger.adapters.books.sqlite import SqliteBooks
from careledger.adapters.custody import sqlite
from careledger.domain.errors import StoreUnavailable

SCHEMA = """
CREATE TABLE one (number INTEGER PRIMARY KEY);
CREATE TABLE two (number INTEGER REFERENCES one (number) DEFERRABLE INITIALLY DEFERRED);
"""
CREATING = "import sys; from pathlib import Path; from careledger.adapters.custody import sqlite; "
CREATING += "sqlite.create(Path(sys.argv[1]), 'CREATE TABLE one (number INTEGER PRIMARY KEY)')"


@pytest.fixture
def db(tmp_path: Path) -> sqlite3.Connection:
    sqlite.create(tmp_path / "one.db", SCHEMA)
    return sqlite.connect(tmp_path / "one.db")


def rows(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT COUNT(*) FROM one").fetchone()[0])


def test_after_a_commit_that_failed_the_next_transaction_is_one_of_its_own(db: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.IntegrityError), sqlite.transaction(db):  # noqa: PT012
        db.execute("INSERT INTO one VALUES (1)")
        db.execute("INSERT INTO two VALUES (7)")
    assert not db.in_transaction
    with sqlite.transaction(db):
        db.execute("INSERT INTO one VALUES (2)")
    again = sqlite.connect(Path(db.execute("PRAGMA database_list").fetchone()[2]))
    assert rows(again) == 1


def test_a_full_disk_is_named_and_leaves_what_was_there(db: sqlite3.Connection) -> None:
    pages = db.execute("PRAGMA page_count").fetchone()[0]
    db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreUnavailable, match="full"), sqlite.transaction(db):
        db.executemany("INSERT INTO one VALUES (?)", [(number,) for number in range(5_000)])
    assert (rows(db), db.in_transaction) == (0, False)
    db.execute("PRAGMA max_page_count = 100000")
    with sqlite.transaction(db):
        db.execute("INSERT INTO one VALUES (1)")
    assert rows(db) == 1


def test_a_read_only_disk_is_named_by_books_and_board(tmp_path: Path) -> None:
    books, board = SqliteBooks(tmp_path / "books.db", bytes(32)), SqliteBoard(tmp_path / "board.db")
    books.put("kind", [(b"a", b"1")])
    for each in (books, board):
        each._db.execute("PRAGMA query_only = ON")
    with pytest.raises(StoreUnavailable, match="readonly"):
        books.put("kind", [(b"a", b"2")])
    with pytest.raises(StoreUnavailable, match="readonly"):
        board.post(bytes(4 * 1024))
    assert books.get("kind", b"a") == b"1"


def test_what_is_no_failure_of_the_disk_is_not_called_one(db: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.OperationalError):
        db.execute("SELECT * FROM nowhere")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="there is no strace on this machine")
def test_no_write_or_sync_that_fails_while_a_file_is_made_passes_unnoticed(tmp_path: Path) -> None:
    """Each fails in turn, and the process that makes the file fails with it: one write, file and directory synced."""
    ended = {
        (call, at): injected(tmp_path / f"{call}-{at}", call, at)
        for call, most in (("write", 1), ("fsync", 3), ("fdatasync", 1), ("pwrite64", 1))
        for at in range(1, most + 1)
    }
    noticed = {each for each, code in ended.items() if code}
    assert noticed == {("write", 1), ("fsync", 1), ("fsync", 2), ("pwrite64", 1)}
    for call, at in ended.keys() - noticed:
        sqlite.connect(tmp_path / f"{call}-{at}").close()


def injected(path: Path, call: str, at: int) -> int:
    """The exit code of a process that makes a file while that sync fails."""
    command = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}"]
    command += ["-e", f"inject={call}:error=EIO:when={at}", sys.executable, "-c", CREATING, str(path)]
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, capture_output=True, env=environment, check=False).returncode
