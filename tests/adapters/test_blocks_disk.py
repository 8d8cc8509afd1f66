"""What the embedded store promises about its disk: durable, torn ends, damage, erasure, one process."""

from __future__ import annotations

import io
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from careledger.adapters.blocks import segment_set
from careledger.adapters.blocks.memory import MemoryBlocks
from careledger.adapters.blocks.needed import Needed
from careledger.adapters.blocks.segments import HEADER, Place, frame, write_all
from careledger.adapters.blocks.store import SegmentBlocks
from careledger.domain.errors import (
    BlockMismatch,
    BlockNotFound,
    DirectoryInUse,
    StoreCorrupt,
    StoreUnavailable,
)
from careledger.formats.cids import dag_cbor_cid, raw_cid
from careledger.formats.large import CHUNK, Index


def some(count: int, size: int = 100) -> list[bytes]:
    chosen = random.Random(count)
    return [chosen.randbytes(size) for _ in range(count)]


@pytest.mark.parametrize(
    "place",
    [
        Place(0, 0, 0),
        Place(1, 56, 1 << 20, True),
        Place(2**40, 2**34 - 1, 1),
        Place(2**40, 2**34 - 1, 1, True),
        Place(7, 8, 2**21 - 1),
    ],
    ids=str,
)
def test_a_place_in_a_segment_is_kept_in_one_number(place: Place) -> None:
    assert Place.of(place.packed) == place


def on_disk(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(directory.iterdir()))


def test_what_was_put_and_pinned_is_there_after_opening_again(tmp_path: Path) -> None:
    blocks = some(100)
    with SegmentBlocks(tmp_path, segment_size=1000) as store:
        cids = store.put_many(blocks[:50])
        cids += [store.put(block) for block in blocks[50:]]
        store.pin("author", cids[:10])
    assert len(list(tmp_path.glob("*.seg"))) > 5
    with SegmentBlocks(tmp_path, segment_size=1000) as store:
        assert [store.get(cid) for cid in cids] == blocks
        assert sorted(store.pinned("author")) == sorted(cids[:10])
        assert store.verify().sound


def test_a_put_returns_only_after_its_bytes_were_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: dict[int, bytes] = {}

    def watched(descriptor: int) -> None:
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode):
            synced[status.st_ino] = os.pread(descriptor, status.st_size, 0)

    with SegmentBlocks(tmp_path) as store:
        monkeypatch.setattr(os, "fsync", watched)
        for number in range(5):
            block = b"block %d" % number
            store.put(block)
            assert any(block in data for data in synced.values())


def test_a_put_of_what_a_killed_process_wrote_returns_only_after_it_was_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SegmentBlocks(tmp_path) as store:
        store.put(b"before")
    [segment] = tmp_path.glob("*.seg")
    with segment.open("ab") as file:
        file.write(frame(raw_cid(b"written"), b"written"))  # and killed before it was synced
    synced: list[bytes] = []

    def watched(descriptor: int) -> None:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            synced.append(segment.read_bytes())

    monkeypatch.setattr(os, "fsync", watched)
    with SegmentBlocks(tmp_path) as store:
        store.put(b"written")
        assert any(data.endswith(b"written") for data in synced)


def test_a_directory_is_open_once(tmp_path: Path) -> None:
    with SegmentBlocks(tmp_path), pytest.raises(DirectoryInUse):
        SegmentBlocks(tmp_path)
    code = (
        "import sys; from pathlib import Path; from careledger.adapters.blocks.store import SegmentBlocks; "
        "SegmentBlocks(Path(sys.argv[1]))"
    )
    with SegmentBlocks(tmp_path):
        other = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
        assert "DirectoryInUse" in other.stderr
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)]).returncode == 0


def test_a_closed_store_refuses(tmp_path: Path) -> None:
    store = SegmentBlocks(tmp_path)
    cid = store.put(b"x")
    store.close()
    for call in (lambda: store.get(cid), lambda: store.put(b"y"), store.collect):
        with pytest.raises(StoreUnavailable):
            call()


