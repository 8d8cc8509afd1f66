"""One behaviour suite for block stores, run against the embedded store and its twin in memory."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import dag_cbor
import pytest
from multiformats import CID, varint

from careledger.adapters.blocks import places
from careledger.adapters.blocks.car import read_blocks, read_header
from careledger.adapters.blocks.hostile import HostileBlocks
from careledger.adapters.blocks.memory import MemoryBlocks
from careledger.adapters.blocks.store import SegmentBlocks
from careledger.domain.errors import (
    BlockMismatch,
    BlockNotFound,
    MalformedBytes,
    StoreCorrupt,
    StoreUnavailable,
)
from careledger.formats.cids import check_block, chunk_cid, dag_cbor_cid, raw_cid
from careledger.formats.large import CHUNK, Index, open_large, split

Store = SegmentBlocks | MemoryBlocks


class Clock:
    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["embedded", "places on disk", "memory"])
def store(
    request: pytest.FixtureRequest, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Store]:
    made: Store = MemoryBlocks(clock=clock)
    if request.param == "places on disk":
        monkeypatch.setattr(places, "NEWEST", 2)
    if request.param != "memory":
        made = SegmentBlocks(tmp_path / "blocks", segment_size=4096, clock=clock)
    yield made
    made.close()


def some(count: int, size: int = 100, seed: int = 1) -> list[bytes]:
    chosen = random.Random(seed)
    return [chosen.randbytes(size) for _ in range(count)]


def big(size: int, seed: int = 2) -> bytes:
    return random.Random(seed).randbytes(size)


def test_blocks_are_given_back_under_their_identifiers(store: Store) -> None:
    blocks = [b"", b"one", *some(50), big(CHUNK)]
    cids = store.put_many(blocks)
    assert cids == [raw_cid(block) for block in blocks]
    assert [store.get(cid) for cid in cids] == blocks
    assert store.put(b"one") == raw_cid(b"one")
    assert store.put_many([]) == []
    assert store.put_many([b"one", b"one"]) == [raw_cid(b"one")] * 2
    assert store.verify().blocks == len(set(blocks))
    assert store.verify().sound


def test_a_block_that_was_never_put_is_not_found(store: Store) -> None:
    store.put(b"here")
    assert store.has(raw_cid(b"here"))
    assert not store.has(raw_cid(b"elsewhere"))
    with pytest.raises(BlockNotFound):
        store.get(raw_cid(b"elsewhere"))
    for wrong in (b"", b"short", raw_cid(b"here") + b"\x00", b"\x00" * 36):
        with pytest.raises(MalformedBytes):
            store.get(wrong)


def test_a_block_over_the_limit_is_refused_and_nothing_of_its_batch_is_kept(store: Store) -> None:
    with pytest.raises(MalformedBytes):
        store.put_many([b"small", bytes(CHUNK + 1)])
    assert not store.has(raw_cid(b"small"))


def test_collecting_removes_what_nobody_pins_and_keeps_what_somebody_does(store: Store, clock: Clock) -> None:
    cids = store.put_many(some(60))
    store.pin("author", cids[:30])
    store.pin("patient", cids[20:40])
    assert sorted(store.pinned("author")) == sorted(cids[:30])
    assert store.unneeded() == 0
    clock.time += 3601
    assert store.unneeded() == sum(len(each) for each in some(60)[40:])
    assert store.tidy() == 0
    assert store.collect().blocks == 20
    assert store.unneeded() == 0
    assert [store.has(cid) for cid in cids] == [True] * 40 + [False] * 20
    store.unpin("author", cids[:30])
    assert store.collect().blocks == 20
    assert [store.has(cid) for cid in cids] == [False] * 20 + [True] * 20 + [False] * 20
    assert [store.get(cid) for cid in cids[20:40]] == some(60)[20:40]
    assert store.verify().sound
    assert store.collect().blocks == 0


def test_a_block_that_was_just_put_lives_until_it_is_pinned_or_the_grace_is_over(
    store: Store, clock: Clock
) -> None:
    cid = store.put(b"between put and pin")
    assert store.collect().blocks == 0
    assert store.has(cid)
    clock.time += 3601
    assert store.collect().blocks == 1
    assert not store.has(cid)


def test_erasing_does_not_wait_for_the_grace(store: Store) -> None:
    cid = store.put(b"to be erased")
    store.pin("author", [cid])
    store.unpin("author", [cid])
    store.unpin("author", [cid])
    assert store.collect().blocks == 1
    with pytest.raises(BlockNotFound):
        store.get(cid)
    assert store.put(b"to be erased") == cid
    assert store.get(cid) == b"to be erased"


def test_what_is_not_there_cannot_be_pinned(store: Store) -> None:
    here = store.put(b"here")
    with pytest.raises(BlockNotFound):
        store.pin("author", [here, raw_cid(b"elsewhere")])
    assert store.pinned("author") == []


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK])
def test_up_to_one_mebibyte_is_one_raw_block(store: Store, size: int) -> None:
    data = big(size)
    cid = store.put_large(io.BytesIO(data))
    assert split(data) == (cid, data, ()) == (raw_cid(data), data, ())
    assert store.open_large(cid) == data
    assert store.open_large(cid, 1, 5) == data[1:6]


@pytest.mark.parametrize("size", [CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 7])
def test_more_than_one_mebibyte_is_chunks_under_an_index(store: Store, size: int) -> None:
    data = big(size)
    cid = store.put_large(Dribbling(data))
    assert cid == split(data)[0]
    assert store.open_large(cid) == data
    for offset, length in (
        (0, 10),
        (CHUNK - 3, 6),
        (CHUNK, 1),
        (size - 2, 10),
        (size, 5),
        (size + 9, 5),
        (5, 0),
    ):
        assert store.open_large(cid, offset, length) == data[offset : offset + length]
    assert store.open_large(cid, CHUNK + 1) == data[CHUNK + 1 :]
    with pytest.raises(MalformedBytes):
        store.open_large(cid, -1)
    decoded: Any = dag_cbor.decode(store.get(cid))
    assert (decoded["size"], len(decoded["links"])) == (size, -(-size // CHUNK))
    assert dag_cbor.encode(decoded) == store.get(cid)


class Dribbling(io.BytesIO):
    """A stream that gives less than was asked for, as pipes do."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(min(size, 70_000) if size is not None and size > 0 else size)


