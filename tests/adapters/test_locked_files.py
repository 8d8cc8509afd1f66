"""A file of ours that another process keeps locked longer than is waited is a store that cannot be asked now."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters.chain_support import CHAIN_ID, Sender
from careledger.adapters.blocks.pins import Pins
from careledger.adapters.board.sqlite import SqliteBoard
from careledger.adapters.books.sqlite import SqliteBooks
from careledger.adapters.custody import sqlite
from careledger.adapters.custody.journal import SCHEMA, Journal
from careledger.adapters.evm.chain import EmbeddedChain
from careledger.adapters.evm.facts import FactTables
from careledger.adapters.index.file import WritingsFile
from careledger.adapters.remote.journal import Journal as Sent
from careledger.domain.errors import StoreUnavailable

KEY = bytes(32)
Opens = Callable[[Path], Any]


@pytest.fixture(autouse=True)
def hardly_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "WAITS", 0.001)


@contextmanager
def locked(file: Path, *pragmas: str) -> Iterator[None]:
    """Another connection writes for as long as that."""
    other = sqlite3.connect(file, isolation_level=None)
    for pragma in pragmas:
        other.execute(f"PRAGMA {pragma}")
    other.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


def sent(chain: EmbeddedChain) -> None:
    assert chain.send(Sender().raw(Sender().address, b"")).success


FILES: dict[str, tuple[Opens, Callable[[Any], object]]] = {
    "books": (lambda file: SqliteBooks(file, KEY), lambda books: books.put("kind", [(b"a", b"1")])),
    "dropped": (lambda file: SqliteBooks(file, KEY), lambda books: books.drop("kind", [b"a"])),
    "board": (SqliteBoard, lambda board: board.post(bytes(4 * 1024))),
    "pins": (Pins, lambda pins: pins.add("somebody", [bytes(36)])),
    "facts": (FactTables, lambda facts: facts.clear()),
    "sent": (Sent, lambda journal: journal.saw(1, KEY)),
}


@pytest.mark.parametrize("name", FILES)
def test_what_cannot_be_written_while_another_process_writes_is_taken_afterwards(
    tmp_path: Path, name: str
) -> None:
    opens, act = FILES[name]
    made = opens(tmp_path / "one.db")
    with locked(tmp_path / "one.db"), pytest.raises(StoreUnavailable):
        act(made)
    act(made)
    made.close()


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_cannot_even_be_read_now_is_not_called_damaged(tmp_path: Path, name: str) -> None:
    opens, act = FILES[name]
    opens(tmp_path / "one.db").close()
    with locked(tmp_path / "one.db", "locking_mode = EXCLUSIVE"), pytest.raises(StoreUnavailable):
        opens(tmp_path / "one.db")
    made = opens(tmp_path / "one.db")
    act(made)
    made.close()


def test_a_custodians_journal_says_so_too(tmp_path: Path) -> None:
    sqlite.create(tmp_path / "journal.db", SCHEMA)
    with locked(tmp_path / "journal.db", "locking_mode = EXCLUSIVE"), pytest.raises(StoreUnavailable):
        Journal(tmp_path / "journal.db")


def test_a_block_waits_for_whoever_writes_and_is_mined_when_it_is_sent_again(tmp_path: Path) -> None:
    with EmbeddedChain(tmp_path, CHAIN_ID) as chain:
        with locked(tmp_path / "chain.sqlite"), pytest.raises(StoreUnavailable):
            sent(chain)
        assert chain.head.number == 0
        sent(chain)
        assert chain.head.number == 1
    with locked(tmp_path / "chain.sqlite", "locking_mode = EXCLUSIVE"), pytest.raises(StoreUnavailable):
        EmbeddedChain(tmp_path, CHAIN_ID)
    with EmbeddedChain(tmp_path, CHAIN_ID) as chain:
        assert chain.head.number == 1


def test_an_index_that_is_locked_is_neither_damaged_nor_made_again(tmp_path: Path) -> None:
    file = WritingsFile(tmp_path / "writings.index", KEY)
    other = WritingsFile(tmp_path / "writings.index", KEY)
    file._db.set_busy_timeout(0)
    other._db.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable):
        file.take(KEY)
    other._db.execute("ROLLBACK")
    file.take(KEY)
    assert file.taken(KEY, KEY) == {KEY}
    file.close()
    other.close()
