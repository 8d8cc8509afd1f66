"""The ledger's blocks as they are hashed, so that an agent verifies the chain by itself from one that it remembers.

Only of a chain that is kept here: where the ledger is elsewhere its nodes are asked. What stands in blocks every
member reads; it names no person.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from msgspec import Meta, Struct

from careledger.adapters.evm.onlooker import Onlooker
from careledger.app.ledgers import embedded_folder
from careledger.app.settings import RemoteLedger
from careledger.domain.errors import BlockNotFound
from careledger.gateway.api.rows import Called, Row
from careledger.gateway.desk import Desk
from careledger.gateway.files import FOREVER

MOST, MOST_BYTES = 100, 2 * 1024 * 1024
Prefixed = Annotated[str, Meta(pattern="^0x[0-9a-f]*$")]


class LedgerBlock(Struct, frozen=True):
    """A block of the ledger: keccak-256 of the header is its hash, and the header has the roots of the two lists."""

    number: int
    hash: Prefixed
    header: Annotated[Prefixed, Meta(description="RLP, as the hash covers it.")]
    transactions: Annotated[list[Prefixed], Meta(description="As they were signed (EIP-2718), in order.")]
    receipts: Annotated[
        list[Prefixed], Meta(description="With their logs, as the receipts' root covers them.")
    ]


class AfterBlock(Struct, frozen=True, forbid_unknown_fields=True):
    """Which blocks."""

    after: Annotated[
        int, Meta(ge=-1, le=2**53, description="The last number that is known; -1 for none.")
    ] = -1
    limit: Annotated[
        int, Meta(ge=1, le=MOST, description="How many at most; fewer where they are large.")
    ] = 20


class LedgerBlocks(Struct, frozen=True):
    """Blocks by number, and the newest one's; ``next`` is the link to what follows, null at the end."""

    items: list[LedgerBlock]
    head: int
    next: str | None


def blocks(desk: Desk, called: Called) -> LedgerBlocks:
    """Those after a number; raises BlockNotFound where the ledger is elsewhere."""
    with _chain(desk) as chain:
        head, size = chain.head().number, 0
        items: list[LedgerBlock] = []
        for number in range(called.query.after + 1, head + 1):
            items.append(_block(chain, number))
            size += sum(map(len, (*items[-1].transactions, *items[-1].receipts)))
            if len(items) == called.query.limit or size > MOST_BYTES:
                break
    last = items[-1].number if items else called.query.after
    more = last < head
    following = f"{called.place}?after={last}&limit={called.query.limit}" if more else None
    return LedgerBlocks(items, head, following)


def block(desk: Desk, called: Called) -> LedgerBlock:
    """One of them; raises BlockNotFound."""
    with _chain(desk) as chain:
        return _block(chain, int(called.parts["block"]))


@contextmanager
def _chain(desk: Desk) -> Iterator[Onlooker]:
    settings = desk.world.settings
    if isinstance(settings.ledger, RemoteLedger):
        raise BlockNotFound(why="the ledger is not kept here; ask its nodes")
    chain = Onlooker(embedded_folder(desk.world.folder), settings.chain_id)
    try:
        yield chain
    finally:
        chain.close()


def _block(chain: Onlooker, number: int) -> LedgerBlock:
    header = chain.header(number)
    if header is None:
        raise BlockNotFound(number=number)
    return LedgerBlock(
        number,
        _hex(header.hash),
        _hex(header.encode()),
        [_hex(each.raw) for each in chain.transactions(number)],
        [_hex(each.encode()) for each in chain.receipts(number)],
    )


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


ROWS = (
    Row("GET", "/blocks", "blocks", "Blocks of the ledger, to be verified.", blocks, LedgerBlocks, query=AfterBlock,
        refusals=(BlockNotFound,), open=True),
    Row("GET", "/blocks/{block}", "block", "One block of the ledger.", block, LedgerBlock, refusals=(BlockNotFound,),
        open=True, kept=FOREVER),
)  # fmt: skip
