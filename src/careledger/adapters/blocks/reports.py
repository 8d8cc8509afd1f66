"""What checking, collecting and repairing a block store found."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from careledger.domain.errors import BlockMismatch, BlockNotFound, MalformedBytes, StoreUnavailable
from careledger.formats.cids import DAG_CBOR, Cid, check_block, codec_of
from careledger.formats.large import links_of


class Source(Protocol):
    """Another store, asked for blocks; what it gives is checked."""

    def get(self, cid: Cid) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Health:
    """Every block hashed again. ``damaged``: other bytes than the CID names; ``missing``: pinned, or linked from
    what is pinned, and not there; ``torn``: bytes at the end of the last segment that opening cut off; ``unread``:
    bytes elsewhere that belong to no record, so that it is not known which block they were."""

    blocks: int
    bytes: int
    damaged: tuple[Cid, ...]
    missing: tuple[Cid, ...]
    torn: int
    unread: int

    @property
    def sound(self) -> bool:
        """Whether everything is there and right."""
        return not self.damaged and not self.missing and not self.unread


@dataclass(frozen=True, slots=True)
class Collected:
    """What collecting removed: blocks, and bytes on disk that are no longer there."""

    blocks: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Repaired:
    """What another store gave back, and what it could not give."""

    mended: tuple[Cid, ...]
    lost: tuple[Cid, ...]


def closure(cids: Iterable[Cid], get: Callable[[Cid], bytes]) -> tuple[dict[Cid, None], list[Cid]]:
    """These CIDs and what they link to, and the index blocks among them that cannot be read."""
    found: dict[Cid, None] = {}
    unreadable: list[Cid] = []
    waiting = list(cids)
    while waiting:
        cid = waiting.pop()
        if cid not in found:
            found[cid] = None
            if (links := links_in(cid, get)) is None:
                unreadable.append(cid)
            else:
                waiting += links
    return found, unreadable


def links_in(cid: Cid, get: Callable[[Cid], bytes]) -> tuple[Cid, ...] | None:
    """What a block links to; None for an index block that cannot be read."""
    try:
        return links_of(cid, get(cid)) if codec_of(cid) == DAG_CBOR else ()
    except (BlockNotFound, BlockMismatch, MalformedBytes):
        return None


def mend(verify: Callable[[], Health], other: Source, keep: Callable[[Cid, bytes], object]) -> Repaired:
    """Fetches what ``verify`` misses until nothing more can be had; a mended index may show more that is missing."""
    mended: list[Cid] = []
    lost: list[Cid] = []
    while True:
        health = verify()
        bad = [cid for cid in dict.fromkeys((*health.missing, *health.damaged)) if cid not in lost]
        if not bad:
            return Repaired(tuple(mended), tuple(lost))
        for cid in bad:
            try:
                keep(cid, check_block(cid, other.get(cid)))
                mended.append(cid)
            except (BlockNotFound, BlockMismatch, StoreUnavailable):
                lost.append(cid)
