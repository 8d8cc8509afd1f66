"""Where blocks lie is found on disk: like a dict, after any crash or damage, and without memory for each block."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from careledger.adapters.backup.listing import list_files
from careledger.adapters.blocks import places, run, segment_set, segments
from careledger.adapters.blocks.places import NAME, Places
from careledger.adapters.blocks.run import ENTRY, Run, entry, prefixes, write_run
from careledger.adapters.blocks.segments import HEADER, Place
from careledger.adapters.blocks.store import SegmentBlocks
from careledger.adapters.blocks.young import Young
from careledger.domain.errors import BlockNotFound, StoreCorrupt, StoreUnavailable
from careledger.formats.cids import raw_cid


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few blocks are many: files, pages and portions of some entries."""
    monkeypatch.setattr(places, "NEWEST", 8)
    monkeypatch.setattr(places, "FILES", 3)
    monkeypatch.setattr(places, "AT_ONCE", 40)
    monkeypatch.setattr(run, "PAGE", 4)
    monkeypatch.setattr(run, "_PIECE", 8 * ENTRY)


def some(count: int, size: int = 100) -> list[bytes]:
    chosen = random.Random(count)
    return [chosen.randbytes(size) for _ in range(count)]


def files(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.places"))


# Like a dict --------------------------------------------------------------------------------------

STARTS = [bytes(16), b"\xff" * 16, b"\x7f" * 16, b"\x80" + bytes(15), bytes(7) + b"\x01" + bytes(8)]
Digests = st.builds(
    lambda start, end: start + end.to_bytes(16, "big"), st.sampled_from(STARTS), st.integers(0, 20)
)
Steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.lists(Digests, min_size=1, max_size=12)),
        st.tuples(st.sampled_from(["open", "keep", "clear"]), st.just([])),
        st.tuples(st.just("add"), st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=30)),
    ),
    max_size=30,
)


