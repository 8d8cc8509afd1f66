"""The block store's twin in memory: the same promises but durability."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import BinaryIO

from careledger.adapters.blocks.car import read_car, write_car
from careledger.adapters.blocks.reports import Collected, Health, Repaired, Source, closure, mend
from careledger.adapters.blocks.segments import MOST_BLOCK
from careledger.domain.errors import BlockNotFound, MalformedBytes, StoreCorrupt
from careledger.formats.cids import (
    CHUNK_PREFIX,
    RAW_PREFIX,
    Block,
    Cid,
    check_block,
    check_cid,
    is_block,
    is_chunk,
    raw_cid,
    text,
)
from careledger.formats.large import open_large, put_stream


class MemoryBlocks:
    """See store.SegmentBlocks; ``blocks`` is open so that a test may damage what is stored."""

    def __init__(self, grace: float = 3600.0, clock: Callable[[], float] = time.monotonic) -> None:
        self.blocks: dict[bytes, bytes] = {}
        self._chunks: set[bytes] = set()
        self._pins: set[tuple[str, Cid]] = set()
        self._young: dict[bytes, float] = {}
        self._grace = grace
        self._clock = clock
        self._guard = threading.RLock()

    def put(self, data: bytes) -> Cid:
        """Stores one block."""
        return self.put_many([data])[0]

    def put_many(self, blocks: Sequence[Block], named: Callable[[Block], Cid] = raw_cid) -> list[Cid]:
        """The raw CIDs of these blocks; raises MalformedBytes for a block over 1 MiB."""
        if any(len(block) > MOST_BLOCK for block in blocks):
            raise MalformedBytes(why="block over 1 MiB")
        cids = [named(block) for block in blocks]
        with self._guard:
            for cid, block in zip(cids, blocks, strict=True):
                self.blocks[cid[4:]] = bytes(block)
                self._young[cid[4:]] = self._clock()
            self._chunks.update(cid[4:] for cid in cids if is_chunk(cid))
        return cids

    def get(self, cid: Cid) -> bytes:
        """The block, checked; raises BlockNotFound, BlockMismatch."""
        return check_block(cid, self.unchecked(cid))

    def unchecked(self, cid: Cid) -> bytes:
        """What is stored as that block, for who checks it; raises BlockNotFound."""
        data = self.blocks.get(check_cid(cid)[4:])
        if data is None:
            raise BlockNotFound(cid=text(cid))
        return data

    def has(self, cid: Cid) -> bool:
        """Whether a block is stored under this CID."""
        return check_cid(cid)[4:] in self.blocks

    def pin(self, owner: str, cids: Iterable[Cid]) -> None:
        """Keeps these blocks, and what they link to, for that owner; raises BlockNotFound and then pins none."""
        wanted = list(cids)
        with self._guard:
            for cid in wanted:
                if not self.has(cid):
                    raise BlockNotFound(cid=text(cid))
            self._pins |= {(owner, cid) for cid in wanted}

    def unpin(self, owner: str, cids: Iterable[Cid]) -> None:
        """The owner no longer needs them."""
        wanted = [check_cid(cid) for cid in cids]
        with self._guard:
            self._pins -= {(owner, cid) for cid in wanted}
            for cid in closure(wanted, self.get)[0]:
                self._young.pop(cid[4:], None)

    def pinned(self, owner: str) -> list[Cid]:
        """What an owner pins."""
        return sorted(cid for who, cid in self._pins if who == owner)

    def put_large(self, stream: BinaryIO) -> Cid:
        """Stores what a stream gives: one raw block up to 1 MiB, else chunks under an index block."""
        return put_stream(stream, self.put_many)

    def open_large(self, cid: Cid, offset: int = 0, length: int | None = None) -> bytes:
        """A range of what put_large stored."""
        return open_large(cid, self.get, offset, length)

    def export_car(self, cids: Iterable[Cid], file: BinaryIO) -> int:
        """Writes these blocks and what they link to as CAR version 1; returns how many blocks."""
        return write_car(cids, self.get, file)

    def import_car(self, file: BinaryIO) -> tuple[Cid, ...]:
        """Stores every block of a CAR file; returns its roots, unpinned."""
        return read_car(file, self.put_many)

    def collect(self) -> Collected:
        """Removes what nobody pins and whose grace is over; raises StoreCorrupt as the store on disk does."""
        with self._guard:
            live = self._live()
            gone = [digest for digest in self.blocks if digest not in live]
            return Collected(len(gone), sum(len(self.blocks.pop(digest)) for digest in gone))

    def unneeded(self) -> int:
        """How many bytes the blocks have that ``collect`` would remove; raises StoreCorrupt as it does."""
        with self._guard:
            live = self._live()
            return sum(len(block) for digest, block in self.blocks.items() if digest not in live)

    def tidy(self) -> int:
        """Nothing lies here that is no block."""
        return 0

    def verify(self) -> Health:
        """Hashes every block again and looks for every pinned one."""
        known = [
            ((CHUNK_PREFIX if digest in self._chunks else RAW_PREFIX) + digest, block)
            for digest, block in self.blocks.items()
        ]
        damaged = tuple(cid for cid, block in known if not is_block(cid, block))
        wanted, _ = closure({cid for _, cid in self._pins}, self.get)
        missing = tuple(cid for cid in wanted if not self.has(cid))
        return Health(len(known), sum(len(block) for _, block in known), damaged, missing, 0, 0)

    def repair(self, other: Source) -> Repaired:
        """Fetches every damaged or missing block from another store; it is checked before it is kept."""
        return mend(self.verify, other, lambda cid, block: self.blocks.__setitem__(cid[4:], block))

    def _live(self) -> set[bytes]:
        """The digests of what somebody pins, of what that links to, and of what was put a short time ago."""
        limit = self._clock() - self._grace
        self._young = {digest: put for digest, put in self._young.items() if put > limit}
        wanted, unreadable = closure({cid for _, cid in self._pins}, self.get)
        if unreadable:
            raise StoreCorrupt(why="an index block cannot be read", cid=text(unreadable[0]))
        return {cid[4:] for cid in wanted} | self._young.keys()

    def close(self) -> None:
        """Nothing to let go of."""
