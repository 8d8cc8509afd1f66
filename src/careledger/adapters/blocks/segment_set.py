"""All segment files of one directory and the index of what they hold; not safe for threads by itself."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from careledger.adapters.blocks.segments import (
    FILE_MAGIC,
    HEADER,
    Place,
    header,
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
        self._index: dict[bytes, int] = {}
        self._files: dict[int, int] = {}
        self._active = 0
        self._end = segment_size
        self._closed = False
        self._unread: dict[int, int] = {}
        self.torn = 0
        """Bytes at the end of the last segment that opening cut off."""
        self._open()

    def __contains__(self, digest: bytes) -> bool:
        return digest in self._index

    def __len__(self) -> int:
        return len(self._index)

    def __iter__(self) -> Iterator[bytes]:
        """The digest of each block."""
        return iter(self._index)

    @property
    def size(self) -> int:
        """How long all blocks together are."""
        return sum(Place.of(packed).length for packed in self._index.values())

    def size_of(self, digests: Iterable[bytes]) -> int:
        """How long those of these blocks are that are there."""
        found = (self._index.get(digest) for digest in digests)
        return sum(Place.of(packed).length for packed in found if packed is not None)

    @property
    def unread(self) -> int:
        """Bytes in the segments that belong to no record: damage found when opening."""
        return sum(self._unread.values())

    def named(self, digest: bytes) -> Cid:
        """The identifier, of a raw block, under which what is here by that digest was stored."""
        return Place.of(self._index[digest]).named(digest)

    def read(self, cid: Cid) -> bytes:
        """The bytes stored under an identifier, unchecked; raises BlockNotFound."""
        self._check_usable()
        packed = self._index.get(cid[4:])
        if packed is None:
            raise BlockNotFound(cid=text(cid))
        place = Place.of(packed)
        try:
            return os.pread(self._files[place.segment], place.length, place.start)
        except OSError as error:
            raise StoreUnavailable(why=type(error).__name__) from None

    def append(self, blocks: Mapping[Cid, Block]) -> None:
        """Writes and syncs; the index changes only after that."""
        self._check_usable()
        try:
            for batch in _batches(blocks.items(), self._segment_size):
                self._append_batch(batch)
        except OSError as error:
            self._closed = True
            raise StoreUnavailable(why=type(error).__name__) from None

    def compact(self, live: set[bytes]) -> int:
        """Removes all blocks but the live ones from disk; returns how many bytes less there are.

        Segments that hold anything else are copied without it to new ones; these are synced before the old files are
        deleted. A damaged block is not copied.
        """
        self._check_usable()
        dirty = self._dirty(live)
        if not dirty:
            return 0
        before = self._size()
        if self._active in dirty:
            self._end = self._segment_size  # the next append starts a new segment
        moving = [
            digest
            for digest, packed in self._index.items()
            if digest in live and Place.of(packed).segment in dirty
        ]
        for at in range(0, len(moving), 1024):
            self._copy(moving[at : at + 1024])
        self._index = {
            digest: packed for digest, packed in self._index.items() if Place.of(packed).segment not in dirty
        }
        for number in dirty:
            os.close(self._files.pop(number))
            self._unread.pop(number, None)
            self._path(number).unlink()
        sync_directory(self._directory)
        return before - self._size()

    def close(self) -> None:
        """Lets go of the files."""
        self._closed = True
        for descriptor in self._files.values():
            os.close(descriptor)
        self._files.clear()

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
        for number in numbers:
            found = scan(self._path(number), number, last=number == numbers[-1])
            self._files[number] = os.open(self._path(number), os.O_RDWR | os.O_APPEND)
            self._index.update(found.records)
            self._active, self._end = number, found.end
            self._unread[number] = found.unread
            if number == numbers[-1] and found.end < found.size:
                self.torn = found.size - found.end
                os.ftruncate(self._files[number], found.end)
        if self._end < len(FILE_MAGIC):
            self._end = (
                self._segment_size
            )  # an empty file that a crash left: never written to, collected later

    def _append_batch(self, batch: list[tuple[Cid, Block]]) -> None:
        if self._end >= self._segment_size:
            self._start_segment(self._active + 1)
        for data in _gathered(batch):
            write_all(self._files[self._active], data)
        os.fsync(self._files[self._active])
        for cid, block in batch:
            self._index[cid[4:]] = Place(self._active, self._end + HEADER, len(block), is_chunk(cid)).packed
            self._end += HEADER + len(block)

    def _start_segment(self, number: int) -> None:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL
        self._files[number] = os.open(self._path(number), flags, 0o600)
        write_all(self._files[number], FILE_MAGIC)
        sync_directory(self._directory)
        self._active, self._end = number, len(FILE_MAGIC)

    def _dirty(self, live: set[bytes]) -> set[int]:
        """The segments that hold anything but live blocks."""
        used = dict.fromkeys(self._files, len(FILE_MAGIC))
        for digest, packed in self._index.items():
            if digest in live:
                place = Place.of(packed)
                used[place.segment] += HEADER + place.length
        sizes = {number: self._path(number).stat().st_size for number in used}
        return {number for number in used if used[number] != sizes[number] or self._unread.get(number)}

    def _copy(self, digests: list[bytes]) -> None:
        whole: dict[Cid, bytes] = {}
        size = 0
        for digest in digests:
            cid = self.named(digest)
            block = self.read(cid)
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