def test_a_file_cut_at_any_byte_keeps_every_record_before_the_cut(tmp_path: Path) -> None:
    blocks = some(4, size=30)
    with SegmentBlocks(tmp_path / "whole") as store:
        cids = store.put_many(blocks)
    data = (tmp_path / "whole" / "00000001.seg").read_bytes()
    ends = [8 + (HEADER + 30) * (number + 1) for number in range(4)]
    for cut in range(len(data) + 1):
        directory = tmp_path / f"cut-{cut}"
        directory.mkdir()
        (directory / "00000001.seg").write_bytes(data[:cut])
        shutil.copy(tmp_path / "whole" / "pins.db", directory)
        whole = sum(end <= cut for end in ends)
        with SegmentBlocks(directory) as store:
            assert [store.has(cid) for cid in cids] == [True] * whole + [False] * (4 - whole)
            assert store.put_many(blocks) == cids
            assert store.verify().sound
        with SegmentBlocks(directory) as store:
            assert [store.get(cid) for cid in cids] == blocks
    assert cut == ends[-1]


def test_tidying_gives_back_what_is_no_block_and_keeps_blocks_that_nobody_pins_yet(tmp_path: Path) -> None:
    blocks = some(3, size=25)
    with SegmentBlocks(tmp_path) as store:
        cids = store.put_many(blocks)
    segment = tmp_path / "00000001.seg"
    data = bytearray(segment.read_bytes())
    data[8 + HEADER + 25] ^= 1  # the second record's header
    segment.write_bytes(data)
    with SegmentBlocks(tmp_path, grace=0) as store:
        assert store.verify().unread == HEADER + 25
        assert store.tidy() == HEADER + 25
        assert store.verify().sound
        assert [store.has(cid) for cid in cids] == [True, False, True]
        assert store.unneeded() == 50
        store.collect()
        assert not any(store.has(cid) for cid in cids)


def test_every_altered_byte_of_a_segment_is_noticed_and_mended_from_another_store(tmp_path: Path) -> None:
    blocks = some(3, size=25)
    source = MemoryBlocks()
    source.put_many(blocks)
    with SegmentBlocks(tmp_path) as store:
        cids = store.put_many(blocks)
        store.pin("author", cids)
    segment = tmp_path / "00000001.seg"
    whole, outcomes = segment.read_bytes(), Counter[str]()
    for position in range(len(whole)):
        for path in tmp_path.glob("*.seg"):
            path.unlink()
        segment.write_bytes(whole[:position] + bytes([whole[position] ^ 0x10]) + whole[position + 1 :])
        with SegmentBlocks(tmp_path) as store:
            health = store.verify()
            assert not health.sound
            outcomes["damaged"] += bool(health.damaged)
            outcomes["missing"] += bool(health.missing)
            outcomes["only unread"] += not health.damaged and not health.missing
            for cid, block in zip(cids, blocks, strict=True):
                if cid in (*health.damaged, *health.missing):
                    with pytest.raises((BlockMismatch, BlockNotFound)):
                        store.get(cid)
                else:
                    assert store.get(cid) == block
            assert store.repair(source).lost == ()
            store.collect()
            assert store.verify().sound
            assert [store.get(cid) for cid in cids] == blocks
    # Data of the first two records; their headers and the whole last record; the file's first eight bytes.
    assert outcomes == {"damaged": 2 * 25, "missing": 2 * HEADER + HEADER + 25, "only unread": 8}


def test_a_damaged_block_that_is_put_again_is_whole_again(tmp_path: Path) -> None:
    with SegmentBlocks(tmp_path) as store:
        cid, _ = store.put_many([b"first block", b"second block"])
    segment = tmp_path / "00000001.seg"
    segment.write_bytes(segment.read_bytes().replace(b"first", b"fIrst"))
    with SegmentBlocks(tmp_path) as store:
        with pytest.raises(BlockMismatch):
            store.get(cid)
        store.put(b"first block")
        assert store.get(cid) == b"first block"


def test_erased_bytes_are_no_longer_in_the_directory(tmp_path: Path) -> None:
    blocks = some(40)
    with SegmentBlocks(tmp_path, segment_size=1000) as store:
        cids = store.put_many(blocks)
        store.pin("author", cids)
        assert all(block in on_disk(tmp_path) for block in blocks)
        store.unpin("author", cids[::3])
        result = store.collect()
        left = on_disk(tmp_path)
        assert [block in left for block in blocks] == [number % 3 != 0 for number in range(40)]
        assert result.blocks == 14
        assert result.bytes >= 14 * (100 + HEADER)
    with SegmentBlocks(tmp_path, segment_size=1000) as store:
        assert [store.has(cid) for cid in cids] == [number % 3 != 0 for number in range(40)]
        assert store.verify().sound
        store.unpin("author", cids)
        store.collect()
        assert not list(tmp_path.glob("*.seg"))
        assert store.put(b"afterwards") == raw_cid(b"afterwards")


