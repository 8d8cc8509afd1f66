"""Questions about the chain as it stands at a block that the nodes agreed on, and their answers as values."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, TypeVar

from careledger.adapters.evm.engine import ZERO_ADDRESS
from careledger.adapters.evm.node import GAS
from careledger.adapters.evm.revert import revert_reason
from careledger.adapters.evm.tables import FoundLog
from careledger.adapters.remote import answers
from careledger.adapters.remote.answers import SeenReceipt
from careledger.adapters.remote.nodes import Nodes
from careledger.adapters.remote.rpc import Question, RpcError
from careledger.domain.errors import LedgerRefused, MalformedBytes, NodeUnavailable
from careledger.domain.facts import Head
from careledger.formats.signatures import Address

AT_ONCE = 200
"""Questions in one array."""
_REFUSALS = ("revert", "out of gas", "invalid opcode", "invalidfeopcode")
T = TypeVar("T")


def counts(nodes: Nodes, head: Head, senders: Collection[Address]) -> dict[Address, int]:
    """How many transactions of each sender the chain holds up to that block; raises NodeUnavailable, LedgerStale."""
    asked = list(senders)
    said = _many(nodes, head, [("eth_getTransactionCount", [_hex(each), hex(head.number)]) for each in asked])
    return {sender: _read(answers.quantity, each) for sender, each in zip(asked, said, strict=True)}


def receipts(nodes: Nodes, head: Head, transactions: Collection[bytes]) -> list[SeenReceipt]:
    """Of these transactions the receipts that there are; raises NodeUnavailable, LedgerStale."""
    said = _many(nodes, head, [("eth_getTransactionReceipt", [_hex(each)]) for each in transactions])
    found = [_read(answers.receipt, each) for each in said if each is not None]
    return [each for each in found if each.block <= head.number]


def block_receipts(nodes: Nodes, head: Head, numbers: Sequence[int]) -> list[SeenReceipt] | None:
    """Every receipt of these blocks; None from a node that does not know the question."""
    said = _many(nodes, head, [("eth_getBlockReceipts", [hex(number)]) for number in numbers])
    if any(isinstance(each, RpcError) for each in said):
        return None
    return [_read(answers.receipt, one) for each in said for one in _read(answers.listed, each)]


def logs(
    nodes: Nodes, last: Head, first: int, addresses: Collection[Address], topics: Sequence[bytes | None]
) -> list[FoundLog] | None:
    """Logs of these contracts in blocks first…last, in chain order; None from a node that wants fewer blocks."""
    asked = {
        "fromBlock": hex(first),
        "toBlock": hex(last.number),
        "address": [_hex(each) for each in addresses],
        "topics": [None if each is None else _hex(each) for each in topics],
    }
    (said,) = nodes.read([("eth_getLogs", [asked])], last.number, last.hash)
    if isinstance(said, RpcError):
        return None
    found = sorted(
        (_read(answers.log, each) for each in _read(answers.listed, said)),
        key=lambda each: (each.block, each.place),
    )
    if any(not first <= each.block <= last.number or each.log.address not in addresses for each in found):
        raise NodeUnavailable(why="other logs than asked for")
    return found


def call(nodes: Nodes, head: Head, to: Address | None, data: bytes, sender: Address = ZERO_ADDRESS) -> bytes:
    """What a contract, or with ``to`` None a constructor, answers after that block; raises LedgerRefused."""
    asked = {"from": _hex(sender), "data": _hex(data), "gas": hex(GAS)}
    if to is not None:
        asked["to"] = _hex(to)
    (said,) = nodes.read([("eth_call", [asked, hex(head.number)])], head.number, head.hash)
    if not isinstance(said, RpcError):
        return _read(answers.octets, said)
    if said.data is not None or any(word in said.message.lower() for word in _REFUSALS):
        raise LedgerRefused(reason=revert_reason(said.data or b""))
    raise NodeUnavailable(why="no answer to a call", code=said.code, said=said.message)


def _many(nodes: Nodes, head: Head, questions: list[Question]) -> list[Any]:
    return [each for part in _parts(questions) for each in nodes.read(part, head.number, head.hash)]


def _parts(questions: list[Question]) -> Iterator[list[Question]]:
    for at in range(0, len(questions), AT_ONCE):
        yield questions[at : at + AT_ONCE]


def _read(how: Callable[[Any], T], said: Any) -> T:
    if isinstance(said, RpcError):
        raise NodeUnavailable(code=said.code, said=said.message)
    try:
        return how(said)
    except MalformedBytes as error:
        raise NodeUnavailable(**error.details) from None


def _hex(value: bytes) -> str:
    return "0x" + value.hex()