def test_pinning_an_index_keeps_its_chunks(store: Store, clock: Clock) -> None:
    data = big(2 * CHUNK + 7)
    cid = store.put_large(io.BytesIO(data))
    store.pin("author", [cid])
    clock.time += 3601
    assert store.collect().blocks == 0
    assert store.open_large(cid) == data
    assert store.verify().sound
    store.unpin("author", [cid])
    assert store.collect().blocks == 4


@pytest.mark.parametrize("change", ["size", "order", "fewer", "dag-cbor link", "block", "one link", "more"])
def test_an_index_that_is_not_that_of_its_chunks_is_refused(change: str) -> None:
    data = big(2 * CHUNK + 7)
    cid, block, chunks = split(data)
    held = {chunk_cid(each): each for each in chunks} | {raw_cid(chunks[0]): chunks[0], cid: block}
    assert open_large(cid, held.__getitem__) == data
    value: Any = dag_cbor.decode(block)
    links = value["links"]
    changes: dict[str, dict[str, Any]] = {
        "size": {"size": value["size"] - 1},
        "block": {"links": [CID.decode(raw_cid(chunks[0])), *links[1:]]},
        "order": {"links": [links[2], links[0], links[1]]},
        "fewer": {"links": links[:2]},
        "dag-cbor link": {"links": [CID.decode(cid), *links[1:]]},
        "one link": {"links": links[:1], "size": 5},
        "more": {"more": 1},
    }
    value |= changes[change]
    index = dag_cbor.encode(value)
    held[dag_cbor_cid(index)] = index
    with pytest.raises((MalformedBytes, BlockMismatch)):
        open_large(dag_cbor_cid(index), held.__getitem__)


def test_a_range_is_not_read_from_a_chunk_of_another_length() -> None:
    short = b"short"
    index = Index(2 * CHUNK, (chunk_cid(short), chunk_cid(short)))
    held = {chunk_cid(short): short, dag_cbor_cid(index.encode()): index.encode()}
    with pytest.raises(MalformedBytes):
        open_large(dag_cbor_cid(index.encode()), held.__getitem__, 0, 3)


def test_bytes_that_are_no_index_are_refused() -> None:
    for data in (b"", b"\x00", b"\xa0", dag_cbor.encode([1]), b"\xff", dag_cbor.encode({"links": []})):
        with pytest.raises(MalformedBytes):
            Index.decode(data)


# CAR files ----------------------------------------------------------------------------------------


def car_of(store: Store, cids: list[bytes]) -> bytes:
    file = io.BytesIO()
    store.export_car(cids, file)
    return file.getvalue()


def test_a_car_file_carries_blocks_and_what_they_link_to_into_another_store(store: Store) -> None:
    large = store.put_large(io.BytesIO(big(CHUNK + 5)))
    cids = [*store.put_many(some(5)), large]
    other = MemoryBlocks()
    assert other.import_car(io.BytesIO(car_of(store, cids))) == tuple(cids)
    assert [other.get(cid) for cid in cids] == [store.get(cid) for cid in cids]
    assert other.open_large(large) == big(CHUNK + 5)
    assert other.verify().blocks == 8


def test_a_car_file_is_what_independent_decoders_read(store: Store) -> None:
    blocks = some(3)
    file: BinaryIO = io.BytesIO(car_of(store, store.put_many(blocks)))
    header = dag_cbor.decode(file.read(varint.decode(file)))
    assert header == {"version": 1, "roots": [CID.decode(raw_cid(block)) for block in blocks]}
    for block in blocks:
        section = file.read(varint.decode(file))
        assert (CID.decode(section[:36]), section[36:]) == (CID.decode(raw_cid(block)), block)
    assert file.read() == b""


