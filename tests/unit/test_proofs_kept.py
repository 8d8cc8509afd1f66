"""A log whose lines are on a disk says and proves what the same log in memory does, and believes no disk."""

from __future__ import annotations

import gc
import hashlib
import secrets
import tracemalloc
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from careledger.adapters.memory.lines import MemoryLines
from careledger.domain.errors import ProofRefused, StoreCorrupt
from careledger.proofs.kept import MOST, KeptMap
from careledger.proofs.release_log import Follower, KeptLog, LogHead, ReleaseLog
from careledger.proofs.tag_map import check_absent, check_present


def a_hash(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def lines(count: int, start: int = 0) -> list[bytes]:
    return [a_hash(f"tag {n}") + a_hash(f"sealed {n}") for n in range(start, start + count)]


def same(kept: LogHead, entries: Sequence[bytes], asked: Sequence[bytes]) -> int:
    """Checkpoint, lines and absences are those of a log in memory with these entries; how many tags were there."""
    known, there = ReleaseLog("log.example", entries).head(), {entry[:32] for entry in entries}
    assert kept.checkpoint == known.checkpoint
    for tag in asked:
        if tag in there:
            assert kept.line(tag) == known.line(tag)
        else:
            assert kept.absence(tag) == known.absence(tag)
    return sum(tag in there for tag in asked)


# Few distinct first bytes and long shared prefixes, so that deep forks happen.
close_entries = st.builds(
    lambda prefix, last: bytes([prefix]) * 30 + last.to_bytes(2, "big") + bytes(32),
    st.integers(0, 3),
    st.integers(0, 65_535),
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(close_entries, max_size=6 * MOST, unique=True),
    st.lists(st.integers(0, 6 * MOST), max_size=4),
    close_entries,
)
def test_heads_and_proofs_are_those_of_the_log_in_memory_at_every_size(
    entries: list[bytes], cuts: list[int], stranger: bytes
) -> None:
    kept = MemoryLines()
    log, heads, tags = KeptLog("log.example", kept), [], [each[:32] for each in (*entries, stranger)]
    for size in sorted({0, *(each for each in cuts if each < len(entries)), len(entries)}):
        kept.add(entries[kept.size() : size])
        heads.append(log.head())
    for head in heads:  # all of them, after the log has grown
        same(head, entries[: head.checkpoint.size], tags)
    assert kept.remade == 0


def test_a_log_of_many_bundles_proves_every_line_under_old_and_new_heads() -> None:
    entries, kept = lines(1_100), MemoryLines()
    log, heads = KeptLog("log.example", kept), []
    for size in (1, 255, 256, 257, 700, 1_100):
        kept.add(entries[kept.size() : size])
        heads.append(log.head())
    asked = [entry[:32] for entry in entries[::7]]
    counts = [same(head, entries[: head.checkpoint.size], asked) for head in heads]
    assert counts == [-(-head.checkpoint.size // 7) for head in heads]
    tree = ReleaseLog("log.example", entries).tree
    for level, index in ((0, 0), (0, 1_099), (3, 9), (8, 3), (9, 1), (10, 0)):
        assert log.tree.node(level, index) == tree.node(level, index)
    for level, index in ((0, 1_100), (8, 4), (0, -1)):
        with pytest.raises(IndexError):
            log.tree.node(level, index)


def test_many_lines_are_proved_as_each_alone_and_what_lies_together_is_read_once() -> None:
    entries, read = lines(500), []

    class Counting(MemoryLines):
        def tags(self, first: bytes, last: bytes, below: int) -> bytes:
            read.append(first)
            return super().tags(first, last, below)

    head, known = KeptLog("log.example", Counting(entries)).head(), ReleaseLog("log.example", entries).head()
    tags = [entry[:32] for entry in entries]
    assert head.lines(tags) == [known.line(tag) for tag in tags]
    assert len(read) == len(set(read)) < 500 / 4
    with pytest.raises(ProofRefused):
        head.lines([*tags, a_hash("of nobody")])


def test_a_head_of_before_is_made_again_and_the_log_goes_on_from_it() -> None:
    entries = lines(600)
    log = KeptLog("log.example", MemoryLines(entries))
    for size in (300, 600, 300):
        same(log.head(size), entries[:size], [entries[3][:32], entries[-1][:32]])
    assert log.head().checkpoint.size == log.size == 600


def spoilt(kept: MemoryLines, how: str) -> None:
    some = sorted(kept.rows)
    if how == "lacking":
        kept.rows.clear()
    elif how == "one lacks":
        del kept.rows[some[0]]
    elif how == "another number":
        kept.rows[some[0]] += 1
    elif how == "one too many":
        kept.rows[some[0][:31] + bytes([some[0][31] ^ 1])] = 0


@pytest.mark.parametrize("how", ["lacking", "one lacks", "another number", "one too many"])
def test_tags_that_are_wrong_on_the_disk_are_made_again_before_anything_is_said(how: str) -> None:
    entries, more = lines(200), lines(200, start=200)
    for grows in (False, True):
        kept = MemoryLines(entries)
        log = KeptLog("log.example", kept)
        head = log.head()
        spoilt(kept, how)
        if grows:
            kept.add(more)
            same(log.head(), [*entries, *more], [each[:32] for each in (*entries, *more)])
        same(head, entries, [each[:32] for each in (*entries, *more)])
        assert kept.remade == 1


@pytest.mark.parametrize("how", ["right", "lacking", "one lacks"])
def test_whether_a_tag_is_there_is_known_whatever_the_disk_says_of_tags(how: str) -> None:
    entries, kept = lines(102), MemoryLines(lines(100))
    log = KeptLog("log.example", kept)
    log.head()
    kept.add(entries[100:101])  # a line that no head has yet
    spoilt(kept, how)
    assert [log.has(entry[:32]) for entry in entries] == [True] * 101 + [False]


def test_lines_that_changed_on_the_disk_prove_nothing() -> None:
    entries = lines(600)
    kept = MemoryLines(entries)
    log = KeptLog("log.example", kept)
    head = log.head()
    kept.all[5] = a_hash("another tag") + a_hash("sealed 5")
    with pytest.raises(StoreCorrupt):
        head.line(a_hash("tag 7"))  # its path leads over the changed one
    kept.rows.clear()
    with pytest.raises(StoreCorrupt):
        head.absence(a_hash("another tag"))
    del kept.all[300:]
    with pytest.raises(StoreCorrupt):
        log.head(601)


@pytest.mark.parametrize("number", [5, 590])
def test_a_line_that_changed_after_its_neighbours_were_read_is_given_to_nobody(number: int) -> None:
    entries = lines(600)
    kept = MemoryLines(entries)
    log = KeptLog("log.example", kept)
    head = log.head()
    assert head.line(a_hash(f"tag {number}")).sealed == a_hash(f"sealed {number}")
    assert log.entries(number - 3, number + 2) == entries[number - 3 : number + 2]
    for wrong in ([a_hash(f"tag {number}") + a_hash("another")], []):
        kept.all[number:] = [*wrong, *entries[number + 1 :]][: 600 - number]
        with pytest.raises(StoreCorrupt):
            head.line(a_hash(f"tag {number}"))
        with pytest.raises(StoreCorrupt):
            log.entries(number - 3, number + 2)


def test_a_tag_is_entered_once_and_the_map_stays_as_it_was() -> None:
    kept = MemoryLines(lines(100))
    made = KeptMap(kept)
    made.extend([(entry[:32], number) for number, entry in enumerate(kept.all)])
    before = made.root()
    for pairs in ([(a_hash("tag 3"), 100)], [(a_hash("x"), 100), (a_hash("x"), 101)]):
        with pytest.raises(ProofRefused):
            made.extend(pairs)
    assert (made.root(), made.size) == (before, 100)
    check_present(before, a_hash("tag 3"), 3, made.proof(a_hash("tag 3")))
    check_absent(before, a_hash("x"), made.proof(a_hash("x")))


def test_a_log_and_all_who_follow_it_here_lie_in_memory_once() -> None:
    entries = lines(100)
    log = KeptLog("log.example", MemoryLines(entries))
    head, followers = log.head(), [Follower("log.example", MemoryLines()) for _ in range(3)]
    for each in followers:
        each.follow(head.checkpoint, entries)
    assert len({id(each._tags._top) for each in followers} | {id(log._tags._top)}) == 1


def test_a_line_takes_few_bytes_of_memory() -> None:
    kept = MemoryLines(secrets.token_bytes(64) for _ in range(20_000))
    tracemalloc.start()
    try:
        log = KeptLog("log.example", kept)
        log.head()
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert taken / log.size < 20


def test_a_map_that_grew_is_not_taken_for_what_it_was() -> None:
    entries = lines(100)
    grown, same = KeptMap(MemoryLines(entries)), KeptMap(MemoryLines(entries))
    for made in (grown, same):
        made.extend([(entry[:32], number) for number, entry in enumerate(entries)])
    grown.lie_together()
    grown.extend([(a_hash("b"), 100)])
    before = same.root()
    same.lie_together()
    assert same.root() == before != grown.root()
    check_absent(before, a_hash("b"), same.proof(a_hash("b")))
