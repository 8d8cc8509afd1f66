"""Lines of release logs in a custodian's journal: what is derived from them is theirs, or is made so."""

from __future__ import annotations

import os
import secrets
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path

import pytest

from careledger.adapters.custody import sqlite
from careledger.adapters.custody.journal import SCHEMA, Journal
from careledger.adapters.memory.lines import MemoryLines
from careledger.domain.custody import LogLine
from careledger.proofs.kept import Lines
from careledger.proofs.release_log import KeptLog, ReleaseLog

OTHER, ANOTHER = (1 << 64) - 1, 7
ALL = (bytes(32), b"\xff" * 32)
Add = Callable[[Journal, Sequence[bytes]], None]


def _own(journal: Journal, entries: Sequence[bytes]) -> None:
    for number, entry in enumerate(entries, journal.log().size()):
        journal.add_line(LogLine(number, bytes(32), 0, number, entry, b"sealed", 1))


def _followed(journal: Journal, entries: Sequence[bytes]) -> None:
    journal.follow(OTHER, journal.followed(OTHER).size(), entries)


WAYS: dict[str, tuple[Add, Callable[[Journal], Lines]]] = {
    "own": (_own, Journal.log),
    "followed": (_followed, lambda journal: journal.followed(OTHER)),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    sqlite.create(tmp_path / "journal.db", SCHEMA)
    return tmp_path / "journal.db"


def some(count: int) -> list[bytes]:
    return [secrets.token_bytes(64) for _ in range(count)]


@pytest.mark.parametrize("way", WAYS)
def test_a_journal_says_of_its_lines_what_is_said_of_them_in_memory(path: Path, way: str) -> None:
    add, lines_of = WAYS[way]
    entries = some(300)
    with closing(Journal(path)) as journal:
        for at in range(0, 300, 100):
            with journal.transaction():
                add(journal, entries[at : at + 100])
                journal.follow(ANOTHER, at, some(100))  # another log says nothing of this one
    with closing(Journal(path)) as journal:
        kept, known = lines_of(journal), MemoryLines(entries)
        middle = sorted(entry[:32] for entry in entries)[150]
        for asked in ((*ALL, 300), (*ALL, 120), (middle, middle, 300), (middle, ALL[1], 200), (*ALL, 0)):
            assert kept.tags(*asked) == known.tags(*asked)
        assert (kept.size(), kept.entries(10, 270)) == (300, entries[10:270])
        head, same = KeptLog("log", kept).head(), ReleaseLog("log", entries).head()
        assert head.checkpoint == same.checkpoint
        assert all(head.line(each[:32]) == same.line(each[:32]) for each in entries[::20])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "spoil",
    [
        "DROP TABLE tags",
        "DELETE FROM tags",
        "UPDATE tags SET number = number + 1",
        "DELETE FROM tags WHERE number % 2",
        "UPDATE tags SET number = -number",
        "UPDATE tags SET number = number + 0.5",
        "UPDATE tags SET tag = substr(tag, 1, 31)",
    ],
)
def test_a_journal_without_its_tags_or_with_wrong_ones_gets_them_anew(
    path: Path, way: str, spoil: str
) -> None:
    add, lines_of = WAYS[way]
    entries = some(200)
    with closing(Journal(path)) as journal, journal.transaction():
        add(journal, entries)
    with closing(Journal(path)) as journal:
        right = lines_of(journal).tags(*ALL, 200)
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        file.execute(spoil)
    with closing(Journal(path)) as journal:
        assert lines_of(journal).tags(*ALL, 200) != right
        log, same = KeptLog("log", lines_of(journal)), ReleaseLog("log", entries)
        assert log.head().absence(bytes(32)) == same.head().absence(bytes(32))
        assert lines_of(journal).tags(*ALL, 200) == right
        more = some(50)
        with journal.transaction():
            add(journal, more)
        assert log.head().checkpoint == ReleaseLog("log", [*entries, *more]).head().checkpoint


@pytest.mark.parametrize("way", WAYS)
def test_a_line_that_came_to_nothing_left_no_tag(path: Path, way: str) -> None:
    add, lines_of = WAYS[way]
    entries = some(2)
    with closing(Journal(path)) as journal:
        with journal.transaction():
            add(journal, entries[:1])
        with suppress(KeyError), journal.transaction():
            add(journal, entries[1:])
            raise KeyError
        kept = lines_of(journal)
        assert (kept.size(), kept.tags(*ALL, 9)) == (1, MemoryLines(entries[:1]).tags(*ALL, 9))


KILLED = """
import secrets, sys
from pathlib import Path
from careledger.adapters.custody.journal import Journal
from careledger.domain.custody import LogLine
journal = Journal(Path(sys.argv[1]))
number = journal.log().size()
while True:
    with journal.transaction():
        journal.add_line(LogLine(number, bytes(32), 0, number, secrets.token_bytes(64), b"sealed", 1))
        journal.follow(7, number, [secrets.token_bytes(64)])
    number += 1
    print(number, flush=True)
"""


def test_wherever_a_process_is_killed_lines_and_tags_are_there_together(path: Path) -> None:
    for rounds in range(1, 5):
        running = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True, env=dict(os.environ)
        )
        assert running.stdout is not None
        told = [int(running.stdout.readline()) for _ in range(3 * rounds)][-1]
        running.send_signal(signal.SIGKILL)
        running.wait()
        with closing(Journal(path)) as journal:
            for kept in (journal.log(), journal.followed(7)):
                size = kept.size()
                assert size >= told
                assert kept.tags(*ALL, size) == MemoryLines(kept.entries(0, size)).tags(*ALL, size)
