"""A page that is not what SQLite wrote is a refusal that says which file it is and what to do, wherever it shows."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from careledger.adapters.board.sqlite import SqliteBoard
from careledger.adapters.books.sqlite import SqliteBooks
from careledger.adapters.custody import sqlite
from careledger.domain.errors import StoreCorrupt

PAGE, MANY = 4_096, 400
Read = Callable[[sqlite3.Connection], object]


def spoil(path: Path) -> None:
    """Every page but the first one reads as nonsense: the file opens, and what is in it does not."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = path.read_bytes()
    assert len(data) > 4 * PAGE
    path.write_bytes(data[: 2 * PAGE] + b"\x55" * (len(data) - 2 * PAGE))


@pytest.fixture
def damaged(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    path = tmp_path / "rows.db"
    sqlite.create(path, "CREATE TABLE t (a INTEGER PRIMARY KEY, b BLOB)")
    with closing(sqlite.connect(path)) as db, sqlite.transaction(db):
        db.executemany("INSERT INTO t VALUES (?, ?)", ((each, bytes(500)) for each in range(MANY)))
    spoil(path)
    db = sqlite.connect(path)
    yield db
    db.close()


READS: dict[str, Read] = {
    "at once": lambda db: db.execute("SELECT b FROM t WHERE a = 300").fetchone(),
    "one by one": lambda db: list(db.execute("SELECT b FROM t")),
    "all": lambda db: db.execute("SELECT b FROM t").fetchall(),
    "many": lambda db: db.execute("SELECT b FROM t").fetchmany(MANY),
    "written": lambda db: db.execute("UPDATE t SET b = x'00'"),
    "several": lambda db: db.executemany("DELETE FROM t WHERE a = ?", [(1,), (300,)]),
    "a script": lambda db: db.executescript("DELETE FROM t"),
}


@pytest.mark.parametrize("name", READS)
def test_a_damaged_page_is_named_by_what_the_file_is_for_wherever_it_is_met(
    damaged: sqlite3.Connection, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR), pytest.raises(StoreCorrupt) as refused:
        READS[name](damaged)
    assert refused.value.details["file"] == "a custodian's rows"
    assert "doctor" in str(refused.value.details["do"])
    assert "damaged: a custodian's rows" in caplog.text


def test_rows_that_are_read_later_are_watched_too(tmp_path: Path) -> None:
    """A cursor stands on a good page when the next ones go bad."""
    path = tmp_path / "journal.db"
    sqlite.create(path, "CREATE TABLE t (a INTEGER PRIMARY KEY, b BLOB)")
    with closing(sqlite.connect(path)) as db, sqlite.transaction(db):
        db.executemany("INSERT INTO t VALUES (?, ?)", ((each, bytes(500)) for each in range(MANY)))
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = path.read_bytes()
    half = len(data) // (2 * PAGE) * PAGE
    path.write_bytes(data[:half] + b"\x55" * (len(data) - half))
    for read in (lambda rows: list(rows), lambda rows: rows.fetchall(), lambda rows: rows.fetchmany(MANY)):
        with closing(sqlite.connect(path)) as db:
            rows = db.execute("SELECT b FROM t")
            assert rows.fetchone() == (bytes(500),)
            with pytest.raises(StoreCorrupt, match="a custodian's journal"):
                read(rows)


Opens = Callable[[Path], Any]
STORES: dict[str, tuple[str, Opens, Callable[[Any], object], Callable[[Any], object], str]] = {
    "books": (
        "books.db",
        lambda path: SqliteBooks(path, bytes(32)),
        lambda books: books.put("kind", [(bytes([at]), bytes(500)) for at in range(200)]),
        lambda books: books.rows("kind"),
        "somebody's books",
    ),
    "board": (
        "board.db",
        SqliteBoard,
        lambda board: [board.post(bytes([at]) + bytes(4 * 1024 - 1)) for at in range(20)],
        lambda board: board.since(0),
        "the board",
    ),
}


@pytest.mark.parametrize("name", STORES)
def test_a_damaged_store_refuses_by_its_role_and_names_nobody(tmp_path: Path, name: str) -> None:
    file, opens, fill, read, role = STORES[name]
    path = tmp_path / "0123456789abcdef" / file
    made = opens(path)
    fill(made)
    made.close()
    spoil(path)
    with pytest.raises(StoreCorrupt) as refused, closing(opens(path)) as again:
        read(again)
    assert refused.value.details["file"] in (role, file)
    assert "0123456789abcdef" not in str(refused.value)
