"""Rows of what apps were granted: as many by their ends as there are rows, however often they are renewed."""

from __future__ import annotations

from pathlib import Path

import pytest

from careledger.adapters.books.sqlite import SqliteBooks
from careledger.app import app_grants
from careledger.app.app_grants import GRANT, KEPT, MOST, TOKEN, Row


@pytest.fixture
def books(tmp_path: Path) -> SqliteBooks:
    return SqliteBooks(tmp_path / "books", bytes(32))


def names(books: SqliteBooks) -> list[bytes]:
    return [key for key, _ in books.rows(KEPT)]


def test_a_row_that_is_renewed_is_filed_by_its_last_end_alone(books: SqliteBooks) -> None:
    for until in (100, 200, 200, 150):
        app_grants.keep(books, [Row(GRANT + b"one", b"granted", until)])
        assert len(names(books)) == 2
    assert app_grants.look(books, GRANT + b"one", 149) == Row(GRANT + b"one", b"granted", 150)
    app_grants.keep(books, [Row(TOKEN + bytes([each]), b"", 120) for each in range(30)])
    assert app_grants.drop_over(books, 130) == 30
    assert len(names(books)) == 2
    app_grants.keep(books, [Row(TOKEN + bytes([each]), b"", 140) for each in range(30)])
    assert app_grants.drop_over(books, 150) == 31
    assert names(books) == []


def test_what_was_taken_back_leaves_nothing(books: SqliteBooks) -> None:
    app_grants.keep(books, [Row(GRANT + b"one", b"", 100), Row(TOKEN + b"two", b"", 50)])
    app_grants.drop(books, [GRANT + b"one", GRANT + b"never there"])
    assert app_grants.look(books, GRANT + b"one", 0) is None
    assert len(names(books)) == 2
    app_grants.drop(books, [TOKEN + b"two"])
    assert names(books) == []


def test_a_day_of_renewals_is_no_more_than_what_is_dropped_at_once(books: SqliteBooks) -> None:
    most = 0
    for at in range(0, 24 * 3_600, 120):
        rows = [Row(GRANT + b"one", b"", at + 24 * 3_600), Row(TOKEN + at.to_bytes(4, "big"), b"", at + 300)]
        app_grants.keep(books, rows)
        app_grants.drop_over(books, at)
        most = max(most, len(names(books)))
    assert most < MOST
