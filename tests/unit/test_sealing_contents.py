"""Files beside a body: sealed and opened piece by piece, in ranges, and never believed."""

from __future__ import annotations

import random
import threading
import tracemalloc
from collections.abc import Callable
from dataclasses import replace

import pytest

from careledger.adapters.blocks.memory import MemoryBlocks
from careledger.domain.errors import BlockMismatch, BlockNotFound, CannotOpen, MalformedBytes
from careledger.fhir.contents import URL, binary, stated
from careledger.formats import large
from careledger.formats.bodies import LargeBody, RecordBody, SealedContent, decode_body
from careledger.formats.cids import Block, dag_cbor_cid, raw_cid
from careledger.formats.large import CHUNK, Index
from careledger.sealing import contents
from careledger.sealing.contents import ContentReader, ContentSealer
from careledger.sealing.padme import padded_length
from careledger.sealing.states import Ciphertext, VerifiedCiphertext, verify

FILE = random.Random(11).randbytes(3 * CHUNK + 77_777)
SHA = b"\1" * 32


class Fetching:
    """A block store's content as a reader asks for it; ``asked`` are the chunks' numbers."""

    def __init__(self, blocks: MemoryBlocks, content: SealedContent) -> None:
        self.blocks, self.index = blocks, Index.decode(blocks.get(content.cid))
        self.asked: list[int] = []

    def chunk(self, number: int) -> VerifiedCiphertext:
        self.asked.append(number)
        link = self.index.links[number]
        return verify(Ciphertext(self.blocks.blocks[link[4:]]), link)


def sealed(data: bytes = FILE, piece: int = 99_999) -> tuple[MemoryBlocks, SealedContent]:
    blocks = MemoryBlocks()
    sealer = ContentSealer(blocks.put_many)
    for at in range(0, len(data), piece):
        sealer.add(data[at : at + piece])
    return blocks, sealer.end(SHA)


def reader(blocks: MemoryBlocks, content: SealedContent) -> tuple[ContentReader, Fetching]:
    fetching = Fetching(blocks, content)
    return ContentReader(content, fetching.index, fetching.chunk), fetching


@pytest.mark.parametrize("piece", [1 << 22, 1 << 20, 99_999])
def test_a_file_comes_back_whole_and_none_of_it_is_in_the_blocks(piece: int) -> None:
    blocks, content = sealed(piece=piece)
    assert b"".join(reader(blocks, content)[0].pieces()) == FILE
    assert content.size == len(FILE)
    assert not [each for each in blocks.blocks.values() if FILE[1000:1016] in each or content.key in each]


