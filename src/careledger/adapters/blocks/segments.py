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

from careledger.formats.cids import PREFIXES, RAW_PREFIX, Cid, is_block

FILE_MAGIC = b"careseg1"
MAGIC = b"CBLK"
HEADER = 48
_unpack = struct.Struct(">4sI4s32sI").unpack
MOST_BLOCK = 1 << 20
LENGTH_BITS, SEGMENT_BITS = 21, 56


class Place(NamedTuple):
    """Segment number, where a block's data starts (below 2³⁵), how long it is."""

    segment: int
    start: int
    length: int

    @property
    def packed(self) -> int:
        """In one number, so that an index of millions is light to keep."""
        return self.segment << SEGMENT_BITS | self.start << LENGTH_BITS | self.length

    @classmethod
    def of(cls, packed: int) -> Place:
        """What ``packed`` made."""
        start = (packed & ((1 << SEGMENT_BITS) - 1)) >> LENGTH_BITS
        return cls(packed >> SEGMENT_BITS, start, packed & ((1 << LENGTH_BITS) - 1))


def frame(cid: Cid, data: bytes) -> bytes:
    """A block as a record."""
    header = MAGIC + struct.pack(">I", len(data)) + cid
    return header + struct.pack(">I", crc32(header)) + data


Found = list[tuple[bytes, int]]


def _records(view: mmap.mmap, number: int) -> Found:
    """By SHA-256 the packed place of each record. One loop without calls: it is done for every block at each start."""
    found, at, size, segment = [], len(FILE_MAGIC), len(view), number << SEGMENT_BITS
    while 0 <= at < size:
        header = view[at : at + HEADER]
        if len(header) == HEADER:
            magic, length, prefix, digest, crc = _unpack(header)
            start = at + HEADER
            if (
                magic == MAGIC
                and crc32(header[:44]) == crc
                and prefix in PREFIXES
                and length <= MOST_BLOCK
                and start + length <= size
            ):
                found.append((digest, segment | start << LENGTH_BITS | length))
                at = start + length
                continue
        at = view.find(MAGIC, at + 1)
    return found


def _end(packed: int) -> int:
    place = Place.of(packed)
    return place.start + place.length


def _whole(view: mmap.mmap, digest: bytes, packed: int) -> bool:
    return is_block(RAW_PREFIX + digest, view[Place.of(packed).start : _end(packed)])


@dataclass(frozen=True, slots=True)
class Scan:
    """What a segment holds: records whose header is whole (SHA-256 and packed place), where the last of them ends, the
    file's size, and how many bytes before that end belong to no record (damage)."""

    records: Found
    end: int
    size: int
    unread: int


def scan(path: Path, number: int, last: bool) -> Scan:
    """Reads a segment's headers; in the ``last`` one, records with wrong data at the end do not count."""
    size = path.stat().st_size
    if size < len(FILE_MAGIC):
        return Scan([], size, size, 0)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
        records = _records(view, number)
        while last and records and not _whole(view, *records[-1]):
            records.pop()
        lost = 0 if view[: len(FILE_MAGIC)] == FILE_MAGIC else len(FILE_MAGIC)
    end = _end(records[-1][1]) if records else len(FILE_MAGIC)
    end = end if last else size
    used = len(FILE_MAGIC) + sum(HEADER + (packed & (1 << LENGTH_BITS) - 1) for _, packed in records)
    return Scan(records, end, size, lost + end - used)


def write_all(descriptor: int, data: bytes) -> None:
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
