"""Segment files: append-only records of blocks, found again by reading the file.

A file is ``careseg1``, then records: ``CBLK``, uint32 data length, CID (36), CRC-32 of those 44 bytes, the data.
The CID is the data's check. After damage, reading goes on at the next record whose header is whole.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from careledger.formats.cids import PREFIXES, Cid, is_block

FILE_MAGIC = b"careseg1"
MAGIC = b"CBLK"
HEADER = 48
_unpack = struct.Struct(">4sI36sI").unpack
MOST_BLOCK = 1 << 20


class Record(NamedTuple):
    """A block found in a segment: its CID, where its data starts, how long it is."""

    cid: Cid
    start: int
    length: int

    @property
    def end(self) -> int:
        """Where the next record starts."""
        return self.start + self.length


def frame(cid: Cid, data: bytes) -> bytes:
    """A block as a record."""
    header = MAGIC + struct.pack(">I", len(data)) + cid
    return header + struct.pack(">I", crc32(header)) + data


def _record_at(view: mmap.mmap, at: int) -> Record | None:
    header = view[at : at + HEADER]
    if len(header) < HEADER:
        return None
    magic, length, cid, crc = _unpack(header)
    if magic != MAGIC or crc32(header[:44]) != crc or cid[:4] not in PREFIXES:
        return None
    start = at + HEADER
    return None if length > MOST_BLOCK or start + length > len(view) else Record(cid, start, length)


def _whole(view: mmap.mmap, record: Record) -> bool:
    return is_block(record.cid, view[record.start : record.end])


def _records(view: mmap.mmap) -> Iterator[Record]:
    at = len(FILE_MAGIC)
    while 0 <= at < len(view):
        record = _record_at(view, at)
        if record is None:
            at = view.find(MAGIC, at + 1)
        else:
            yield record
            at = record.start + record.length


@dataclass(frozen=True, slots=True)
class Scan:
    """What a segment holds: records whose header is whole, where the last of them ends, the file's size, and how many
    bytes before that end belong to no record (damage)."""

    records: tuple[Record, ...]
    end: int
    size: int
    unread: int


def scan(path: Path, last: bool) -> Scan:
    """Reads a segment's headers; in the ``last`` one, records with wrong data at the end do not count."""
    size = path.stat().st_size
    if size < len(FILE_MAGIC):
        return Scan((), size, size, 0)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
        records = list(_records(view))
        while last and records and not _whole(view, records[-1]):
            records.pop()
        lost = 0 if view[: len(FILE_MAGIC)] == FILE_MAGIC else len(FILE_MAGIC)
    end = records[-1].end if records else len(FILE_MAGIC)
    end = end if last else size
    used = len(FILE_MAGIC) + sum(HEADER + record.length for record in records)
    return Scan(tuple(records), end, size, lost + end - used)


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
