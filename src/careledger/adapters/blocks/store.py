"""The embedded block store: one directory with segment files, pins and a lock.

Order of effects in ``put_many``: records appended, then the file synced, then the index in memory changed, then
the CIDs returned. A crash before the sync leaves bytes that nobody was told of; opening cuts a torn end off.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import BinaryIO, Self

from careledger.adapters.blocks.car import read_car, write_car
from careledger.adapters.blocks.needed import Needed
from careledger.adapters.blocks.pins import Pins
from careledger.adapters.blocks.reports import Collected, Health, Repaired, Source, closure, mend
from careledger.adapters.blocks.segment_set import SegmentSet
from careledger.adapters.blocks.segments import MOST_BLOCK, sync_directory
from careledger.adapters.blocks.young import Young
from careledger.adapters.locks import hold
from careledger.domain.errors import BlockNotFound, MalformedBytes, StoreCorrupt
from careledger.formats.cids import Block, Cid, check_block, check_cid, is_block, raw_cid, text
from careledger.formats.large import open_large, put_stream

SEGMENT_SIZE = 64 << 20
GRACE = 3600.0


class SegmentBlocks:
    """Blocks of at most 1 MiB by CID, durable when a call returns; safe for threads, one process at a time.

    A block is found by its digest, whatever codec the CID names. Pinning an index block of formats.large keeps its
    chunks too. Raises StoreUnavailable when the disk refuses; then open the directory again.
    """

    def __init__(
        self,
        directory: Path,
        segment_size: int = SEGMENT_SIZE,
        grace: float = GRACE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Opens or makes the directory; raises DirectoryInUse if another process has it open, DirectoryNotWritable,
        StoreCorrupt where there are blocks and nothing says who needs them.

        ``grace``: for how many seconds after it was put a block that was never pinned is not collected.
        """
        self._lock = hold(directory)
        self._clock = clock
        self._guard = threading.RLock()
        self._segments = SegmentSet(directory, segment_size)
        try:
            self._pins = Pins(directory / "pins.db", new=not len(self._segments))
        except BaseException:
            self._segments.close()
            os.close(self._lock)
            raise
        self._young = Young(grace)
        sync_directory(directory)

    def put(self, data: bytes) -> Cid:
        """Stores one block; as put_many."""
        return self.put_many([data])[0]

    def put_many(self, blocks: Sequence[Block], named: Callable[[Block], Cid] = raw_cid) -> list[Cid]:
        """The raw CIDs of these blocks, all durable; raises MalformedBytes for a block over 1 MiB."""
        if any(len(block) > MOST_BLOCK for block in blocks):
            raise MalformedBytes(why="block over 1 MiB")
        cids = [named(block) for block in blocks]
        with self._guard:
            new = {cid: block for cid, block in zip(cids, blocks, strict=True) if not self._is_whole(cid)}
            self._segments.append(new)
            self._young.put((cid[4:] for cid in cids), self._clock())
        return cids

    def get(self, cid: Cid) -> bytes:
        """The block, checked; raises BlockNotFound, BlockMismatch."""
        return check_block(cid, self.unchecked(cid))

    def unchecked(self, cid: Cid) -> bytes:
        """What is stored as that block, for who checks it; raises BlockNotFound."""
        with self._guard:
            return self._segments.read(check_cid(cid))

    def has(self, cid: Cid) -> bool:
        """Whether a block is stored under this CID (its bytes are not read)."""
        with self._guard:
            return check_cid(cid)[4:] in self._segments

    def pin(self, owner: str, cids: Iterable[Cid]) -> None:
        """Keeps these blocks, and what they link to, for that owner; raises BlockNotFound and then pins none."""
        wanted = list(cids)
        with self._guard:
            lacking = next((cid for cid in wanted if check_cid(cid)[4:] not in self._segments), None)
            if lacking is not None:
                raise BlockNotFound(cid=text(lacking))
            self._pins.add(owner, wanted)
            self._grow_up(wanted)

    def unpin(self, owner: str, cids: Iterable[Cid]) -> None:
        """The owner no longer needs them; repeating is harmless. The grace of what they name ends too."""
        wanted = [check_cid(cid) for cid in cids]
        with self._guard:
            self._pins.drop(owner, wanted)
            self._grow_up(wanted)

    def pinned(self, owner: str) -> list[Cid]:
        """What an owner pins."""
        with self._guard:
            return self._pins.of(owner)

    # Large bodies and CAR files -------------------------------------------------------------------

    def put_large(self, stream: BinaryIO) -> Cid:
        """Stores what a stream gives: one raw block up to 1 MiB, else chunks under an index block."""
        return put_stream(stream, self.put_many)

    def open_large(self, cid: Cid, offset: int = 0, length: int | None = None) -> bytes:
        """A range of what put_large stored; see formats.large.open_large."""
        return open_large(cid, self.get, offset, length)

    def export_car(self, cids: Iterable[Cid], file: BinaryIO) -> int:
        """Writes these blocks and what they link to as CAR version 1; returns how many blocks."""
        return write_car(cids, self.get, file)

    def import_car(self, file: BinaryIO) -> tuple[Cid, ...]:
        """Stores every block of a CAR file; returns its roots, unpinned."""
        return read_car(file, self.put_many)

    # Looking after the store ----------------------------------------------------------------------

    def collect(self) -> Collected:
        """Removes from disk what nobody pins and whose grace is over.

        Survivors are written to new segments and synced before the old files are deleted: a crash between leaves
        both, and collecting again finishes. What the file system or the disk itself keeps is out of reach. Raises
        StoreCorrupt while a pinned index block cannot be read, because then it is not known what is needed: repair.
        """
        with self._guard:
            before = len(self._segments)
            with self._needed() as needed:
                freed = self._segments.compact(needed)
            return Collected(before - len(self._segments), freed)

    def unneeded(self) -> int:
        """How many bytes the blocks have that ``collect`` would remove; raises StoreCorrupt as it does."""
        with self._guard, self._needed() as needed:
            return self._segments.size_without(needed)

    def tidy(self) -> int:
        """Gives back what belongs to no block and removes no whole one; returns how many bytes less there are."""
        with self._guard:
            return self._segments.compact(self._segments)

    def verify(self) -> Health:
        """Finds every block again in the segments, hashes it, and looks for every pinned one."""
        with self._guard:
            self._segments.read_again()
            damaged = tuple(cid for cid in self._segments if not self._is_whole(cid))
            with Needed() as needed:
                needed.add(self._pins.all(), self.get)
                missing = tuple(cid for cid in needed if not self.has(cid))
            found = self._segments
            size = found.size_without(frozenset())
            return Health(len(found), size, damaged, missing, found.torn, found.unread)

    def repair(self, other: Source) -> Repaired:
        """Fetches every damaged or missing block from another store; it is checked before it is kept."""
        with self._guard:
            return mend(self.verify, other, lambda cid, block: self._segments.append({cid: block}))

    def close(self) -> None:
        """Lets go of the directory."""
        with self._guard:
            self._segments.close()
            self._pins.close()
            os.close(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _needed(self) -> Needed:
        """What somebody pins, what that links to, and what is young; raises StoreCorrupt where it is not known."""
        needed = Needed()
        try:
            needed.add(self._pins.all(), self.get)
            if needed.unreadable:
                raise StoreCorrupt(why="an index block cannot be read", cid=text(needed.unreadable[0]))
            needed.digests(self._young.at(self._clock()))
        except BaseException:
            needed.close()
            raise
        return needed

    def _grow_up(self, cids: Iterable[Cid]) -> None:
        """The grace of these, and of what they link to, is over."""
        if len(self._young):
            self._young.drop(cid[4:] for cid in closure(cids, self.get)[0])

    def _is_whole(self, cid: Cid) -> bool:
        return self.has(cid) and is_block(cid, self._segments.read(cid))
