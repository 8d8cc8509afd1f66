"""EIP-712 typed data for flat structs of atomic and dynamic members.

Used for everything that a contract or a custodian checks a signature over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from eth_hash.auto import keccak

from careledger.formats.abi import encode, encoder

_DOMAIN = keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")


@dataclass(frozen=True, slots=True)
class Domain:
    """Where a signature counts: name, version, chain id, contract (20 bytes)."""

    name: str
    version: str
    chain_id: int
    contract: bytes

    @property
    def separator(self) -> bytes:
        """The domain separator of EIP-712, 32 bytes."""
        return _separator(self)


@lru_cache(maxsize=64)
def _separator(domain: Domain) -> bytes:
    values = (
        _DOMAIN, keccak(domain.name.encode()), keccak(domain.version.encode()), domain.chain_id, domain.contract,
    )  # fmt: skip
    return keccak(encode(["bytes32", "bytes32", "bytes32", "uint256", "address"], values))


@dataclass(frozen=True, slots=True)
class Struct:
    """A struct type: its name and its members as (type, name) in order."""

    name: str
    members: tuple[tuple[str, str], ...]

    @property
    def type_hash(self) -> bytes:
        """keccak of the encoded type."""
        return _type_hash(self)

    def hash(self, values: Mapping[str, object]) -> bytes:
        """hashStruct of EIP-712; arrays are of 32-byte or integer members only."""
        return keccak(self.type_hash + b"".join([_word(kind, values[name]) for kind, name in self.members]))

    def digest(self, domain: Domain, values: Mapping[str, object]) -> bytes:
        """What is signed: ``keccak(0x1901 ‖ domain separator ‖ hashStruct)``."""
        return keccak(b"\x19\x01" + domain.separator + self.hash(values))


@lru_cache(maxsize=256)
def _type_hash(struct: Struct) -> bytes:
    inside = ",".join(f"{kind} {name}" for kind, name in struct.members)
    return keccak(f"{struct.name}({inside})".encode())


def _word(kind: str, value: object) -> bytes:
    """One member as the 32 bytes that hashStruct takes."""
    if kind == "bytes":
        assert isinstance(value, bytes)
        return keccak(value)
    if kind == "string":
        assert isinstance(value, str)
        return _hashed(value)
    if kind.endswith("[]"):
        assert isinstance(value, list | tuple)
        return keccak(b"".join([_word(kind[:-2], item) for item in value]))
    if isinstance(value, bytes) and kind == f"bytes{len(value)}":
        return value.ljust(32, b"\0")
    if kind == "uint64" and isinstance(value, int) and 0 <= value < 1 << 64:
        return value.to_bytes(32, "big")
    if kind == "address" and isinstance(value, bytes) and len(value) == 20:
        return value.rjust(32, b"\0")
    return bytes(_encoder(kind)(value))


@lru_cache(maxsize=256)
def _hashed(text: str) -> bytes:
    """keccak of a text; the words of rules and purposes come again and again."""
    return keccak(text.encode())


@lru_cache(maxsize=64)
def _encoder(kind: str) -> Callable[[Any], Any]:
    """The ABI's encoder of one elementary type, looked up once."""
    return encoder(kind)