def test_a_car_file_that_is_cut_or_altered_anywhere_is_refused(store: Store) -> None:
    data, refused, shorter = car_of(store, store.put_many(some(2, size=20))), 0, 0
    for position in range(len(data)):
        for hostile in (
            data[:position],
            data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :],
        ):
            with pytest.raises((MalformedBytes, BlockMismatch)):
                MemoryBlocks().import_car(io.BytesIO(hostile))
            refused += 1
        shorter += 1
    assert (refused, shorter) == (2 * len(data), len(data))
    assert len(data) > 200


@pytest.mark.parametrize(
    "header",
    [
        {"version": 2, "roots": [CID.decode(raw_cid(b"x"))]},
        {"version": 1, "roots": []},
        {"version": 1},
        {"version": True, "roots": [CID.decode(raw_cid(b"x"))]},
        {"version": 1, "roots": [b"x"]},
        {"version": 1, "roots": [CID.decode(raw_cid(b"x"))], "more": 1},
        [],
    ],
)
def test_another_header_is_refused(header: Any) -> None:
    data = dag_cbor.encode(header)
    with pytest.raises(MalformedBytes):
        read_header(io.BytesIO(varint.encode(len(data)) + data))


@pytest.mark.parametrize("length", [b"\x80\x00", b"\xff\xff\xff\xff\x7f", b"\x00", b"\xff", b"\x05abcde"])
def test_a_length_that_cannot_be_is_refused(length: bytes) -> None:
    with pytest.raises(MalformedBytes):
        list(read_blocks(io.BytesIO(length)))


def test_a_block_that_is_missing_is_not_exported(store: Store) -> None:
    with pytest.raises(BlockNotFound):
        car_of(store, [raw_cid(b"elsewhere")])


# Repair and hostile twins -----------------------------------------------------------------------------


def test_a_damaged_block_is_found_and_mended_from_another_store() -> None:
    ours, other = MemoryBlocks(), MemoryBlocks()
    blocks = some(6)
    cids = ours.put_many(blocks)
    other.put_many(blocks[:5])
    ours.pin("author", cids)
    ours.blocks[cids[0][4:]] = b"damaged"
    ours.blocks[cids[5][4:]] = b"damaged for good"
    del ours.blocks[cids[1][4:]]
    health = ours.verify()
    assert set(health.damaged) == {cids[0], cids[5]}
    assert health.missing == (cids[1],)
    with pytest.raises(BlockMismatch):
        ours.get(cids[0])
    repaired = ours.repair(other)
    assert set(repaired.mended) == {cids[0], cids[1]}
    assert repaired.lost == (cids[5],)
    assert [ours.get(cid) for cid in cids[:5]] == blocks[:5]


def test_chunks_whose_index_was_lost_are_mended_too_and_never_collected_meanwhile() -> None:
    ours, other = MemoryBlocks(grace=0), MemoryBlocks()
    data = big(2 * CHUNK + 7)
    cid = ours.put_large(io.BytesIO(data))
    other.put_large(io.BytesIO(data))
    ours.pin("author", [cid])
    index = Index.decode(ours.get(cid))
    ours.blocks[cid[4:]] = b"damaged"
    del ours.blocks[index.links[1][4:]]
    with pytest.raises(StoreCorrupt):
        ours.collect()
    assert set(ours.repair(other).mended) == {raw_cid(index.encode()), index.links[1]}
    assert ours.open_large(cid) == data
    assert ours.collect().blocks == 0


def test_a_source_that_lies_mends_nothing() -> None:
    ours, other = MemoryBlocks(), MemoryBlocks()
    cid = other.put(b"block")
    ours.put(b"block")
    ours.pin("author", [cid])
    del ours.blocks[cid[4:]]
    lying = HostileBlocks(other)
    lying.lie(cid)
    assert ours.repair(lying).lost == (cid,)
    assert ours.repair(other).mended == (cid,)


def test_a_hostile_store_lies_forgets_and_fails_as_it_is_told(store: Store) -> None:
    hostile = HostileBlocks(store)
    lied, forgotten, kept = hostile.put_many([b"lied", b"forgotten", b"kept"])
    hostile.lie(lied)
    hostile.forget(forgotten)
    with pytest.raises(BlockMismatch):
        check_block(lied, hostile.get(lied))
    with pytest.raises(BlockNotFound):
        hostile.get(forgotten)
    assert not hostile.has(forgotten)
    assert hostile.get(kept) == b"kept"
    hostile.fail("put_many", persisted=False)
    with pytest.raises(StoreUnavailable):
        hostile.put_many([b"before"])
    assert not store.has(raw_cid(b"before"))
    hostile.fail("put_many", persisted=True)
    with pytest.raises(StoreUnavailable):
        hostile.put_many([b"after"])
    assert store.has(raw_cid(b"after"))
    hostile.put_many([b"before"])
    assert hostile.calls["put_many"] == 4
    hostile.pin("author", [kept])
    hostile.unpin("author", [kept])
    assert store.pinned("author") == []
