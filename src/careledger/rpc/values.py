"""Quantities and data as Ethereum's JSON-RPC writes them, read strictly.

A quantity is ``0x`` and hexadecimal digits without leading zeros; data is ``0x`` and two digits for each byte
(execution-apis, "hex value encoding"). Whatever is written otherwise is refused by naming the parameter and the rule;
the value itself is never repeated.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from careledger.domain.errors import RpcRefused
from careledger.rpc.refusals import Refusal, refused

_QUANTITY = re.compile(r"0x(?:0|[1-9a-fA-F][0-9a-fA-F]*)")
_DATA = re.compile(r"0x(?:[0-9a-fA-F]{2})*")
_HASH_TEXT = 2 + 64  # characters of a hash
TAGS = ("latest", "earliest", "pending")
UNTRACKED = ("safe", "finalized")


def quantity(number: int) -> str:
    """A number as a quantity."""
    return hex(number)


def data(content: bytes) -> str:
    """Bytes as data."""
    return "0x" + content.hex()


def invalid(name: str, rule: str) -> RpcRefused:
    """The refusal of a parameter by name."""
    return refused(Refusal.PARAMS, f"{name} {rule}")


def read_quantity(value: Any, name: str, bits: int = 256) -> int:
    """The number, of a multiple of four bits at most; raises RpcRefused."""
    if not isinstance(value, str) or len(value) > 2 + bits // 4 or not _QUANTITY.fullmatch(value):
        raise invalid(name, f"is not a quantity of at most {bits} bits: 0x and digits without leading zeros")
    return int(value, 16)


def read_data(value: Any, name: str, size: int | None = None) -> bytes:
    """The bytes, of that size if one is given; raises RpcRefused."""
    if not isinstance(value, str) or not _DATA.fullmatch(value):
        raise invalid(name, "is not data: 0x and two digits for each byte")
    content = bytes.fromhex(value[2:])
    if size is not None and len(content) != size:
        raise invalid(name, f"has to be {size} bytes long")
    return content


def read_address(value: Any, name: str) -> bytes:
    """An address of 20 bytes; its letters' case is not read as a checksum."""
    return read_data(value, name, 20)


def read_hash(value: Any, name: str) -> bytes:
    """A hash of 32 bytes."""
    return read_data(value, name, 32)


def read_slot(value: Any, name: str) -> int:
    """A storage slot: a quantity, or 32 bytes of data."""
    if isinstance(value, str) and len(value) == _HASH_TEXT:
        return int.from_bytes(read_data(value, name, 32), "big")
    return read_quantity(value, name)


def read_flag(value: Any, name: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise invalid(name, "is neither true nor false")
    return value


def read_index(value: Any, name: str) -> int:
    """A position in a block."""
    return read_quantity(value, name, 64)


@dataclass(frozen=True, slots=True)
class BlockName:
    """A block as a request names it: by number, by hash, or (both None) the newest."""

    number: int | None = None
    digest: bytes | None = None


NEWEST = BlockName()


def read_block(value: Any, name: str) -> BlockName:
    """A number or tag. There is no pool: pending is latest. Raises RpcRefused, also for safe and finalized."""
    if value in UNTRACKED:
        raise refused(Refusal.UNKNOWN_BLOCK, f"{value} is not tracked here; every block is final: use latest")
    if value in TAGS:
        return BlockName(0) if value == "earliest" else NEWEST
    if isinstance(value, str) and not value.startswith("0x"):
        raise invalid(name, f"is neither a quantity nor one of {', '.join(TAGS)}")
    return BlockName(read_quantity(value, name, 64))


def read_any_block(value: Any, name: str) -> BlockName:
    """A number, a tag, a hash, or an object with blockNumber or blockHash (EIP-1898)."""
    if isinstance(value, str) and len(value) == _HASH_TEXT:
        return BlockName(digest=read_hash(value, name))
    if not isinstance(value, dict):
        return read_block(value, name)
    if set(value) == {"blockNumber"}:
        return BlockName(read_quantity(value["blockNumber"], f"{name}.blockNumber", 64))
    if "blockHash" not in value or set(value) - {"blockHash", "requireCanonical"}:
        raise invalid(name, "has to have either blockNumber or blockHash, which requireCanonical may go with")
    read_flag(value.get("requireCanonical", False), f"{name}.requireCanonical")
    return BlockName(digest=read_hash(value["blockHash"], f"{name}.blockHash"))


def read_list(value: Any, name: str, most: int, read: Callable[[Any, str], Any]) -> list[Any]:
    """A list of at most so many, each read by ``read``; raises RpcRefused."""
    if not isinstance(value, list) or len(value) > most:
        raise invalid(name, f"is not a list of at most {most:,}")
    return [read(each, f"{name}[{place}]") for place, each in enumerate(value)]


def read_fields(value: Any, name: str, known: frozenset[str]) -> dict[str, Any]:
    """An object with no other fields than these; a field of null counts as absent. Raises RpcRefused."""
    if not isinstance(value, dict):
        raise invalid(name, "is not an object")
    for field in value:
        if field not in known:
            raise invalid(name, f"may only have {', '.join(sorted(known))}")
    return {field: each for field, each in value.items() if each is not None}
