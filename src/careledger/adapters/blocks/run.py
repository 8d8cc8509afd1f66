"""A sorted file of digests and the places of their blocks, written once and read by the page.

Entries of 44 bytes in order: digest (32), packed place (12). Then a filter, which says of nearly every digest that is
not there that it is not, and a trailer: uint64 entries, uint64 bytes of the filter, CRC-32 of all before, ``carerun1``.
In memory are the filter, two bytes for an entry, and of each page how its first digest begins and its CRC-32.
"""

from __future__ import annotations

import os
import struct
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from pathlib import Path
from zlib import crc32

from careledger.adapters.blocks.segments import write_all
from careledger.domain.errors import StoreCorrupt, StoreUnavailable

DIGEST, ENTRY = 32, 44
PAGE = 93
"""Entries that are read at once: 4 KiB."""
BITS = 16
"""Bits of the filter for each entry, of which two are set: one in sixty of what is not there is looked for."""
ALL = 1 << 64
MAGIC = b"carerun1"
_TRAILER = struct.Struct(">QQI8s")
_CHECKED = _TRAILER.size - 12
_PIECE = PAGE * ENTRY * 256
prefixes = struct.Struct(">QQ").unpack_from
"""The two numbers that a digest begins with."""
_each = struct.Struct(">QQ28x").iter_unpack
_first = struct.Struct(">Q").unpack_from


def entry(digest: bytes, packed: int) -> bytes:
    """One entry; of two with the same digest the greater is the later place."""
    return digest + packed.to_bytes(ENTRY - DIGEST, "big")


def place_in(made: bytes) -> int:
    """The packed place in an entry."""
    return int.from_bytes(made[DIGEST:], "big")


def write_run(path: Path, portions: Iterable[list[bytes]], most: int) -> int:
    """Writes entries, in order, at most so many; returns their CRC-32. Not synced: who opens it checks it."""
    bits = bytearray(max(1, most * BITS // 8))
    count, crc = 0, 0
    descriptor = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    try:
        for portion in portions:
            data = b"".join(portion)
            _mark(bits, data)
            write_all(descriptor, data)
            count, crc = count + len(portion), crc32(data, crc)
        last = bytes(bits) + struct.pack(">QQ", count, len(bits))
        crc = crc32(last, crc)
        write_all(descriptor, last + struct.pack(">I8s", crc, MAGIC))
    finally:
        os.close(descriptor)
    return crc


def _mark(bits: bytearray, data: bytes) -> None:
    """Sets the bits of these entries."""
    size = 8 * len(bits)
    for first, second in _each(data):
        first %= size
        second %= size
        bits[first >> 3] |= 1 << (first & 7)
        bits[second >> 3] |= 1 << (second & 7)


class Run:
    """One such file, open and checked; not safe for threads."""

    def __init__(self, path: Path, crc: int) -> None:
        """Reads all of it; raises StoreCorrupt unless it is the file of that CRC-32, StoreUnavailable."""
        self.path, self.crc = path, crc
        try:
            self._file = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            raise StoreCorrupt(missing=path.name) from None
        except OSError as error:
            raise StoreUnavailable(why=type(error).__name__) from None
        try:
            self.count, self._bits, self._firsts, self._sums = self._checked()
        except BaseException:
            self.close()
            raise
        self._size = 8 * len(self._bits)

    def close(self) -> None:
        """Lets go of the file; who reads on gets StoreUnavailable."""
        os.close(self._file)
        self._file = -1

    def find(self, digest: bytes, first: int, second: int) -> int | None:
        """The packed place of a block whose digest begins with these numbers."""
        bits, size = self._bits, self._size
        at = first % size
        if not bits[at >> 3] >> (at & 7) & 1:
            return None
        at = second % size
        if not bits[at >> 3] >> (at & 7) & 1:
            return None
        low = max(bisect_left(self._firsts, first) - 1, 0)
        high = bisect_right(self._firsts, first)
        page = self._read(low, high)
        at = page.find(digest)
        while at > 0 and at % ENTRY:
            at = page.find(digest, at + 1)
        return None if at < 0 else place_in(page[at : at + ENTRY])

    def between(self, low: int, high: int) -> list[bytes]:
        """The entries whose digest begins with a number from ``low`` to before ``high``, of 2⁶⁴, in order."""
        start, stop = self._below(low), self._below(high)
        first = start // PAGE
        found = _entries(self._read(first, -(-stop // PAGE)))
        return found[start - first * PAGE : stop - first * PAGE]

    def _below(self, bound: int) -> int:
        """How many entries are below."""
        if bound == ALL:
            return self.count
        page = bisect_left(self._firsts, bound) - 1
        if page < 0:
            return 0
        return page * PAGE + below(_entries(self._read(page, page + 1)), bound)

    def _read(self, first: int, last: int) -> bytes:
        """Pages from one to before another, as they were when the file was opened; raises StoreUnavailable."""
        length = (min(last * PAGE, self.count) - first * PAGE) * ENTRY
        if length <= 0:
            return b""
        try:
            data = os.pread(self._file, length, first * PAGE * ENTRY)
        except OSError as error:
            raise StoreUnavailable(why=type(error).__name__) from None
        altered = len(data) != length
        for page, at in enumerate(range(0, len(data), PAGE * ENTRY), first):
            altered |= crc32(data[at : at + PAGE * ENTRY]) != self._sums[page]
        if altered:
            raise StoreUnavailable(why="a file of blocks' places became another one")
        return data

    def _checked(self) -> tuple[int, bytes, array[int], array[int]]:
        size = os.fstat(self._file).st_size
        trailer = os.pread(self._file, _TRAILER.size, max(0, size - _TRAILER.size))
        if len(trailer) != _TRAILER.size:
            raise StoreCorrupt(why="cut", file=self.path.name)
        count, width, crc, magic = _TRAILER.unpack(trailer)
        if (magic, crc, count * ENTRY + width + _TRAILER.size) != (MAGIC, self.crc, size):
            raise StoreCorrupt(why="another file", file=self.path.name)
        found, firsts, sums = 0, array("Q"), array("I")
        for piece in self._pieces(count * ENTRY):
            found = crc32(piece, found)
            firsts.extend(_first(piece, at)[0] for at in range(0, len(piece), PAGE * ENTRY))
            sums.extend(crc32(piece[at : at + PAGE * ENTRY]) for at in range(0, len(piece), PAGE * ENTRY))
        bits = os.pread(self._file, width, count * ENTRY)
        if crc32(trailer[:_CHECKED], crc32(bits, found)) != crc:
            raise StoreCorrupt(why="altered", file=self.path.name)
        return count, bits, firsts, sums

    def _pieces(self, length: int) -> Iterator[bytes]:
        for start in range(0, length, _PIECE):
            piece = os.pread(self._file, min(_PIECE, length - start), start)
            if len(piece) != min(_PIECE, length - start):
                raise StoreCorrupt(why="cut", file=self.path.name)
            yield piece


def below(entries: list[bytes], bound: int) -> int:
    """How many of these entries, in order, have a digest that begins with less than ``bound``, of 2⁶⁴."""
    return len(entries) if bound == ALL else bisect_left(entries, bound.to_bytes(8, "big"))


def _entries(data: bytes) -> list[bytes]:
    return [data[at : at + ENTRY] for at in range(0, len(data), ENTRY)]
