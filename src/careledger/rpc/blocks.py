"""Methods on blocks, transactions and receipts."""

from __future__ import annotations

from typing import Any

from careledger.adapters.evm.blocks import Header
from careledger.rpc.method import Method, Parameter
from careledger.rpc.node import Node
from careledger.rpc.values import (
    BlockName,
    quantity,
    read_any_block,
    read_block,
    read_flag,
    read_hash,
    read_index,
)
from careledger.rpc.views import block_view, receipt_view, transaction_view


def _block(node: Node, named: BlockName, whole: bool) -> Any:
    header = node.find(named)
    if header is None:
        return None
    return block_view(header, header.hash, node.onlooker.transactions(header.number), whole)


def _by_hash(digest: Any, name: str) -> BlockName:
    return BlockName(digest=read_hash(digest, name))


def _number(node: Node) -> Any:
    return quantity(node.onlooker.head().number)


def _count(node: Node, named: BlockName) -> Any:
    header = node.find(named)
    return None if header is None else quantity(node.onlooker.count(header.number))


def _no_uncles(node: Node, named: BlockName) -> Any:
    return None if node.find(named) is None else quantity(0)


def _at(node: Node, named: BlockName, place: int) -> Any:
    header = node.find(named)
    return None if header is None else _transaction(node, header, place)


def _transaction(node: Node, header: Header, place: int) -> Any:
    signed = node.onlooker.transaction(header.number, place) if place < 1 << 63 else None
    return None if signed is None else transaction_view(header, header.hash, place, signed)


def _by_its_hash(node: Node, digest: bytes) -> Any:
    place = node.onlooker.place_of(digest)
    header = node.onlooker.header(place[0]) if place else None
    return None if place is None or header is None else _transaction(node, header, place[1])


def _receipt(node: Node, digest: bytes) -> Any:
    receipt = node.onlooker.receipt(digest)
    if receipt is None:
        return None
    header = node.onlooker.header(receipt.block)
    signed = node.onlooker.transaction(receipt.block, receipt.position)
    assert header is not None
    assert signed is not None
    return receipt_view(header.hash, signed, receipt, node.onlooker.logs_before(receipt))


def _receipts(node: Node, named: BlockName) -> Any:
    header = node.find(named)
    if header is None:
        return None
    views, before, digest = [], 0, header.hash
    signed, receipts = node.onlooker.transactions(header.number), node.onlooker.receipts(header.number)
    for each, receipt in zip(signed, receipts, strict=True):
        views.append(receipt_view(digest, each, receipt, before))
        before += len(receipt.logs)
    return views


_HASH = Parameter("block hash", _by_hash)
_NUMBER = Parameter("block", read_block)
_ANY = Parameter("block", read_any_block)
_WHOLE = Parameter("whole transactions", read_flag, False)
_PLACE = Parameter("position", read_index)
_TRANSACTION = Parameter("transaction hash", read_hash)

METHODS = (
    Method("eth_blockNumber", (), _number, "number of the newest block; every block is final"),
    Method("eth_getBlockByNumber", (_NUMBER, _WHOLE), _block, "a block, or null"),
    Method("eth_getBlockByHash", (_HASH, _WHOLE), _block, "a block, or null"),
    Method("eth_getBlockTransactionCountByNumber", (_NUMBER,), _count, "how many transactions, or null"),
    Method("eth_getBlockTransactionCountByHash", (_HASH,), _count, "how many transactions, or null"),
    Method("eth_getUncleCountByBlockNumber", (_NUMBER,), _no_uncles, "0: there are no forks"),
    Method("eth_getUncleCountByBlockHash", (_HASH,), _no_uncles, "0: there are no forks"),
    Method("eth_getBlockReceipts", (_ANY,), _receipts, "all receipts of a block, or null"),
    Method("eth_getTransactionByHash", (_TRANSACTION,), _by_its_hash, "a transaction, or null"),
    Method("eth_getTransactionByBlockNumberAndIndex", (_NUMBER, _PLACE), _at, "a transaction, or null"),
    Method("eth_getTransactionByBlockHashAndIndex", (_HASH, _PLACE), _at, "a transaction, or null"),
    Method(
        "eth_getTransactionReceipt",
        (_TRANSACTION,),
        _receipt,
        "a receipt, or null; `revertReason` has the revert data",
    ),
)