class Model:
    """A dict beside the places; what was added since is told again after opening, as the segments tell it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.places = Places(directory, lambda number, end: end)
        self.told: list[tuple[bytes, int]] = []
        self.segment, self.at = 1, 0
        self.reopened = Counter[str]()

    def known(self) -> places.Known:
        return {self.segment: (len(self.told), 0)}

    def add(self, digests: list[bytes]) -> None:
        for each in digests:
            self.at += 1
            self.told.append((each, Place(self.segment, self.at, self.at).packed))
        self.places.add(self.told[len(self.told) - len(digests) :])
        self.places.settle(self.known())

    def open(self, _: list[bytes]) -> None:
        self.places.close()
        self.places = Places(self.directory, lambda number, end: end)
        reached = self.places.open({self.segment: len(self.told)}).get(self.segment, (0, 0))[0]
        self.reopened["from the files" if reached else "from the segments"] += 1
        self.places.add(self.told[reached:])

    def keep(self, _: list[bytes]) -> None:
        def wanted(packed: int) -> bool:
            return Place.of(packed).length % 3 != 0

        self.told = [(digest, packed) for digest, packed in dict(self.told).items() if wanted(packed)]
        self.segment += 1
        self.places.keep(wanted, self.known())

    def clear(self, _: list[bytes]) -> None:
        self.places.clear()
        self.places.add(self.told)

    def check(self, absent: bytes) -> None:
        expected = dict(self.told)
        assert list(self.places.items()) == sorted(expected.items())
        for digest, packed in expected.items():
            assert self.places.get(digest) == packed
        for start in STARTS:
            for other in (start + absent[:16], start + (21).to_bytes(16, "big")):
                assert self.places.get(other) == expected.get(other)
        assert self.places.get(absent) == expected.get(absent)


REOPENED = Counter[str]()
ONES = [bytes(31) + bytes([number]) for number in range(12)]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=Steps, absent=st.binary(min_size=32, max_size=32))
@example(steps=[("add", ONES), ("open", []), ("clear", []), ("open", [])], absent=bytes(32))
def _look_up_like_a_dict(tmp_path_factory: pytest.TempPathFactory, steps: Any, absent: bytes) -> None:
    model = Model(tmp_path_factory.mktemp("places"))
    for act, digests in steps:
        getattr(model, act)(digests)
        model.check(absent)
    model.places.close()
    REOPENED.update(model.reopened)


def test_look_ups_are_those_of_a_dict_whatever_was_added_forgotten_and_opened_again(
    small: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    REOPENED.clear()
    _look_up_like_a_dict(tmp_path_factory)
    assert min(REOPENED["from the files"], REOPENED["from the segments"]) > 0


def test_digests_that_begin_alike_are_told_apart_over_the_ends_of_pages(small: None, tmp_path: Path) -> None:
    digests = [bytes(8) + number.to_bytes(24, "big") for number in range(30)]
    made = [entry(each, number) for number, each in enumerate(digests)]
    found = Run(tmp_path / "a", write_run(tmp_path / "a", [made[:7], made[7:]], 30))
    assert [found.find(each, *prefixes(each)) for each in digests] == list(range(30))
    other = bytes(8) + (30).to_bytes(24, "big")
    assert found.find(other, *prefixes(other)) is None
    assert found.between(0, 1) == made
    assert found.between(1, 1 << 64) == []
    found.close()


def test_few_files_are_kept_and_none_is_made_again_that_is_large(small: None, tmp_path: Path) -> None:
    model = Model(tmp_path)
    for number in range(60):
        model.add([raw_cid(b"%d %d" % (number, each))[4:] for each in range(8)])
    counts = [each.count for each in model.places._runs]
    assert sum(counts) == 480
    assert counts == sorted(counts, reverse=True)
    assert max(counts) == 8 * 3**2
    assert len(counts) <= 480 // 72 + 2 * 2
    model.check(bytes(32))
    model.places.close()


# What is derived counts only while it is right ------------------------------------------------------


def filled(directory: Path, count: int = 60) -> tuple[list[bytes], list[bytes]]:
    blocks = some(count)
    with SegmentBlocks(directory, segment_size=1500) as store:
        cids = [cid for at in range(0, count, 3) for cid in store.put_many(blocks[at : at + 3])]
        store.pin("author", cids)
    return cids, blocks


def test_opening_reads_of_the_segments_only_what_the_files_do_not_reach(
    small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cids, blocks = filled(tmp_path)
    read = 0

    def counted(path: Path, number: int, last: bool, start: int = 0) -> segments.Scan:
        nonlocal read
        found = segments.scan(path, number, last, start)
        read += len(found.records)
        return found

    monkeypatch.setattr(segment_set, "scan", counted)
    with SegmentBlocks(tmp_path, segment_size=1500) as store:
        assert read < 12
        assert [store.get(cid) for cid in cids] == blocks
        read = 0
        assert store.verify().sound
        assert read == 60


def test_a_derived_file_that_was_cut_altered_or_taken_away_is_made_again(small: None, tmp_path: Path) -> None:
    cids, blocks = filled(tmp_path)
    whole = {path: path.read_bytes() for path in files(tmp_path)}
    assert len(whole) > 2
    chosen, tried = random.Random(5), 0
    for path, data in whole.items():
        at = range(len(data)) if path.name == NAME else sorted(chosen.sample(range(len(data)), 60))
        altered = [data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :] for place in at]
        altered += [data[: len(data) // 2], b"", data + b"\0", data[:-1]]
        for wrong in (*altered, None):
            for each, right in whole.items():
                each.write_bytes(right)
            path.unlink() if wrong is None else path.write_bytes(wrong)
            with SegmentBlocks(tmp_path, segment_size=1500) as store:
                assert [store.get(cid) for cid in cids] == blocks
                assert (len(store._segments), store._segments.unread) == (60, 0)
            tried += 1
    assert tried > 250


def test_files_of_other_segments_are_not_believed(small: None, tmp_path: Path) -> None:
    cids, blocks = filled(tmp_path)
    kept = {path.name: path.read_bytes() for path in files(tmp_path)}
    with SegmentBlocks(tmp_path, segment_size=1500) as store:
        store.unpin("author", cids[::2])
        store.collect()
    for name, data in kept.items():
        (tmp_path / name).write_bytes(data)
    with SegmentBlocks(tmp_path, segment_size=1500) as store:
        assert [store.has(cid) for cid in cids] == [False, True] * 30
        assert [store.get(cid) for cid in cids[1::2]] == blocks[1::2]
    last = sorted(tmp_path.glob("*.seg"))[-1]
    last.write_bytes(last.read_bytes()[:8])
    with SegmentBlocks(tmp_path, segment_size=1500) as store:
        for cid in cids:
            assert not store.has(cid) or store.get(cid)
        assert sum(map(store.has, cids)) < 30


def test_files_of_another_store_whose_segments_are_as_long_are_not_believed(
    small: None, tmp_path: Path
) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for directory, count in ((one, 40), (other, 60)):
        with SegmentBlocks(directory) as store:
            cids = [store.put(block) for block in some(count)]
    for path in files(other):
        path.unlink()
    for path in files(one):
        (other / path.name).write_bytes(path.read_bytes())
    with SegmentBlocks(other) as store:
        assert [store.get(cid) for cid in cids] == some(60)
        assert not any(store.has(raw_cid(block)) for block in some(40))


def test_an_earlier_segment_that_was_cut_or_taken_away_is_seen(small: None, tmp_path: Path) -> None:
    cids, _ = filled(tmp_path)
    segment = tmp_path / "00000002.seg"
    segment.write_bytes(segment.read_bytes()[: 8 + HEADER + 100])
    with SegmentBlocks(tmp_path, segment_size=1500) as store:
        cut = [store.has(cid) for cid in cids]
        assert 40 < sum(cut) < 60
        assert all(store.get(cid) for cid in cids if store.has(cid))
    segment.unlink()
    with SegmentBlocks(tmp_path, segment_size=1500) as store:
        assert sum(map(store.has, cids)) == sum(cut) - 1
        assert all(store.get(cid) for cid in cids if store.has(cid))


def test_a_file_that_became_shorter_while_it_was_in_use_is_made_again(small: None, tmp_path: Path) -> None:
    cids, blocks = filled(tmp_path)
    with SegmentBlocks(tmp_path, segment_size=1500) as store:
        for path in files(tmp_path):
            os.truncate(path, 0)
        assert [store.get(cid) for cid in cids] == blocks
        store.unpin("author", cids[::2])
        for path in files(tmp_path):
            os.truncate(path, 0)
        with pytest.raises(StoreUnavailable):
            store.collect()
        store.collect()
        assert [store.has(cid) for cid in cids] == [False, True] * 30


def test_a_file_that_was_altered_while_it_was_in_use_is_made_again(small: None, tmp_path: Path) -> None:
    cids, blocks = filled(tmp_path)
    with SegmentBlocks(tmp_path, segment_size=1500) as store:
        for path in (each for each in files(tmp_path) if each.name != NAME):
            data = path.read_bytes()
            path.write_bytes(bytes(byte ^ 1 for byte in data[:200]) + data[200:])
        assert [store.get(cid) for cid in cids] == blocks
        for path in (each for each in files(tmp_path) if each.name != NAME):
            data = path.read_bytes()
            path.write_bytes(data[:40] + bytes([data[40] ^ 1]) + data[41:])  # in an entry's place
        more = store.put_many(some(20))
        assert [store.get(cid) for cid in (*cids, *more)] == [*blocks, *some(20)]


def test_collecting_copies_what_the_segments_hold_whatever_the_files_beside_say(
    small: None, tmp_path: Path
) -> None:
    cids, blocks = filled(tmp_path)
    with SegmentBlocks(tmp_path, segment_size=1500) as store:
        store._segments._places._runs = store._segments._places._runs[-1:]  # as if they lacked blocks
        assert sum(map(store.has, cids)) < 60
        store.collect()
        assert [store.get(cid) for cid in cids] == blocks


def test_collecting_loses_no_block_of_which_the_files_say_another_place(small: None, tmp_path: Path) -> None:
    cids, blocks = filled(tmp_path)
    with SegmentBlocks(tmp_path, segment_size=1500) as store:
        index = store._segments._places
        index.add([(cids[0][4:], index.get(cids[59][4:]) or 0)])
        store.unpin("author", cids[1:30])
        store.collect()
        assert store.get(cids[0]) == blocks[0]


def test_collecting_copies_a_whole_block_whose_header_was_damaged(small: None, tmp_path: Path) -> None:
    cids, blocks = filled(tmp_path)
    segment = tmp_path / "00000001.seg"
    data = bytearray(segment.read_bytes())
    data[8] ^= 1  # the first record's header
    segment.write_bytes(data)
    with SegmentBlocks(tmp_path, segment_size=1500, grace=0) as store:
        assert store.get(cids[0]) == blocks[0]
        store.unpin("author", cids[1::2])
        store.collect()
        assert [store.has(cid) for cid in cids] == [True, False] * 30
        assert store.get(cids[0]) == blocks[0]
        assert store.verify().sound


def test_verifying_looks_into_the_segments_and_not_into_the_files_beside(small: None, tmp_path: Path) -> None:
    cids, _ = filled(tmp_path)
    segment = tmp_path / "00000002.seg"
    data = bytearray(segment.read_bytes())
    data[8] ^= 1  # the first record's header
    segment.write_bytes(data)
    with SegmentBlocks(tmp_path, segment_size=1500, grace=0) as store:
        health = store.verify()
        assert (health.unread, len(health.missing), health.damaged) == (HEADER + 100, 1, ())
        [lost] = health.missing
        with pytest.raises(BlockNotFound):
            store.get(lost)
        assert store.tidy() == HEADER + 100
        assert [cid for cid in cids if not store.has(cid)] == [lost]


def test_what_was_erased_is_named_in_no_file(small: None, tmp_path: Path) -> None:
    cids, _ = filled(tmp_path)
    with SegmentBlocks(tmp_path, segment_size=1500) as store:
        store.unpin("author", cids[::2])
        store.collect()
        left = b"".join(path.read_bytes() for path in files(tmp_path))
        assert [cid[4:] in left for cid in cids] == [False, True] * 30


def test_a_disk_that_refuses_the_derived_files_loses_nothing(
    small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, portions: Any, most: int) -> int:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    blocks = some(50)
    with SegmentBlocks(tmp_path, segment_size=1500) as store:
        with monkeypatch.context() as patched:
            patched.setattr(places, "write_run", full)
            cids = [store.put(block) for block in blocks]
            assert [store.get(cid) for cid in cids] == blocks
        cids += store.put_many(some(20))
        assert (tmp_path / NAME).exists()
        assert [store.get(cid) for cid in cids] == [*blocks, *some(20)]
        store.pin("author", cids[::2])
        with monkeypatch.context() as patched:
            patched.setattr(places, "write_run", full)
            store.unpin("author", cids)
            store.pin("author", cids[::2])
            store.collect()
        assert [store.has(cid) for cid in cids] == [True, False] * 35
    with SegmentBlocks(tmp_path, segment_size=1500) as store:
        assert [store.has(cid) for cid in cids] == [True, False] * 35


def test_a_crash_at_any_step_of_writing_the_derived_files_loses_nothing(
    small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The steps that reach the disk are counted, then each is made the last one before the crash."""

    class Crash(BaseException):
        pass

    blocks = some(40)

    def attempt(directory: Path, steps: int) -> bool:
        left = steps

        def counting(real: Callable[..., Any]) -> Callable[..., Any]:
            def call(*arguments: Any, **named: Any) -> Any:
                nonlocal left
                if left == 0:
                    raise Crash
                left -= 1
                return real(*arguments, **named)

            return call

        store, put, crashed = SegmentBlocks(directory, segment_size=1500), [], False
        with monkeypatch.context() as patched:
            patched.setattr(run, "write_all", counting(segments.write_all))
            patched.setattr(Path, "replace", counting(Path.replace))
            patched.setattr(Path, "unlink", counting(Path.unlink))
            try:
                for block in blocks:
                    put.append(store.put(block))
                    store.pin("author", put[-1:])
                store.unpin("author", put[::2])
                store.collect()
            except Crash:
                crashed = True
        store.close()
        with SegmentBlocks(directory, segment_size=1500) as again:
            pinned = again.pinned("author")
            assert all(again.get(cid) for cid in pinned)
            assert len(pinned) >= min(len(put), 20)
            again.collect()
            assert again.verify().sound
        return crashed

    crashes = 0
    while attempt(tmp_path / str(crashes), crashes):
        crashes += 1
    assert crashes > 25


