"""Blocks, transactions, receipts and logs as JSON, with the names and fields that Besu gives them at London."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from careledger.adapters.evm.blocks import Header, Receipt, bloom_of
from careledger.adapters.evm.engine import BLOCK_GAS_LIMIT, DIFFICULTY, ZERO_ADDRESS, Log
from careledger.adapters.evm.onlooker import PlacedLog
from careledger.adapters.evm.rlp_trie import decode_rlp, encode_rlp
from careledger.adapters.evm.transactions import SignedTransaction, read_transaction
from careledger.rpc.values import data, quantity

Json = dict[str, Any]
_NO_OMMERS = "0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347"
FREE = quantity(0)


def block_view(header: Header, digest: bytes, signed: Sequence[SignedTransaction], whole: bool) -> Json:
    """A block, with whole transactions or their hashes."""
    if whole:
        transactions: list[Any] = [
            transaction_view(header, digest, place, each) for place, each in enumerate(signed)
        ]
    else:
        transactions = [data(each.hash) for each in signed]
    return {
        "number": quantity(header.number),
        "hash": data(digest),
        "mixHash": data(bytes(32)),
        "parentHash": data(header.parent),
        "nonce": data(bytes(8)),
        "sha3Uncles": _NO_OMMERS,
        "logsBloom": data(header.bloom),
        "transactionsRoot": data(header.transactions),
        "stateRoot": data(header.state),
        "receiptsRoot": data(header.receipts),
        "miner": data(ZERO_ADDRESS),
        "difficulty": quantity(DIFFICULTY),
        "totalDifficulty": quantity(DIFFICULTY * (header.number + 1)),
        "extraData": data(header.extra),
        "baseFeePerGas": FREE,
        "size": quantity(_size(header, signed)),
        "gasLimit": quantity(BLOCK_GAS_LIMIT),
        "gasUsed": quantity(header.gas_used),
        "timestamp": quantity(header.timestamp),
        "uncles": [],
        "transactions": transactions,
    }


def _size(header: Header, signed: Sequence[SignedTransaction]) -> int:
    """How many bytes the block has in RLP: header, transactions, no ommers."""
    items = [each.raw if each.transaction.kind else decode_rlp(each.raw) for each in signed]
    return len(encode_rlp([decode_rlp(header.encode()), items, []]))


def transaction_view(header: Header, digest: bytes, place: int, signed: SignedTransaction) -> Json:
    """A transaction in its block."""
    transaction = signed.transaction
    _, parity, r, s = read_transaction(signed.raw, transaction.chain_id)
    view = {
        "blockHash": data(digest),
        "blockNumber": quantity(header.number),
        "chainId": quantity(transaction.chain_id),
        "from": data(signed.sender),
        "gas": quantity(transaction.gas),
        "gasPrice": FREE,
        "hash": data(signed.hash),
        "input": data(transaction.data),
        "nonce": quantity(transaction.nonce),
        "to": None if transaction.to is None else data(transaction.to),
        "transactionIndex": quantity(place),
        "type": quantity(transaction.kind),
        "value": quantity(0),
        "v": quantity(parity if transaction.kind else 2 * transaction.chain_id + 35 + parity),
        "r": quantity(r),
        "s": quantity(s),
    }
    if transaction.kind:
        fees: Json = {"maxFeePerGas": FREE, "maxPriorityFeePerGas": FREE, "accessList": []}
        view |= fees | {"yParity": quantity(parity)}
    return view


def receipt_view(digest: bytes, signed: SignedTransaction, receipt: Receipt, logs_before: int) -> Json:
    """A receipt; ``logs_before`` is how many logs of the block come before its own."""
    place = {
        "blockHash": data(digest),
        "blockNumber": quantity(receipt.block),
        "transactionHash": data(receipt.hash),
        "transactionIndex": quantity(receipt.position),
    }
    to = signed.transaction.to
    view = place | {
        "from": data(receipt.sender),
        "to": None if to is None else data(to),
        "contractAddress": None if receipt.created is None else data(receipt.created),
        "cumulativeGasUsed": quantity(receipt.cumulative_gas),
        "gasUsed": quantity(receipt.gas_used),
        "effectiveGasPrice": FREE,
        "logs": [_log_view(log, logs_before + at, place) for at, log in enumerate(receipt.logs)],
        "logsBloom": data(bloom_of(receipt.logs)),
        "status": quantity(receipt.success),
        "type": quantity(receipt.kind),
    }
    return view if receipt.success or not receipt.output else view | {"revertReason": data(receipt.output)}


def log_view(placed: PlacedLog) -> Json:
    """A log that was looked for."""
    found = placed.found
    place = {
        "blockHash": data(placed.block_hash),
        "blockNumber": quantity(found.block),
        "transactionHash": data(found.transaction),
        "transactionIndex": quantity(found.position),
    }
    return _log_view(found.log, placed.index, place)


def _log_view(log: Log, index: int, place: Json) -> Json:
    return place | {
        "address": data(log.address),
        "data": data(log.data),
        "logIndex": quantity(index),
        "removed": False,
        "topics": [data(topic) for topic in log.topics],
    }