def test_a_crash_at_any_step_of_collecting_loses_nothing_that_is_pinned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The steps that reach the disk are counted, then each is made the last one before the crash."""

    class Crash(BaseException):
        pass

    def attempt(directory: Path, steps: int) -> bool:
        left = steps

        def counting(real: Callable[..., Any]) -> Callable[..., Any]:
            def call(*arguments: Any) -> Any:
                nonlocal left
                if left == 0:
                    raise Crash
                left -= 1
                return real(*arguments)

            return call

        blocks = some(30)
        store = SegmentBlocks(directory, segment_size=700)
        cids = store.put_many(blocks)
        store.pin("author", cids)
        store.unpin("author", cids[::2])
        with monkeypatch.context() as patched:
            patched.setattr(segment_set, "write_all", counting(write_all))
            patched.setattr(os, "fsync", counting(os.fsync))
            patched.setattr(Path, "unlink", counting(Path.unlink))
            try:
                store.collect()
                crashed = False
            except Crash:
                crashed = True
        store.close()
        with SegmentBlocks(directory, segment_size=700) as again:
            assert [again.get(cid) for cid in cids[1::2]] == blocks[1::2]
            again.collect()
            assert [again.has(cid) for cid in cids] == [False, True] * 15
            assert not any(block in on_disk(directory) for block in blocks[::2])
        return crashed

    crashes = 0
    while attempt(tmp_path / str(crashes), crashes):
        crashes += 1
    assert crashes > 15


def test_a_full_disk_refuses_and_what_was_acknowledged_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SegmentBlocks(tmp_path)
    first = store.put(b"acknowledged")

    def full(descriptor: int, data: bytes) -> None:
        os.write(descriptor, bytes(data)[: len(data) // 2])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(segment_set, "write_all", full)
        with pytest.raises(StoreUnavailable):
            store.put(b"refused")
    with pytest.raises(StoreUnavailable):
        store.put(b"still refused")
    store.close()
    with SegmentBlocks(tmp_path) as again:
        assert again.get(first) == b"acknowledged"
        assert not again.has(raw_cid(b"refused"))
        assert again.verify().torn > 0
        assert again.put(b"refused") == raw_cid(b"refused")


WRITER = """
import sys, random
from pathlib import Path
from careledger.adapters.blocks.store import SegmentBlocks
store = SegmentBlocks(Path(sys.argv[1]), segment_size=20_000)
chosen = random.Random(int(sys.argv[2]))
while True:
    cids = store.put_many([chosen.randbytes(chosen.randrange(1, 3000)) for _ in range(chosen.randrange(1, 8))])
    store.pin("author", cids)
    if chosen.random() < 0.2:
        store.put(chosen.randbytes(50))
        store.collect()
    print(" ".join(cid.hex() for cid in cids), flush=True)