WRITER = """
import sys, random
from pathlib import Path
from careledger.adapters.blocks import places
from careledger.adapters.blocks.store import SegmentBlocks
places.NEWEST, places.FILES = 8, 3
store = SegmentBlocks(Path(sys.argv[1]), segment_size=20_000)
chosen = random.Random(int(sys.argv[2]))
while True:
    cids = store.put_many([chosen.randbytes(chosen.randrange(1, 3000)) for _ in range(chosen.randrange(1, 8))])
    store.pin("author", cids)
    if chosen.random() < 0.1:
        store.put(chosen.randbytes(50))
        store.collect()
    print(" ".join(cid.hex() for cid in cids), flush=True)
"""


def test_killing_the_process_while_it_writes_derived_files_loses_nothing(small: None, tmp_path: Path) -> None:
    acknowledged: list[bytes] = []
    for round_number in range(5):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(round_number)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _ in range(11 + 3 * round_number)]
        writer.send_signal(signal.SIGKILL)
        lines += writer.stdout.read().splitlines(keepends=True)
        assert writer.wait() == -signal.SIGKILL
        acknowledged += [bytes.fromhex(cid) for line in lines if line.endswith("\n") for cid in line.split()]
        with SegmentBlocks(tmp_path, segment_size=20_000) as store:
            assert all(store.get(cid) for cid in acknowledged)
            assert store.verify().sound
    assert len(acknowledged) > 85
    assert files(tmp_path)


