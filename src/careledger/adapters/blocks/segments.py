"""Segment files: append-only records of blocks, found again by reading the file.

A file is ``careseg1``, then records: ``CBLK``, uint32 data length, CID (36), CRC-32 of those 44 bytes, the data.
The CID is the data's check. After damage, reading goes on at the next record whose header is whole.
"""

from __future__ import annotations

import mmap
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from careledger.formats.cids import CHUNK_PREFIX, PREFIXES, RAW_PREFIX, Block, Cid, is_block

FILE_MAGIC = b"careseg1"
MAGIC = b"CBLK"
HEADER = 48
_unpack = struct.Struct(">4sI4s32sI").unpack
MOST_BLOCK = 1 << 20
MARKED = 4_096
"""Bytes that tell a segment from another one: sealed blocks are alike nowhere."""
LENGTH_BITS, CHUNK_BIT, SEGMENT_BITS = 21, 55, 56
_PLACED = {prefix: (prefix == CHUNK_PREFIX) << CHUNK_BIT for prefix in PREFIXES}


class Place(NamedTuple):
    """Segment number, where a block's data starts (below 2³⁴), how long it is, whether its BLAKE3 names it."""

    segment: int
    start: int
    length: int
    chunk: bool = False

    @property
    def packed(self) -> int:
        """In one number, so that an index of millions is light to keep."""
        kind = self.chunk << CHUNK_BIT
        return self.segment << SEGMENT_BITS | kind | self.start << LENGTH_BITS | self.length

    @classmethod
    def of(cls, packed: int) -> Place:
        """What ``packed`` made."""
        start = (packed & ((1 << CHUNK_BIT) - 1)) >> LENGTH_BITS
        length, chunk = packed & ((1 << LENGTH_BITS) - 1), bool(packed >> CHUNK_BIT & 1)
        return cls(packed >> SEGMENT_BITS, start, length, chunk)

    def named(self, digest: bytes) -> Cid:
        """The identifier of the block there that has this digest."""
        return (CHUNK_PREFIX if self.chunk else RAW_PREFIX) + digest


def header(cid: Cid, data: Block) -> bytes:
    """What stands before a block in its record."""
    start = MAGIC + struct.pack(">I", len(data)) + cid
    return start + struct.pack(">I", crc32(start))


def frame(cid: Cid, data: bytes) -> bytes:
    """A block as a record."""
    return header(cid, data) + data


Found = list[tuple[bytes, int]]


def _records(view: mmap.mmap, number: int, start: int) -> Found:
    """By digest the packed place of each record from ``start`` on. One loop without calls: there may be millions."""
    found, at, size, segment = [], start, len(view), number << SEGMENT_BITS
    while 0 <= at < size:
        header = view[at : at + HEADER]
        if len(header) == HEADER:
            magic, length, prefix, digest, crc = _unpack(header)
            data = at + HEADER
            if (
                magic == MAGIC
                and crc32(header[:44]) == crc
                and prefix in _PLACED
                and length <= MOST_BLOCK
                and data + length <= size
            ):
                found.append((digest, segment | _PLACED[prefix] | data << LENGTH_BITS | length))
                at = data + length
                continue
        at = view.find(MAGIC, at + 1)
    return found


def _end(packed: int) -> int:
    place = Place.of(packed)
    return place.start + place.length


def _whole(view: mmap.mmap, digest: bytes, packed: int) -> bool:
    place = Place.of(packed)
    return is_block(place.named(digest), view[place.start : _end(packed)])


@dataclass(frozen=True, slots=True)
class Scan:
    """What a segment holds: records whose header is whole (digest and packed place), where the last of them ends, the
    file's size, and how many bytes before that end belong to no record (damage)."""

    records: Found
    end: int
    size: int
    unread: int


def scan(path: Path, number: int, last: bool, start: int = 0) -> Scan:
    """Reads a segment's headers from byte ``start`` on, where a record begins; in the ``last`` segment, records with
    wrong data at the end do not count."""
    size, first = path.stat().st_size, max(start, len(FILE_MAGIC))
    if size < first:
        return Scan([], size, size, 0)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
        records = _records(view, number, first)
        while last and records and not _whole(view, *records[-1]):
            records.pop()
        lost = 0 if start or view[: len(FILE_MAGIC)] == FILE_MAGIC else len(FILE_MAGIC)
    end = _end(records[-1][1]) if records else first
    end = end if last else size
    used = first + sum(HEADER + (packed & (1 << LENGTH_BITS) - 1) for _, packed in records)
    return Scan(records, end, size, lost + end - used)


def mark(path: Path, end: int) -> int:
    """A CRC-32 of the last bytes before ``end``, by which a segment that became longer is told from another one."""
    start = max(0, end - MARKED)
    with path.open("rb") as file:
        file.seek(start)
        return crc32(file.read(end - start))


def write_all(descriptor: int, data: Block) -> None:
    """Writes everything or raises OSError."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def sync_directory(path: Path) -> None:
    """Makes names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
