"""CAR version 1: blocks in one file, as IPFS tools write and read them.

A header (dag-cbor ``{"roots": [CID, …], "version": 1}``) and the blocks, each after its length as an unsigned
varint; a block is its CID, then its data. Parsing is strict: shortest varints, CIDs of formats.cids, every block
checked, every root among the blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

import cbor2

from careledger.domain.errors import BlockMismatch, MalformedBytes
from careledger.formats.cids import SIZE, Block, Cid, check_block, check_cid, chunk_cid, is_chunk
from careledger.formats.large import PutMany, decode_dag_cbor, decode_link, encode_link, links_of

MOST_SECTION = (1 << 20) + SIZE
MOST_ROOTS = 10_000


def varint(value: int) -> bytes:
    """Unsigned LEB128."""
    parts = []
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def _read_varint(file: BinaryIO) -> int | None:
    value, shift = 0, 0
    while True:
        byte = file.read(1)
        if not byte and shift == 0:
            return None
        if not byte or shift > 28 or (byte == b"\x00" and shift):
            raise MalformedBytes(why="not a length in a CAR file")
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
        shift += 7


def _section(file: BinaryIO) -> bytes | None:
    length = _read_varint(file)
    if length is None:
        return None
    if not 0 < length <= MOST_SECTION:
        raise MalformedBytes(why="section too long in a CAR file")
    data = file.read(length)
    if len(data) != length:
        raise MalformedBytes(why="CAR file cut short")
    return data


def write_car(roots: Iterable[Cid], get: Callable[[Cid], bytes], file: BinaryIO) -> int:
    """Writes these blocks and what they link to, each once; returns how many.

    Raises BlockNotFound or BlockMismatch, and then the file is not whole.
    """
    waiting = list(dict.fromkeys(roots))
    header = cbor2.dumps({"roots": [encode_link(cid) for cid in waiting], "version": 1}, canonical=True)
    file.write(varint(len(header)) + header)
    written: set[Cid] = set()
    waiting.reverse()
    while waiting:
        cid = waiting.pop()
        if cid not in written:
            written.add(cid)
            block = check_block(cid, get(cid))
            file.write(varint(SIZE + len(block)) + cid + block)
            waiting.extend(reversed(links_of(cid, block)))
    return len(written)


def read_header(file: BinaryIO) -> tuple[Cid, ...]:
    """The roots; raises MalformedBytes."""
    data = _section(file)
    value = decode_dag_cbor(data or b"")
    if not isinstance(value, dict) or set(value) != {"roots", "version"} or type(value["version"]) is not int:
        raise MalformedBytes(why="not a CAR file")
    roots = value["roots"]
    if value["version"] != 1 or not isinstance(roots, list) or not 0 < len(roots) <= MOST_ROOTS:
        raise MalformedBytes(why="not a CAR file of version 1")
    return tuple(decode_link(root) for root in roots)


def read_blocks(file: BinaryIO) -> Iterator[tuple[Cid, bytes]]:
    """The blocks after the header, each checked against its CID; raises MalformedBytes, BlockMismatch."""
    while (data := _section(file)) is not None:
        if len(data) < SIZE:
            raise MalformedBytes(why="section too short in a CAR file")
        cid = check_cid(data[:SIZE])
        yield cid, check_block(cid, data[SIZE:])


def read_car(file: BinaryIO, put_many: PutMany) -> tuple[Cid, ...]:
    """Hands the blocks to ``put_many`` in batches of about 16 MiB; returns the roots, which are among them.

    Raises MalformedBytes or BlockMismatch; what was handed over before then is unpinned garbage.
    """
    roots = read_header(file)
    missing = set(roots)
    batches: dict[bool, list[Block]] = {False: [], True: []}
    size = 0

    def put() -> None:
        put_many(batches[False])
        put_many(batches[True], named=chunk_cid)
        batches.update({False: [], True: []})

    for cid, block in read_blocks(file):
        missing.discard(cid)
        batches[is_chunk(cid)].append(block)
        size += len(block)
        if size >= 1 << 24:
            put()
            size = 0
    if missing:
        raise BlockMismatch(why="a root is not in the CAR file")
    put()
    return roots