def test_another_file_under_the_name_is_refused(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    crc = write_run(one, [[entry(bytes(32), 1)]], 1)
    write_run(other, [[entry(bytes(32), 2)]], 1)
    with pytest.raises(StoreCorrupt):
        Run(other, crc)
    with pytest.raises(StoreCorrupt):
        Run(tmp_path / "none", crc)
    Run(one, crc).close()


def test_a_backup_takes_the_segments_and_not_what_can_be_made_again(small: None, tmp_path: Path) -> None:
    cids, blocks = filled(tmp_path / "blocks")
    assert len(files(tmp_path / "blocks")) > 2
    listed = list_files(tmp_path)
    assert len(listed.segments) > 3
    assert (listed.files, listed.databases) == ([], ["blocks/pins.db"])
    restored = tmp_path / "restored"
    restored.mkdir()
    for name in (*listed.segments, *listed.databases):
        (restored / Path(name).name).write_bytes((tmp_path / name).read_bytes())
    with SegmentBlocks(restored, segment_size=1500) as store:
        assert [store.get(cid) for cid in cids] == blocks
        assert store.verify().sound


# Memory -------------------------------------------------------------------------------------------


def test_a_block_that_is_pinned_costs_hardly_any_memory(tmp_path: Path) -> None:
    def put(store: SegmentBlocks, files: int) -> None:
        for _ in range(places.NEWEST // 256 * files):
            store.pin("author", store.put_many([os.urandom(16) for _ in range(256)]))

    with SegmentBlocks(tmp_path) as store:
        put(store, 1)
        tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            put(store, 3)
            after, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert (after - before) / (3 * places.NEWEST) < 8


# The grace ----------------------------------------------------------------------------------------


def test_what_was_put_is_young_for_the_grace_and_not_much_longer() -> None:
    young = Young(600.0)
    for second in range(0, 1200, 4):
        young.put([b"%d" % second], float(second))
        found = {int(each) for each in young.at(float(second))}
        assert found >= set(range(max(0, second - 596), second + 1, 4))
        assert min(found) >= second - 600 - 600 / 60
    assert young.at(1196.0 + 599.0)
    assert young.at(1196.0 + 600.0) == set()
    assert len(young) == 0


def test_what_is_dropped_is_no_longer_young_and_takes_no_room() -> None:
    young = Young(600.0)
    young.put([b"one", b"two"], 1.0)
    young.put([b"two", b"three"], 100.0)
    young.drop([b"two", b"never put"])
    assert young.at(101.0) == {b"one", b"three"}
    young.drop([b"one", b"three"])
    assert (len(young), young._parts) == (0, [])
    young.put([b"four"], 102.0)
    assert Young(0).at(0.0) == set()
    assert young.at(102.0) == {b"four"}
