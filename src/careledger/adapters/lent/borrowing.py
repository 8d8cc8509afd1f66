"""The borrower's side: custodians and blocks that another process of the directory has.

Where nobody lends, as while that process is replaced, NotHere is raised and nothing is concluded from silence: an
answer that lacks what the lender has would be another one than it gives.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from careledger.adapters.custody.sockets import CallClient, body_in
from careledger.adapters.lent.elsewhere import NotHere
from careledger.domain.errors import StoreUnavailable
from careledger.formats import cbor
from careledger.formats.cids import Block, Cid, check_block, check_cid, raw_cid

WITHIN = 60.0
"""Seconds for an answer; members' custodians, which the lender asks over a network, take the longest."""


class Line(CallClient):
    """One connection to the lender, for one thread at a time."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, WITHIN)

    def ask(self, method: str, body: bytes = b"") -> bytes:
        """The answer; raises what was raised there, NotHere where there is none."""
        reply = self.reply(method, body)
        if reply is None:
            raise NotHere
        return body_in(reply, method)


class LentCustodian:
    """A CustodianLink to a custodian that the lender serves, or reaches."""

    def __init__(self, party: int, path: Path) -> None:
        self._party, self._line = party, Line(path)

    @property
    def party(self) -> int:
        """The organisation's number on the ledger."""
        return self._party

    def call(self, method: str, body: bytes) -> bytes:
        """The answer's bytes; refusals are the same exceptions as there, with details as text. Raises NotHere."""
        return self._line.ask("ask", cbor.encode([self._party, method, body]))

    def close(self) -> None:
        """Ends the connection."""
        self._line.close()


class LentBlocks:
    """The port Blocks, to read from: every block is compared with its identifier."""

    def __init__(self, path: Path) -> None:
        self._line = Line(path)

    def get(self, cid: bytes) -> bytes:
        """The block; raises BlockNotFound, BlockMismatch, NotHere."""
        return check_block(cid, self.unchecked(cid))

    def unchecked(self, cid: bytes) -> bytes:
        """What the lender's store gives as that block; raises BlockNotFound, NotHere."""
        return self._line.ask("block", check_cid(cid))

    def has(self, cid: bytes) -> bool:
        """Whether the lender's store says that it has it; raises NotHere."""
        return bool(cbor.decode(self._line.ask("has", check_cid(cid))))

    def put_many(self, blocks: Sequence[Block], named: Callable[[Block], Cid] = raw_cid) -> list[bytes]:
        """Refused, as pins are: who has the store deposits."""
        raise StoreUnavailable(why="this process only reads blocks")

    def pin(self, owner: str, cids: Iterable[bytes]) -> None:
        """Refused."""
        raise StoreUnavailable(why="this process only reads blocks")

    def unpin(self, owner: str, cids: Iterable[bytes]) -> None:
        """Refused."""
        raise StoreUnavailable(why="this process only reads blocks")

    def close(self) -> None:
        """Ends the connection."""
        self._line.close()


class LentCustodians(Mapping[int, LentCustodian]):
    """Whom the lender serves or reaches, as it says when it is looked through, or asked for one that is not known here.

    So a custodian that is registered, or whose certificate comes, while a borrower runs is one of its own too. One that
    the lender gave up stays known and cannot be reached. Raises NotHere where nobody lends.
    """

    def __init__(self, path: Path) -> None:
        """Asks the lender; raises NotHere where nobody lends."""
        self._path, self._line = path, Line(path)
        self._links: dict[int, LentCustodian] = {}
        self._lock = threading.Lock()
        self._learn()

    def __getitem__(self, party: int) -> LentCustodian:
        if party not in self._links:
            self._learn()
        return self._links[party]

    def __iter__(self) -> Iterator[int]:
        self._learn()
        return iter(sorted(self._links))

    def __len__(self) -> int:
        return len(self._links)

    def close(self) -> None:
        """Ends every connection."""
        for link in self._links.values():
            link.close()
        self._links.clear()
        self._line.close()

    def _learn(self) -> None:
        with self._lock:
            said: list[Any] = cbor.decode(self._line.ask("custodians"))
            for party in map(int, said):
                if party not in self._links:
                    self._links[party] = LentCustodian(party, self._path)
