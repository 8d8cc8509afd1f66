"""The board carries packages of three sizes, each once, in their order, and keys that readers check themselves."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from careledger.adapters.board.sqlite import SIZES, SqliteBoard
from careledger.domain.errors import MalformedBytes, StoreCorrupt
from careledger.sealing import grants


@pytest.fixture(params=["file", "memory"])
def board(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqliteBoard]:
    made = SqliteBoard(tmp_path / "deep" / "board.db" if request.param == "file" else None)
    yield made
    made.close()


def package(size: int = SIZES[0]) -> bytes:
    return secrets.token_bytes(size)


def test_packages_have_one_of_three_sizes(board: SqliteBoard) -> None:
    for size in SIZES:
        board.post(package(size))
        for wrong in (size - 1, size + 1):
            with pytest.raises(MalformedBytes):
                board.post(package(wrong))
    with pytest.raises(MalformedBytes):
        board.post(b"")
    assert [len(each) for each in board.since(0)[1]] == list(SIZES)
    assert grants.SIZES == SIZES


def test_packages_come_in_order_from_a_position_on(board: SqliteBoard) -> None:
    first, second, third = package(), package(), package()
    assert board.since(0) == (0, [])
    board.post(first)
    board.post(second)
    reached, found = board.since(0)
    assert found == [first, second]
    assert board.since(reached) == (reached, [])
    board.post(third)
    assert board.since(reached)[1] == [third]
    assert board.since(0)[1] == [first, second, third]


def test_the_same_package_again_changes_nothing(board: SqliteBoard) -> None:
    first, second = package(), package()
    assert not board.has(first)
    for each in (first, second, first):
        board.post(each)
    assert board.has(first)
    assert board.since(0)[1] == [first, second]
    assert board.since(board.since(0)[0])[1] == []


def test_the_key_published_last_is_shown_for_each_party(board: SqliteBoard) -> None:
    board.publish_key(7, b"one")
    board.publish_key(2**64 - 1, b"other")
    board.publish_key(7, b"two")
    assert (board.sealing_key(7), board.sealing_key(2**64 - 1)) == (b"two", b"other")
    assert board.sealing_key(8) is None


def test_what_was_posted_is_there_when_the_file_is_opened_again(tmp_path: Path) -> None:
    path, posted = tmp_path / "board.db", package()
    board = SqliteBoard(path)
    board.post(posted)
    board.publish_key(7, b"key")
    reached, _ = board.since(0)
    board.close()
    again = SqliteBoard(path)
    later = package()
    again.post(later)
    assert (again.since(reached)[1], again.since(0)[1]) == ([later], [posted, later])
    assert again.sealing_key(7) == b"key"
    again.close()


def test_a_file_that_is_no_board_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "board.db"
    path.write_bytes(b"a letter" * 1000)
    with pytest.raises(StoreCorrupt):
        SqliteBoard(path)
    assert path.read_bytes() == b"a letter" * 1000
