"""The one method that writes: a signed transaction, answered when its block is durable."""

from __future__ import annotations

from collections.abc import Sequence

from careledger.domain.errors import RpcRefused, StoreUnavailable, TransactionRefused
from careledger.rpc.method import Method, Parameter
from careledger.rpc.node import Node
from careledger.rpc.refusals import Refusal, of_transaction, refused
from careledger.rpc.values import data, read_data


def send_all(node: Node, raws: Sequence[bytes]) -> list[str | RpcRefused]:
    """The transactions' hashes or refusals in order; those that are taken share one block.

    Order of effects: the block is committed, then this returns. Sending the same bytes again is harmless.
    """
    try:
        outcomes = node.chain.send_many(raws)
    except StoreUnavailable:
        why = "the block could not be stored; look for the receipt before sending again"
        return [refused(Refusal.INTERNAL, why) for _ in raws]
    return [
        of_transaction(outcome) if isinstance(outcome, TransactionRefused) else data(outcome.hash)
        for outcome in outcomes
    ]


SEND = Method(
    "eth_sendRawTransaction",
    (Parameter("transaction", read_data),),
    send_all,
    "sends a signed transaction; its hash, once its block is durable",
)
"""Its ``run`` takes all transactions that go together."""
METHODS = (SEND,)
