"""Which logs a request asks for: emitters, topics by place, and a range of blocks or one block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from careledger.adapters.evm.log_search import Topics
from careledger.rpc.values import (
    NEWEST,
    BlockName,
    invalid,
    read_address,
    read_block,
    read_fields,
    read_hash,
    read_list,
)

MOST_ADDRESSES = 1_000
MOST_TOPICS = 1_000  # alternatives at one place
_PLACES = 4
_FIELDS = frozenset({"address", "topics", "fromBlock", "toBlock", "blockHash"})


@dataclass(frozen=True, slots=True)
class Criteria:
    """What is asked for; ``only`` is the hash of the single block that is searched, if one was named."""

    first: BlockName
    last: BlockName
    only: bytes | None
    addresses: frozenset[bytes]
    topics: Topics


def read_criteria(value: Any, name: str) -> Criteria:
    """The criteria of eth_getLogs and eth_newFilter; raises RpcRefused."""
    said = read_fields(value, name, _FIELDS)
    only = read_hash(said["blockHash"], f"{name}.blockHash") if "blockHash" in said else None
    if only is not None and ("fromBlock" in said or "toBlock" in said):
        raise invalid(f"{name}.blockHash", "does not go with fromBlock or toBlock")
    first, last = (
        read_block(said[field], f"{name}.{field}") if field in said else NEWEST
        for field in ("fromBlock", "toBlock")
    )
    addresses = _addresses(said["address"], f"{name}.address") if "address" in said else frozenset()
    topics = read_list(said.get("topics", []), f"{name}.topics", _PLACES, _topic)
    return Criteria(first, last, only, addresses, tuple(topics))


def _addresses(value: Any, name: str) -> frozenset[bytes]:
    """One address, or a list of them; an empty list asks for anybody's, as on Besu."""
    if isinstance(value, list):
        return frozenset(read_list(value, name, MOST_ADDRESSES, read_address))
    return frozenset([read_address(value, name)])


def _topic(value: Any, name: str) -> frozenset[bytes] | None:
    """What may stand at one place: a topic, one of several, or with null anything."""
    if value is None:
        return None
    if not isinstance(value, list):
        return frozenset([read_hash(value, name)])
    wanted = read_list(
        value, name, MOST_TOPICS, lambda each, at: each if each is None else read_hash(each, at)
    )
    return None if None in wanted or not wanted else frozenset(wanted)
