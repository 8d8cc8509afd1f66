"""All segment files of one directory, and where in them each block lies; not safe for threads by itself."""

from __future__ import annotations

import os
from collections.abc import Container, Iterable, Iterator, Mapping
from pathlib import Path

from careledger.adapters.blocks.places import Known, Places
from careledger.adapters.blocks.segments import (
    FILE_MAGIC,
    HEADER,
    Found,
    Place,
    Scan,
    header,
    mark,
    scan,
    sync_directory,
    write_all,
)
from careledger.domain.errors import BlockNotFound, StoreUnavailable
from careledger.formats.cids import Block, Cid, is_block, is_chunk, text

BATCH = 16 << 20
APART = 1 << 16
"""Bytes from which a block is written by itself, without being copied."""


class SegmentSet:
    """Appends records durably, reads them, and rewrites segments without the blocks that are not wanted.

    After a failed write it refuses everything with StoreUnavailable: what is on disk is found out by opening again.
    """

    def __init__(self, directory: Path, segment_size: int) -> None:
        self._directory = directory
        self._segment_size = segment_size
        self._places = Places(directory, lambda number, end: mark(self._path(number), end))
        self._files: dict[int, int] = {}
        self._active = 0
        self._end = segment_size
        self._closed = False
        self._known: Known = {}
        self.torn = 0
        """Bytes at the end of the last segment that opening cut off."""
        self._open()

    def __contains__(self, digest: object) -> bool:
        return isinstance(digest, bytes) and self._find(digest) is not None

    def __len__(self) -> int:
        return sum(1 for _ in self._items())

    def __iter__(self) -> Iterator[Cid]:
        """The identifier, of a raw block, under which each block was stored."""
        return (Place.of(packed).named(digest) for digest, packed in self._items())

    def size_without(self, digests: Container[bytes]) -> int:
        """How long all blocks but these are together."""
        return sum(Place.of(packed).length for digest, packed in self._items() if digest not in digests)

    @property
    def unread(self) -> int:
        """Bytes in the segments that belong to no record: damage that reading them found."""
        return sum(unread for _, unread in self._known.values())

    def read(self, cid: Cid) -> bytes:
        """The bytes stored under an identifier, unchecked; raises BlockNotFound."""
        self._check_usable()
        packed = self._find(cid[4:])
        if packed is None:
            raise BlockNotFound(cid=text(cid))
        return self._read(packed)

    def read_again(self) -> None:
        """Finds every block anew in the segments themselves, whatever was known of them."""
        self._check_usable()
        self._places.clear()
        self._known = {}
        for number in sorted(self._files):
            self._take_in(number, scan(self._path(number), number, last=False))

    def append(self, blocks: Mapping[Cid, Block]) -> None:
        """Writes and syncs; the index changes only after that."""
        self._check_usable()
        try:
            for batch in _batches(blocks.items(), self._segment_size):
                self._append_batch(batch)
        except OSError as error:
            self._closed = True
            raise StoreUnavailable(why=type(error).__name__) from None

    def compact(self, live: Container[bytes]) -> int:
        """Removes all blocks but the live ones from disk; returns how many bytes less there are.

        Segments that hold anything else are copied without it to new ones; these are synced before the old files are
        deleted. What there is to copy the segments themselves tell, and where a header is damaged the index. A damaged
        block is not copied.
        """
        self._check_usable()
        dirty = self._dirty(live)
        if not dirty:
            return 0
        before = self._size()
        if self._active in dirty:
            self._end = self._segment_size  # the next append starts a new segment
        for number in sorted(dirty):
            self._copy(
                each for each in self._records(number) if each[0] in live and not self._is_elsewhere(*each)
            )
        self._copy([each for each in self._items() if each[0] in live and Place.of(each[1]).segment in dirty])
        for number in dirty:
            os.close(self._files.pop(number))
            del self._known[number]
            self._path(number).unlink()
        sync_directory(self._directory)
        try:
            self._places.keep(lambda packed: Place.of(packed).segment not in dirty, self._known)
        except StoreUnavailable:
            self.read_again()
        return before - self._size()

    def close(self) -> None:
        """Lets go of the files."""
        self._closed = True
        for descriptor in self._files.values():
            os.close(descriptor)
        self._files.clear()
        self._places.close()

    # Inside -------------------------------------------------------------------------------------

    def _path(self, number: int) -> Path:
        return self._directory / f"{number:08d}.seg"

    def _size(self) -> int:
        return sum(self._path(number).stat().st_size for number in self._files)

    def _check_usable(self) -> None:
        if self._closed:
            raise StoreUnavailable(why="the store is closed or a write to it failed; open it again")

    def _open(self) -> None:
        numbers = sorted(int(path.stem) for path in self._directory.glob("[0-9]*.seg"))
        self._known = self._places.open({number: self._path(number).stat().st_size for number in numbers})
        for number in numbers:
            start = self._known.get(number, (0, 0))[0]
            found = scan(self._path(number), number, number == numbers[-1], start)
            self._files[number] = os.open(self._path(number), os.O_RDWR | os.O_APPEND)
            self._active, self._end = number, found.end
            if number == numbers[-1] and found.end < found.size:
                self.torn = found.size - found.end
                os.ftruncate(self._files[number], found.end)
            self._take_in(number, found)
        if numbers:
            os.fsync(self._files[numbers[-1]])  # who was killed may not have: what is found counts as durable
        if self._end < len(FILE_MAGIC):
            self._end = (
                self._segment_size
            )  # an empty file that a crash left: never written to, collected later

    def _take_in(self, number: int, found: Scan) -> None:
        self._places.add(found.records)
        self._known[number] = (found.end, self._known.get(number, (0, 0))[1] + found.unread)
        self._places.settle(self._known)

    def _find(self, digest: bytes) -> int | None:
        try:
            return self._places.get(digest)
        except StoreUnavailable:  # a file of places, which can be made again
            self.read_again()
            return self._places.get(digest)

    def _items(self) -> Iterator[tuple[bytes, int]]:
        """Every block; raises StoreUnavailable, and then another time knows better."""
        try:
            yield from self._places.items()
        except StoreUnavailable:
            self.read_again()
            raise

    def _read(self, packed: int) -> bytes:
        place = Place.of(packed)
        try:
            return os.pread(self._files[place.segment], place.length, place.start)
        except OSError as error:
            raise StoreUnavailable(why=type(error).__name__) from None

    def _append_batch(self, batch: list[tuple[Cid, Block]]) -> None:
        if self._end >= self._segment_size:
            self._start_segment(self._active + 1)
        for data in _gathered(batch):
            write_all(self._files[self._active], data)
        os.fsync(self._files[self._active])
        placed = []
        for cid, block in batch:
            place = Place(self._active, self._end + HEADER, len(block), is_chunk(cid))
            placed.append((cid[4:], place.packed))
            self._end += HEADER + len(block)
        self._places.add(placed)
        self._known[self._active] = (self._end, self._known[self._active][1])
        self._places.settle(self._known)

    def _start_segment(self, number: int) -> None:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL
        self._files[number] = os.open(self._path(number), flags, 0o600)
        write_all(self._files[number], FILE_MAGIC)
        sync_directory(self._directory)
        self._active, self._end = number, len(FILE_MAGIC)
        self._known[number] = (self._end, 0)

    def _dirty(self, live: Container[bytes]) -> set[int]:
        """The segments that hold anything but live blocks."""
        used = dict.fromkeys(self._files, len(FILE_MAGIC))
        for digest, packed in self._items():
            if digest in live:
                place = Place.of(packed)
                used[place.segment] += HEADER + place.length
        sizes = {number: self._path(number).stat().st_size for number in used}
        return {number for number in used if used[number] != sizes[number] or self._known[number][1]}

    def _records(self, number: int) -> Found:
        return scan(self._path(number), number, last=False).records

    def _is_elsewhere(self, digest: bytes, packed: int) -> bool:
        """Whether that block is found, whole, at another place than this."""
        found = self._find(digest)
        return found not in (packed, None) and is_block(Place.of(found).named(digest), self._read(found))

    def _copy(self, blocks: Iterable[tuple[bytes, int]]) -> None:
        """Appends again what is whole of these."""
        whole: dict[Cid, bytes] = {}
        size = 0
        for digest, packed in blocks:
            cid, block = Place.of(packed).named(digest), self._read(packed)
            if is_block(cid, block):
                whole[cid] = block
                size += len(block)
            if size >= BATCH:
                self.append(whole)
                whole, size = {}, 0
        self.append(whole)


def _gathered(batch: list[tuple[Cid, Block]]) -> Iterator[Block]:
    """The records in order: small ones in one piece, each large block by itself."""
    waiting: list[Block] = []
    for cid, block in batch:
        waiting.append(header(cid, block))
        if len(block) < APART:
            waiting.append(block)
        else:
            yield b"".join(waiting)
            yield block
            waiting = []
    yield b"".join(waiting)


def _batches(blocks: Iterable[tuple[Cid, Block]], segment_size: int) -> Iterator[list[tuple[Cid, Block]]]:
    """Consecutive blocks that together fill about one segment."""
    batch: list[tuple[Cid, Block]] = []
    size = 0
    for cid, block in blocks:
        batch.append((cid, block))
        size += HEADER + len(block)
        if size >= segment_size:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
