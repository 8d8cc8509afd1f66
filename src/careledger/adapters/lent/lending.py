"""The lender's side: custodians and blocks of the process that has them, answered to whoever has the socket.

The socket is the owner's alone, who could open the directory itself. Custodians decide as they do for everybody, and
of blocks nothing but reading is lent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from careledger.adapters.custody.sockets import CallServer
from careledger.domain.errors import MalformedBytes, StoreUnavailable
from careledger.formats import cbor
from careledger.ports import Blocks, CustodianLink

Opened = Callable[[bytes, bytes], None]


def lend(path: Path, custodians: Mapping[int, CustodianLink], blocks: Blocks, opened: Opened) -> CallServer:
    """Serves these; ``start`` or ``serve`` it. ``opened`` is told the token's digest and the patient of each lease that
    a borrower opens."""

    def answer(method: str, body: bytes) -> bytes:
        match method:
            case "ask":
                number, asked, said = _given(body, int, str, bytes)
                link = custodians.get(number)
                if link is None:
                    raise StoreUnavailable(custodian=number)
                return link.call(asked, said)
            case "block":
                return blocks.unchecked(body)
            case "has":
                return cbor.encode(blocks.has(body))
            case "custodians":
                return cbor.encode(sorted(custodians))
            case "opened":
                opened(*_given(body, bytes, bytes))
                return b""
        raise MalformedBytes(method=method)

    return CallServer(path, answer)


def _given(body: bytes, *kinds: type) -> list[Any]:
    """Raises MalformedBytes unless it is a list of just these."""
    said = cbor.decode(body)
    if not isinstance(said, list) or [type(each) for each in said] != list(kinds):
        raise MalformedBytes(why="other arguments")
    return said
