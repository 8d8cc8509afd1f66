"""What a request is refused with: code and message as Besu 26 gives them, and after a colon what exactly was wrong.

``data`` is for revert data alone: tools take whatever stands there for it.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

from careledger.adapters.evm.revert import revert_reason
from careledger.domain.errors import RpcRefused, TransactionRefused


class Refusal(Enum):
    """Code and message by what is wrong."""

    PARSE = -32700, "Parse error"
    REQUEST = -32600, "Invalid Request"
    METHOD = -32601, "Method not found"
    NOT_ENABLED = -32604, "Method not enabled"
    PARAMS = -32602, "Invalid params"
    INTERNAL = -32603, "Internal error"
    REVERTED = 3, "Execution reverted"
    HALTED = -32000, "Transaction processing could not be completed due to an exception"
    KNOWN = -32000, "Known transaction"
    CHAIN_ID = -32000, "Wrong chainId"
    BLOCK_NOT_FOUND = -32000, "Block not found"
    FILTER_NOT_FOUND = -32000, "Filter not found"
    NONCE_TOO_LOW = -32001, "Nonce too low"
    SIGNATURE = -32002, "Invalid signature"
    INTRINSIC_GAS = -32003, "Intrinsic gas exceeds gas limit"
    COST = -32004, "Upfront cost exceeds account balance"
    GAS_LIMIT = -32005, "Transaction gas limit exceeds block gas limit"
    RANGE = -32005, "Requested range exceeds maximum RPC range limit"
    BATCH = -32005, "Number of requests exceeds max batch size"
    SIZE = -32005, "Answer exceeds the size limit"
    FILTERS = -32005, "Maximum number of active filters exceeded"
    NONCE_TOO_HIGH = -32006, "Nonce too high"
    SENDER = -32007, "Sender account not authorized to send transactions"
    UNKNOWN_BLOCK = -39001, "Unknown block"


def refused(kind: Refusal, why: str | None = None) -> RpcRefused:
    """The refusal as an exception; ``why`` follows Besu's message."""
    code, message = kind.value
    return RpcRefused(code=code, message=f"{message}: {why}" if why else message)


def error_of(error: RpcRefused) -> dict[str, Any]:
    """The error object of the answer: code, message, and data where there is revert data."""
    return dict(error.details)


_OF_TRANSACTIONS = {
    "malformed": Refusal.PARAMS,
    "type": Refusal.PARAMS,
    "access list": Refusal.PARAMS,
    "chain id": Refusal.CHAIN_ID,
    "gas price": Refusal.COST,
    "value": Refusal.COST,
    "signature": Refusal.SIGNATURE,
    "nonce too low": Refusal.NONCE_TOO_LOW,
    "nonce too high": Refusal.NONCE_TOO_HIGH,
    "gas too low": Refusal.INTRINSIC_GAS,
    "gas too high": Refusal.GAS_LIMIT,
    "sender is a contract": Refusal.SENDER,
    "known": Refusal.KNOWN,
}
_SENTENCES = {
    "gas price": "gas is free here: the price has to be 0",
    "value": "there are no coins here: the value has to be 0",
    "access list": "access lists are not taken here",
    "type": "only transactions of type 0 with EIP-155 and of type 2 are taken here",
    "nonce too high": "a nonce that leaves a gap is refused here; the next is {expected}",
}


def of_transaction(error: TransactionRefused) -> RpcRefused:
    """What a transaction that the chain does not take is refused with."""
    why = str(error.details["why"])
    sentence = _SENTENCES.get(why, "").format_map(_Details(error.details)) or None
    return refused(_OF_TRANSACTIONS.get(why, Refusal.PARAMS), sentence)


class _Details(dict[str, object]):
    """Details for a sentence; the largest nonce of all has no next one to name."""

    def __missing__(self, key: str) -> str:
        return "in eth_getTransactionCount"


def reverted(output: bytes) -> RpcRefused:
    """What a call that a contract refused is answered with: its reason in the message, its bytes as data."""
    code, message = Refusal.REVERTED.value
    said = f"{message}: {revert_reason(output)}" if output else message
    return RpcRefused(code=code, message=said, data="0x" + output.hex())
