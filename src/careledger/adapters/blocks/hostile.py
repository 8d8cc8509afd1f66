"""A block store that lies, forgets and fails on request, for tests of everything that relies on one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

from careledger.domain.errors import BlockNotFound, StoreUnavailable
from careledger.formats.cids import Block, Cid, raw_cid, text

T = TypeVar("T")


class Honest(Protocol):
    """What a hostile store stands in front of: the blocks port."""

    def put_many(self, blocks: Sequence[Block], named: Callable[[Block], Cid] = raw_cid) -> list[Cid]: ...

    def get(self, cid: Cid) -> bytes: ...

    def unchecked(self, cid: Cid) -> bytes: ...

    def has(self, cid: Cid) -> bool: ...

    def pin(self, owner: str, cids: Iterable[Cid]) -> None: ...

    def unpin(self, owner: str, cids: Iterable[Cid]) -> None: ...


class HostileBlocks:
    """Behaves like the store behind it until told otherwise.

    ``get`` and ``unchecked`` of a block it lies about return wrong bytes without an error, as a store may that nobody
    trusts.
    """

    def __init__(self, honest: Honest) -> None:
        self._honest = honest
        self._lies: dict[Cid, Callable[[bytes], bytes]] = {}
        self._forgotten: set[Cid] = set()
        self._failures: dict[tuple[str, bool], int] = {}
        self._lies_always = self._repeats = False
        self._wait: Callable[[], None] = lambda: None
        self.calls: dict[str, int] = {}

    def lie(self, cid: Cid, as_bytes: Callable[[bytes], bytes] | None = None) -> None:
        """From now on gives other bytes for this CID: what ``as_bytes`` makes of it, or one bit flipped."""
        self._lies[cid] = as_bytes or _flipped

    def lie_always(self) -> None:
        """From now on gives every block with one bit flipped."""
        self._lies_always = True

    def repeat(self) -> None:
        """From now on does everything twice."""
        self._repeats = True

    def delay(self, wait: Callable[[], None]) -> None:
        """From now on calls ``wait`` before everything."""
        self._wait = wait

    def forget(self, cid: Cid) -> None:
        """From now on says that it has no such block."""
        self._forgotten.add(cid)

    def fail(self, method: str, persisted: bool, times: int = 1) -> None:
        """The next calls of a method raise StoreUnavailable, before or after they had their effect."""
        self._failures[(method, persisted)] = times

    def put_many(self, blocks: Sequence[Block], named: Callable[[Block], Cid] = raw_cid) -> list[Cid]:
        """As the port says, or as told."""
        return self._call("put_many", lambda: self._honest.put_many(blocks, named))

    def get(self, cid: Cid) -> bytes:
        """As the port says, or as told."""
        return self._told(cid, self._honest.get)

    def unchecked(self, cid: Cid) -> bytes:
        """As the port says, or as told."""
        return self._told(cid, self._honest.unchecked)

    def _told(self, cid: Cid, get: Callable[[Cid], bytes]) -> bytes:
        if cid in self._forgotten:
            raise BlockNotFound(cid=text(cid))
        data = self._call("get", lambda: get(cid))
        if self._lies_always:
            return _flipped(data)
        return self._lies[cid](data) if cid in self._lies else data

    def has(self, cid: Cid) -> bool:
        """As the port says, or as told."""
        return cid not in self._forgotten and self._call("has", lambda: self._honest.has(cid))

    def pin(self, owner: str, cids: Iterable[Cid]) -> None:
        """As the port says, or as told."""
        self._call("pin", lambda: self._honest.pin(owner, cids))

    def unpin(self, owner: str, cids: Iterable[Cid]) -> None:
        """As the port says, or as told."""
        self._call("unpin", lambda: self._honest.unpin(owner, cids))

    def _call(self, method: str, does: Callable[[], T]) -> T:
        self.calls[method] = self.calls.get(method, 0) + 1
        self._wait()
        self._raise_if_told(method, persisted=False)
        result = does()
        if self._repeats:
            result = does()
        self._raise_if_told(method, persisted=True)
        return result

    def _raise_if_told(self, method: str, persisted: bool) -> None:
        left = self._failures.get((method, persisted), 0)
        if left:
            self._failures[(method, persisted)] = left - 1
            raise StoreUnavailable(method=method)


def _flipped(data: bytes) -> bytes:
    return bytes([data[0] ^ 1]) + data[1:] if data else b"\x00"
