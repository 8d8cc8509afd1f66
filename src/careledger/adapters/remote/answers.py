"""What nodes answer, read strictly: blocks, receipts, logs. Anything else raises MalformedBytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from careledger.adapters.evm.engine import Log
from careledger.adapters.evm.tables import FoundLog
from careledger.domain.errors import MalformedBytes
from careledger.domain.facts import Head
from careledger.formats.signatures import Address

_LARGEST = 2**63


@dataclass(frozen=True, slots=True)
class SeenBlock:
    """A block as a node shows it; ``base_fee`` is 0 where there is none."""

    number: int
    hash: bytes
    parent: bytes
    time: int
    gas_limit: int
    base_fee: int

    @property
    def head(self) -> Head:
        """As the facts name it."""
        return Head(self.number, self.hash, self.time)


@dataclass(frozen=True, slots=True)
class SeenReceipt:
    """What became of a transaction, as a node shows it."""

    transaction: bytes
    block: int
    block_hash: bytes
    success: bool
    created: Address | None


def quantity(said: Any) -> int:
    """A number in hex."""
    if not isinstance(said, str) or not said.startswith("0x") or len(said) > 66:
        raise MalformedBytes(why="not a quantity")
    try:
        number = int(said, 16)
    except ValueError:
        raise MalformedBytes(why="not a quantity") from None
    return number


def octets(said: Any, size: int | None = None) -> bytes:
    """Bytes in hex, of that size if one is given."""
    if not isinstance(said, str) or not said.startswith("0x"):
        raise MalformedBytes(why="not bytes in hex")
    try:
        read = bytes.fromhex(said[2:])
    except ValueError:
        raise MalformedBytes(why="not bytes in hex") from None
    if size is not None and len(read) != size:
        raise MalformedBytes(why=f"not {size} bytes")
    return read


def block(said: Any) -> SeenBlock:
    """A block from eth_getBlockByNumber."""
    return SeenBlock(
        _small(_field(said, "number")),
        octets(_field(said, "hash"), 32),
        octets(_field(said, "parentHash"), 32),
        _small(_field(said, "timestamp")),
        quantity(_field(said, "gasLimit")),
        quantity(said.get("baseFeePerGas") or "0x0"),
    )


def receipt(said: Any) -> SeenReceipt:
    """A receipt of a mined transaction."""
    created = said.get("contractAddress") if isinstance(said, dict) else None
    status = quantity(_field(said, "status"))
    if status not in (0, 1):
        raise MalformedBytes(why="status")
    return SeenReceipt(
        octets(_field(said, "transactionHash"), 32),
        _small(_field(said, "blockNumber")),
        octets(_field(said, "blockHash"), 32),
        status == 1,
        None if created is None else octets(created, 20),
    )


def log(said: Any) -> FoundLog:
    """A log from eth_getLogs; ``place`` counts within the block."""
    topics = _field(said, "topics")
    if not isinstance(topics, list) or len(topics) > 4 or said.get("removed"):
        raise MalformedBytes(why="topics, or a removed log")
    return FoundLog(
        _small(_field(said, "blockNumber")),
        _small(_field(said, "transactionIndex")),
        _small(_field(said, "logIndex")),
        octets(_field(said, "transactionHash"), 32),
        Log(
            octets(_field(said, "address"), 20),
            tuple(octets(topic, 32) for topic in topics),
            octets(_field(said, "data")),
        ),
    )


def listed(said: Any) -> list[Any]:
    """A list."""
    if not isinstance(said, list):
        raise MalformedBytes(why="not a list")
    return said


def _field(said: Any, name: str) -> Any:
    if not isinstance(said, dict) or name not in said:
        raise MalformedBytes(why="missing", field=name)
    return said[name]


def _small(said: Any) -> int:
    number = quantity(said)
    if number >= _LARGEST:
        raise MalformedBytes(why="too large a number")
    return number
