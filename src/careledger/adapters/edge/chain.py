"""The ledger's blocks followed from one that the agent remembers: each hashed again, linked to the one before.

It shows that what the gateway says was in the chain's blocks; not that this is the chain that everybody sees: for that
an agent compares the hash with what custodians attest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from careledger.adapters.edge.http import Edge
from careledger.adapters.evm.blocks import Header, decode_header
from careledger.adapters.evm.rlp_trie import decode_rlp, ordered_root
from careledger.domain.errors import LedgerRewritten, MalformedBytes


@dataclass(frozen=True, slots=True)
class FollowedBlock:
    """A block whose hash, parent and roots hold; transactions and receipts are as they were hashed."""

    header: Header
    transactions: tuple[bytes, ...]
    receipts: tuple[bytes, ...]

    @property
    def logs(self) -> list[tuple[bytes, tuple[bytes, ...], bytes]]:
        """What contracts said in it: address, topics and data, in order."""
        found = []
        for receipt in self.receipts:
            fields: Any = decode_rlp(receipt if receipt[0] > 0x7F else receipt[1:])
            found += [(bytes(address), tuple(topics), bytes(data)) for address, topics, data in fields[3]]
        return found


def follow(edge: Edge, number: int = -1, parent: bytes = bytes(32)) -> Iterator[FollowedBlock]:
    """Every block after that one, in order, up to the newest; ``parent`` is its hash.

    Raises LedgerRewritten for one that does not continue it, MalformedBytes for one that is not what it says.
    """
    while True:
        said = edge.get(f"/blocks?after={number}")
        items = said.get("items")
        if not isinstance(items, list):
            raise MalformedBytes(why="no list of blocks")
        for each in items:
            made = _followed(each, number + 1, parent)
            number, parent = made.header.number, made.header.hash
            yield made
        if not items:
            return


def _followed(said: Any, number: int, parent: bytes) -> FollowedBlock:
    try:
        header = decode_header(_octets(said["header"]))
        transactions = tuple(_octets(each) for each in said["transactions"])
        receipts = tuple(_octets(each) for each in said["receipts"])
    except (AttributeError, KeyError, TypeError, ValueError):
        raise MalformedBytes(why="not a block") from None
    if header.number != number or header.parent != parent:
        raise LedgerRewritten(block=number)
    if (ordered_root(transactions), ordered_root(receipts)) != (header.transactions, header.receipts):
        raise MalformedBytes(why="not what the block's header covers", block=number)
    return FollowedBlock(header, transactions, receipts)


def _octets(written: str) -> bytes:
    return bytes.fromhex(written.removeprefix("0x"))