@pytest.mark.parametrize(
    ("start", "stop"), [(0, 0), (0, 1), (16_383, 16_385), (CHUNK - 1, CHUNK + 1), (len(FILE) - 5, len(FILE))]
)
def test_a_range_is_those_bytes_and_touches_its_own_blocks_and_the_last_alone(start: int, stop: int) -> None:
    blocks, content = sealed()
    made, fetching = reader(blocks, content)
    assert made.read(start, stop) == FILE[start:stop]
    last = len(fetching.index.links) - 1
    assert set(fetching.asked) <= {0, start // CHUNK, (stop + 1_000) // CHUNK, last}


def test_a_range_outside_the_file_is_refused_also_where_zeros_follow_it() -> None:
    made, _ = reader(*sealed())
    assert padded_length(len(FILE)) > len(FILE)
    for start, stop in ((0, len(FILE) + 1), (5, 4), (-1, 3)):
        with pytest.raises(MalformedBytes):
            made.read(start, stop)


def test_equal_files_have_other_keys_and_other_blocks() -> None:
    (one, first), (two, second) = sealed(), sealed()
    assert first.key != second.key
    assert not one.blocks.keys() & two.blocks.keys()


@pytest.mark.parametrize("number", [0, 1, -1])
def test_an_altered_block_is_never_opened(number: int) -> None:
    blocks, content = sealed()
    link = Index.decode(blocks.get(content.cid)).links[number]
    block = blocks.blocks[link[4:]]
    blocks.blocks[link[4:]] = block[:-1] + bytes([block[-1] ^ 1])
    with pytest.raises(BlockMismatch):
        list(reader(blocks, content)[0].pieces())
    del blocks.blocks[link[4:]]
    with pytest.raises((KeyError, BlockNotFound)):
        list(reader(blocks, content)[0].pieces())


def test_a_piece_is_given_only_after_its_block_was_verified_and_opened() -> None:
    blocks, content = sealed()
    link = Index.decode(blocks.get(content.cid)).links[2]
    blocks.blocks[link[4:]] = blocks.blocks[link[4:]][:-1] + b"!"
    given = bytearray()

    def take() -> None:
        for piece in reader(blocks, content)[0].pieces():
            given.extend(piece)

    with pytest.raises(BlockMismatch):
        take()
    assert FILE.startswith(given)
    assert len(given) < 2 * CHUNK
    assert len(given) > CHUNK


@pytest.mark.parametrize("over", [-60_000, -1, 0, 1, 16_383, 16_384, 16_385])
def test_a_file_comes_back_whole_wherever_its_last_chunk_lies(over: int) -> None:
    data = FILE[: 2 * CHUNK + over]
    made, _ = reader(*sealed(data))
    assert b"".join(made.pieces()) == data
    assert made.read(0, len(data)) == data


def test_whoever_stops_in_the_middle_of_a_file_leaves_nothing_running() -> None:
    made, _ = reader(*sealed())
    pieces = made.pieces()
    first = next(pieces)
    pieces.close()
    assert FILE.startswith(first)
    assert not [each for each in threading.enumerate() if "ThreadPool" in each.name]


def with_links(change: Callable[[Index], Index]) -> tuple[MemoryBlocks, SealedContent]:
    """A file whose depositor made another index of its blocks."""
    blocks, content = sealed()
    index = change(Index.decode(blocks.get(content.cid))).encode()
    blocks.put_many([index])
    return blocks, replace(content, cid=dag_cbor_cid(index))


def _cut(index: Index) -> Index:
    return Index(2 * CHUNK, index.links[:2])


def _turned(index: Index) -> Index:
    return replace(index, links=(index.links[1], index.links[0], *index.links[2:]))


def _longer(index: Index) -> Index:
    return Index(4 * CHUNK, (*index.links[:3], index.links[0]))


@pytest.mark.parametrize("change", [_cut, _turned, _longer])
def test_blocks_that_are_cut_reordered_or_added_do_not_open(change: Callable[[Index], Index]) -> None:
    blocks, content = with_links(change)
    with pytest.raises(CannotOpen):
        list(reader(blocks, content)[0].pieces())


def test_another_key_or_length_than_the_file_has_is_refused() -> None:
    blocks, content = sealed()
    for lie in (replace(content, key=bytes(32)), replace(content, size=2 * CHUNK)):
        with pytest.raises(CannotOpen):
            reader(blocks, lie)


def test_a_file_over_what_fhir_can_count_is_refused_before_it_is_stored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(contents, "MOST_CONTENT", 100_000)
    blocks = MemoryBlocks()
    sealer = ContentSealer(blocks.put_many)
    sealer.add(bytes(100_000))
    with pytest.raises(MalformedBytes, match="100000 bytes"):
        sealer.add(b"1")
    assert blocks.blocks == {}


def test_sealing_and_opening_need_as_much_memory_for_a_large_file_as_for_a_small_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(large, "AT_ONCE", 2)
    kept: dict[bytes, bytes] = {}
    store = MemoryBlocks()

    def keep(blocks: list[Block], named: Callable[[Block], bytes] = raw_cid) -> list[bytes]:
        cids = store.put_many(blocks, named)
        kept.update(store.blocks)
        return cids

    peaks = []
    for size in (4, 40):
        tracemalloc.start()
        sealer = ContentSealer(keep)
        for _ in range(size):
            sealer.add(bytes(CHUNK))
        content = sealer.end(SHA)
        held = sum(map(len, kept.values()))
        sealing = tracemalloc.get_traced_memory()[1] - held
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        for piece in reader(store, content)[0].pieces():
            assert not any(piece)
        peaks.append((sealing, tracemalloc.get_traced_memory()[1] - before))
        tracemalloc.stop()
        store.blocks.clear()
        kept.clear()
    assert max(max(each) for each in peaks) < 12 * CHUNK
    assert peaks[1][1] < 2 * peaks[0][1]


# What says so ------------------------------------------------------------------------------------


def test_a_binary_states_the_length_and_digest_of_the_file_beside_it_and_nothing_else_does() -> None:
    made = binary("1", "application/dicom", 2**31 - 1, SHA)
    assert stated(made) == (2**31 - 1, SHA)
    said = made["_data"]["extension"][0]["extension"]
    for other in (
        {**made, "resourceType": "DocumentReference"},
        {**made, "data": "AA=="},
        {**made, "_data": {"extension": [{"url": "urn:other", "extension": said}]}},
        {**made, "_data": {"extension": [{"url": URL, "extension": said[::-1]}]}},
        {**made, "_data": {"extension": [{"url": URL, "extension": said[:1]}]}},
        {**made, "_data": {"extension": made["_data"]["extension"] * 2}},
        {**made, "_data": None},
        {"resourceType": "Binary"},
    ):
        assert stated(other) is None


def test_a_body_of_either_form_is_read_as_what_it_is_and_nothing_between() -> None:
    plain = RecordBody(b"{}", b"", None, None, ())
    with_file = LargeBody(b"{}", b"", None, None, (), SealedContent(b"\1" * 36, SHA, 5, SHA))
    assert decode_body(plain.encode()) == plain == with_file.alone()
    assert decode_body(with_file.encode()) == with_file
    for other in (with_file.content.encode(), b"\x00", b"", with_file.encode() + b"\x00"):
        with pytest.raises(MalformedBytes):
            decode_body(other)
    assert SHA.hex() not in repr(with_file)
