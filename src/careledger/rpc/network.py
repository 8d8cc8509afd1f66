"""Methods about the chain as a whole, its fees (none) and this server."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from careledger.adapters.evm.engine import BLOCK_GAS_LIMIT
from careledger.rpc.method import Method, Parameter
from careledger.rpc.node import Node
from careledger.rpc.values import BlockName, invalid, quantity, read_block, read_list, read_quantity
from careledger.rpc.views import FREE

MOST_FEE_BLOCKS = 1_024
MOST_PERCENTILES = 100


def _chain_id(node: Node) -> Any:
    return quantity(node.chain.chain_id)


def _network(node: Node) -> Any:
    return str(node.chain.chain_id)


def _listening(node: Node) -> Any:
    return True


def _syncing(node: Node) -> Any:
    return False


def _accounts(node: Node) -> Any:
    return []


def _free(node: Node) -> Any:
    return FREE


def _version(node: Node) -> Any:
    return f"CareLedger/v{version('careledger')}/embedded"


def _read_count(value: Any, name: str) -> int:
    """A quantity, or as some clients send it a plain number."""
    count = value if type(value) is int else read_quantity(value, name, 64)
    if not 1 <= count <= MOST_FEE_BLOCKS:
        raise invalid(name, f"has to be 1 to {MOST_FEE_BLOCKS:,}")
    return count


def _read_percentile(value: Any, name: str) -> float:
    if type(value) not in (int, float) or not 0 <= value <= 100:
        raise invalid(name, "has to be a number from 0 to 100")
    return float(value)


def _read_percentiles(value: Any, name: str) -> list[float]:
    said: list[float] = read_list(value, name, MOST_PERCENTILES, _read_percentile)
    if said != sorted(said):
        raise invalid(name, "has to rise")
    return said


def _fee_history(node: Node, count: int, newest: BlockName, percentiles: list[float] | None) -> Any:
    last = node.number(newest)
    oldest = max(0, last - count + 1)
    blocks = range(oldest, last + 1)
    history: dict[str, Any] = {
        "oldestBlock": quantity(oldest),
        "baseFeePerGas": [FREE for _ in range(len(blocks) + 1)],
        "gasUsedRatio": [
            header.gas_used / BLOCK_GAS_LIMIT for header in map(node.onlooker.header, blocks) if header
        ],
    }
    if percentiles:
        history["reward"] = [[FREE for _ in percentiles] for _ in blocks]
    return history


METHODS = (
    Method("eth_chainId", (), _chain_id, "the chain id, under every signature"),
    Method("net_version", (), _network, "the chain id in decimal"),
    Method("net_listening", (), _listening, "true"),
    Method("eth_syncing", (), _syncing, "false: there is nobody to follow"),
    Method("eth_accounts", (), _accounts, "an empty list: the server holds no keys"),
    Method("web3_clientVersion", (), _version, "name and version of this server"),
    Method("eth_gasPrice", (), _free, "0: gas is free"),
    Method("eth_maxPriorityFeePerGas", (), _free, "0: gas is free"),
    Method(
        "eth_feeHistory",
        (
            Parameter("count", _read_count),
            Parameter("newest block", read_block),
            Parameter("percentiles", _read_percentiles, None),
        ),
        _fee_history,
        "fees of 0 for each block, and how much of the block's gas limit was used",
    ),
)
