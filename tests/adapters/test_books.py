"""Books: one behaviour suite for the SQLite file and its twin in memory."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path
from threading import Barrier
from time import monotonic

import pytest

from careledger.adapters.books.memory import MemoryBooks
from careledger.adapters.books.sqlite import SCHEMA, SqliteBooks
from careledger.adapters.custody.sqlite import WAITS
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


def test_rows_of_several_kinds_change_at_once(books: Books) -> None:
    books.put("plans", [(b"a", b"1"), (b"b", b"2")])
    books.change({"copies": [(b"c", b"3")], "due": [(b"d", b"")]}, {"plans": [b"a", b"z"], "copies": []})
    assert list(books.rows("plans")) == [(b"b", b"2")]
    assert (list(books.rows("copies")), list(books.rows("due"))) == ([(b"c", b"3")], [(b"d", b"")])


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


def test_what_a_change_removed_is_in_no_byte_of_the_files_after_the_next_drop(file: Path) -> None:
    books = SqliteBooks(file, bytes(32))
    books.put("plans", [(b"a", b"1" * 10_000)])
    with closing(sqlite3.connect(file)) as db:
        (sealed,) = db.execute("SELECT value FROM books").fetchone()
    books.change({}, {"plans": [b"a"]})
    assert any(sealed[:1_000] in path.read_bytes() for path in file.parent.iterdir())
    books.drop("keys", [b"a"])
    assert not any(sealed[:1_000] in path.read_bytes() for path in file.parent.iterdir())


def test_a_change_that_breaks_off_changes_nothing(file: Path) -> None:
    books = SqliteBooks(file, secrets.token_bytes(32))
    books.put("plans", [(b"a", b"1")])
    with closing(sqlite3.connect(file)) as db:
        db.execute("CREATE TRIGGER kept BEFORE DELETE ON books BEGIN SELECT RAISE(ABORT, 'no deletion'); END")
    with pytest.raises(sqlite3.IntegrityError, match="no deletion"):
        books.change({"copies": [(b"c", b"3")]}, {"plans": [b"a"]})
    assert (books.rows("copies"), books.rows("plans")) == ([], [(b"a", b"1")])
    books.close()


def test_of_several_who_make_a_file_at_once_each_gets_it_whole(tmp_path: Path) -> None:
    key = secrets.token_bytes(32)
    for turn in range(20):
        path, together = tmp_path / f"{turn}.db", Barrier(4)

        def opened(number: int, path: Path = path, together: Barrier = together) -> None:
            together.wait()
            with closing(SqliteBooks(path, key)) as books:
                books.put("kind", [(bytes([number]), b"there")])

        with ThreadPoolExecutor(4) as people:
            list(people.map(opened, range(4)))
        with closing(SqliteBooks(path, key)) as books:
            assert len(books.rows("kind")) == 4
    assert not [left for left in tmp_path.iterdir() if left.name.startswith(".")]


# One step ----------------------------------------------------------------------------------------


def test_what_is_done_alone_is_there_as_a_whole_or_not_at_all(books: Books) -> None:
    books.put("grants", [(b"a", b"1"), (b"b", b"2")])

    def break_off() -> None:
        with books.alone():
            books.put("grants", [(b"a", b"3"), (b"c", b"4")])
            with books.alone():
                books.drop("grants", [b"b"])
            books.change({"copies": [(b"d", b"5")]}, {})
            assert list(books.rows("grants")) == [(b"a", b"3"), (b"c", b"4")]
            raise StoreCorrupt

    with pytest.raises(StoreCorrupt):
        break_off()
    assert list(books.rows("grants")) == [(b"a", b"1"), (b"b", b"2")]
    assert list(books.rows("copies")) == []
    with books.alone():
        books.put("grants", [(b"a", b"3")])
        books.drop("grants", [b"b"])
    assert list(books.rows("grants")) == [(b"a", b"3")]


def test_nobody_writes_between_what_is_read_and_what_is_written_alone(books: Books) -> None:
    def add(times: int) -> None:
        for _ in range(times):
            with books.alone():
                count = int.from_bytes(books.get("counts", b"") or b"", "big")
                books.put("counts", [(b"", (count + 1).to_bytes(4, "big"))])

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(add, (20, 20)))
    assert books.get("counts", b"") == (40).to_bytes(4, "big")


def _taken(file: Path, key: bytes) -> list[bytes]:
    """In a process of its own: which of these rows it took."""
    books, mine = SqliteBooks(file, key), []
    while not books.get("begin", b""):
        pass
    for name, _ in books.rows("codes"):
        with books.alone():
            if books.get("codes", name) is not None:
                books.drop("codes", [name])
                mine.append(name)
    books.close()
    return mine


def test_of_two_processes_that_take_the_same_rows_each_row_is_taken_by_one(file: Path) -> None:
    key, names = secrets.token_bytes(32), [bytes([each]) for each in range(60)]
    books = SqliteBooks(file, key)
    books.put("codes", [(name, b"good once") for name in names])
    with ProcessPoolExecutor(2, get_context("spawn")) as processes:
        taking = [processes.submit(_taken, file, key) for _ in range(2)]
        books.put("begin", [(b"", b"1")])
        first, second = (each.result(120) for each in taking)
    assert sorted(first + second) == names
    assert books.rows("codes") == []


def test_what_was_dropped_alone_is_in_no_byte_of_the_files(file: Path) -> None:
    books = SqliteBooks(file, bytes(32))
    books.put("keys", [(b"a", b"1")])
    with closing(sqlite3.connect(file)) as db:
        (sealed,) = db.execute("SELECT value FROM books").fetchone()
    with books.alone():
        books.drop("keys", [b"a"])
        books.put("keys", [(b"b", b"2")])
    assert not any(sealed in path.read_bytes() for path in file.parent.iterdir())


def test_a_drop_waits_for_no_reader_and_the_first_step_after_that_overwrites_what_it_removed(
    file: Path,
) -> None:
    books = SqliteBooks(file, bytes(32))
    books.put("keys", [(b"a", b"1")])
    with closing(sqlite3.connect(file, isolation_level=None)) as backup:
        backup.execute("BEGIN")
        (sealed,) = backup.execute("SELECT value FROM books").fetchone()
        began = monotonic()
        books.drop("keys", [b"a"])
        assert monotonic() - began < WAITS
        assert any(sealed in path.read_bytes() for path in file.parent.iterdir())
    with books.alone():
        books.put("keys", [(b"b", b"2")])
    assert not any(sealed in path.read_bytes() for path in file.parent.iterdir())