"""


def test_killing_the_process_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    acknowledged: list[bytes] = []
    for round_number in range(4):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(round_number)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert writer.stdout is not None
        first = writer.stdout.readline()
        time.sleep(0.15 + 0.05 * round_number)
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read()
        assert writer.wait() == -signal.SIGKILL
        lines = (first + rest).splitlines(keepends=True)
        acknowledged += [bytes.fromhex(cid) for line in lines if line.endswith("\n") for cid in line.split()]
        with SegmentBlocks(tmp_path) as store:
            assert all(store.get(cid) for cid in acknowledged)
            assert store.verify().sound
    assert len(acknowledged) > 20


def test_a_large_body_survives_opening_again(tmp_path: Path) -> None:
    data = random.Random(3).randbytes(3 * CHUNK + 11)
    with SegmentBlocks(tmp_path, segment_size=CHUNK) as store:
        cid = store.put_large(io.BytesIO(data))
        store.pin("author", [cid])
    with SegmentBlocks(tmp_path, segment_size=CHUNK) as store:
        assert store.open_large(cid) == data
        assert store.verify().sound


def test_collecting_drops_a_damaged_block_and_says_that_it_is_missing(tmp_path: Path) -> None:
    with SegmentBlocks(tmp_path, grace=0) as store:
        kept, damaged, garbage = store.put_many([b"kept", b"damaged", b"garbage"])
        store.pin("author", [kept, damaged])
    segment = tmp_path / "00000001.seg"
    segment.write_bytes(segment.read_bytes().replace(b"damaged", b"dAmaged"))
    with SegmentBlocks(tmp_path, grace=0) as store:
        assert store.verify().damaged == (damaged,)
        assert store.collect().blocks == 2
        assert (store.verify().damaged, store.verify().missing) == ((), (damaged,))
        assert store.get(kept) == b"kept"
        assert not store.has(garbage)
        assert b"dAmaged" not in on_disk(tmp_path)


def test_nothing_is_collected_while_an_index_cannot_be_read(tmp_path: Path) -> None:
    data = random.Random(4).randbytes(CHUNK + 5)
    with SegmentBlocks(tmp_path, grace=0) as store:
        cid = store.put_large(io.BytesIO(data))
        store.pin("author", [cid])
        index = store.get(cid)
        chunk = Index.decode(index).links[0]
        store.put(b"after the index")
    segment = tmp_path / "00000001.seg"
    segment.write_bytes(segment.read_bytes().replace(index, b"\xff" + index[1:]))
    other = MemoryBlocks()
    other.put_large(io.BytesIO(data))
    with SegmentBlocks(tmp_path, grace=0) as store:
        with pytest.raises(StoreCorrupt):
            store.collect()
        assert store.has(chunk)
        store.repair(other)
        store.collect()
        assert store.open_large(cid) == data


def test_threads_may_share_a_store(tmp_path: Path) -> None:
    def work(number: int) -> list[bytes]:
        chosen, cids = random.Random(number), []
        for step in range(15):
            new = store.put_many([chosen.randbytes(50) for _ in range(4)])
            store.pin(f"owner {number}", new)
            cids += new
            if step % 5 == number:
                store.collect()
            assert all(store.get(cid) for cid in cids)
        return cids

    with SegmentBlocks(tmp_path, segment_size=1000) as store, ThreadPoolExecutor(4) as pool:
        found = [cid for cids in pool.map(work, range(4)) for cid in cids]
        assert len(set(found)) == 240
        assert store.verify().blocks == 240
        assert store.verify().sound


def test_what_is_pinned_is_not_held_in_memory_by_verifying_and_collecting(tmp_path: Path) -> None:
    count, each = 20_000, 250
    with SegmentBlocks(tmp_path, grace=0, segment_size=2**18) as store:
        for first in range(0, count, each):
            cids = store.put_many([number.to_bytes(4, "big") * 250 for number in range(first, first + each)])
            for owner in ("author", "custodian", "depositor"):
                store.pin(owner, cids)
        garbage = store.put(b"needed by nobody")
        store.verify()
        tracemalloc.start()
        try:
            assert store.verify().sound
            verifying = tracemalloc.get_traced_memory()[1]
            tracemalloc.reset_peak()
            assert store.unneeded() > 0
            counting = tracemalloc.get_traced_memory()[1]
            tracemalloc.reset_peak()
            collected = store.collect()
            collecting = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert (collected.blocks, store.has(garbage), store.verify().blocks) == (1, False, count)
    assert max(verifying, counting, collecting) < 180 * count  # with all of them in memory 300


def test_what_several_need_and_what_it_links_to_is_needed_once_and_found_by_its_digest(
    tmp_path: Path,
) -> None:
    with SegmentBlocks(tmp_path) as store:
        index = store.put_large(io.BytesIO(random.Random(5).randbytes(2 * CHUNK + 1)))
        alone, other = store.put_many([b"alone", b"other"])
        links = Index.decode(store.get(index)).links
        with Needed() as needed:
            needed.add([alone, index, alone, links[1]], store.get)
            needed.add([index], store.get)
            needed.digests([other[4:], alone[4:]])
            assert sorted(needed) == sorted({alone, index, *links})
            assert all(cid[4:] in needed for cid in (alone, other, index, *links))
            assert bytes(32) not in needed
            assert needed.unreadable == []
            lost = dag_cbor_cid(b"lost")
            needed.add([lost], store.get)
            assert needed.unreadable == [lost]


@pytest.mark.parametrize("left", [None, b""], ids=["lost", "empty"])
def test_blocks_are_not_taken_for_unneeded_because_the_file_of_pins_is_lost(
    tmp_path: Path, left: bytes | None
) -> None:
    with SegmentBlocks(tmp_path, grace=0) as store:
        cid = store.put(b"needed")
        store.pin("author", [cid])
    kept = (tmp_path / "pins.db").read_bytes()
    for path in tmp_path.glob("pins.db*"):
        path.unlink()
    if left is not None:
        (tmp_path / "pins.db").write_bytes(left)
    for _ in range(2):
        with pytest.raises(StoreCorrupt, match=r"pins\.db"):
            SegmentBlocks(tmp_path, grace=0)
    (tmp_path / "pins.db").write_bytes(kept)
    with SegmentBlocks(tmp_path, grace=0) as store:
        assert (store.collect().blocks, store.get(cid)) == (0, b"needed")
