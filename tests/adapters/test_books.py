"""Books: one behaviour suite for the SQLite file and its twin in memory."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from careledger.adapters.books.memory import MemoryBooks
from careledger.adapters.books.sqlite import SCHEMA, SqliteBooks
from careledger.domain.errors import StoreCorrupt
from careledger.ports import Books


@pytest.fixture(params=["sqlite", "memory"])
def books(request: pytest.FixtureRequest, tmp_path: Path) -> Books:
    if request.param == "memory":
        return MemoryBooks()
    return SqliteBooks(tmp_path / "books.db", secrets.token_bytes(32))


def test_a_row_is_read_back_and_replaced(books: Books) -> None:
    books.put("grants", [(b"b", b"1"), (b"a", b"2")])
    books.put("grants", [(b"b", b"3")])
    assert books.get("grants", b"b") == b"3"
    assert list(books.rows("grants")) == [(b"a", b"2"), (b"b", b"3")]


def test_rows_of_one_beginning_are_read_on_from_where_somebody_stopped(books: Books) -> None:
    books.put("copies", [(key, key) for key in (b"a", b"b1", b"b2", b"b3", b"c")])
    assert [key for key, _ in books.rows("copies", b"b", b"b1")] == [b"b2", b"b3"]
    assert list(books.rows("copies", b"b", b"b3")) == []
    assert [key for key, _ in books.rows("copies", b"b", b"a")] == [b"b1", b"b2", b"b3"]
    assert [key for key, _ in books.rows("copies", after=b"b3")] == [b"c"]


def test_a_row_of_another_kind_is_not_found(books: Books) -> None:
    books.put("grants", [(b"a", b"1")])
    assert books.get("copies", b"a") is None
    assert list(books.rows("copies")) == []


def test_a_dropped_row_is_gone_and_dropping_again_is_harmless(books: Books) -> None:
    books.put("grants", [(b"a", b"1"), (b"b", b"2")])
    books.drop("grants", [b"a"])
    books.drop("grants", [b"a"])
    assert list(books.rows("grants")) == [(b"b", b"2")]


def test_keys_are_walked_in_order_a_few_at_a_time_and_of_one_kind(books: Books) -> None:
    books.put("grants", [(each, b"1") for each in (b"b", b"a", b"ab")])
    books.put("copies", [(b"aa", b"1")])
    assert books.keys("grants", b"", 2) == [b"a", b"ab"]
    assert books.keys("grants", b"ab", 2) == [b"b"]
    assert books.keys("grants", b"b", 2) == []


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "books.db"


def test_a_file_of_before_with_names_and_values_in_one_tree_is_used_as_it_is(file: Path) -> None:
    key = secrets.token_bytes(32)
    with closing(sqlite3.connect(file)) as db:
        db.execute(SCHEMA.replace("(kind, key))", "(kind, key)) WITHOUT ROWID"))
    books = SqliteBooks(file, key)
    books.put("grants", [(b"b", b"1" * 100_000), (b"a", b"2")])
    books.put("grants", [(b"a", b"3")])
    assert books.rows("grants") == [(b"a", b"3"), (b"b", b"1" * 100_000)]
    assert books.keys("grants", b"a", 1) == [b"b"]
    books.drop("grants", [b"b"])
    assert books.get("grants", b"b") is None
    books.close()


def test_rows_survive_closing_and_are_not_in_the_file_in_the_clear(file: Path) -> None:
    key = secrets.token_bytes(32)
    first = SqliteBooks(file, key)
    first.put("names", [(b"a", b"a name that must not show")])
    first.close()
    assert all(b"must not show" not in path.read_bytes() for path in file.parent.iterdir())
    assert SqliteBooks(file, key).get("names", b"a") == b"a name that must not show"


@pytest.mark.parametrize(
    "damage",
    [
        lambda db: db.execute("UPDATE books SET value = zeroblob(40) WHERE key = x'61'"),
        lambda db: db.execute(
            "UPDATE books SET value = (SELECT value FROM books WHERE key = x'62') WHERE key = x'61'"
        ),
        lambda db: db.execute("UPDATE books SET value = x'00' WHERE key = x'61'"),
    ],
    ids=["altered", "swapped", "cut"],
)
def test_a_damaged_row_is_refused(file: Path, damage: Callable[[sqlite3.Connection], object]) -> None:
    books = SqliteBooks(file, bytes(32))
    books.put("names", [(b"a", b"1"), (b"b", b"2")])
    with sqlite3.connect(file) as db:
        damage(db)
    with pytest.raises(StoreCorrupt):
        books.get("names", b"a")
    assert books.get("names", b"b") == b"2"


def test_another_key_opens_nothing(file: Path) -> None:
    SqliteBooks(file, bytes(32)).put("names", [(b"a", b"1")])
    with pytest.raises(StoreCorrupt):
        SqliteBooks(file, b"\x01" * 32).get("names", b"a")


def test_a_put_that_fails_half_way_changes_nothing(file: Path) -> None:
    books = SqliteBooks(file, bytes(32))
    books.put("names", [(b"a", b"1")])
    with pytest.raises(AttributeError):
        books.put("names", [(b"a", b"2"), (b"b", None.missing)])  # type: ignore[attr-defined]
    assert books.get("names", b"a") == b"1"


def test_a_dropped_row_is_in_no_byte_of_the_files(file: Path) -> None:
    books = SqliteBooks(file, bytes(32))
    books.put("keys", [(b"a", b"1")])
    with closing(sqlite3.connect(file)) as db:
        (sealed,) = db.execute("SELECT value FROM books").fetchone()
    assert any(sealed in path.read_bytes() for path in file.parent.iterdir())
    books.drop("keys", [b"a"])
    assert not any(sealed in path.read_bytes() for path in file.parent.iterdir())
