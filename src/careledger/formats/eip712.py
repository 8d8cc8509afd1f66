"""EIP-712 typed data for flat structs of atomic and dynamic members.

Used for everything that a contract or a custodian checks a signature over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from eth_abi.abi import encode as abi_encode
from eth_hash.auto import keccak

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
        return keccak(
            abi_encode(
                ["bytes32", "bytes32", "bytes32", "uint256", "address"],
                [
                    _DOMAIN,
                    keccak(self.name.encode()),
                    keccak(self.version.encode()),
                    self.chain_id,
                    self.contract,
                ],
            )
        )


@dataclass(frozen=True, slots=True)
class Struct:
    """A struct type: its name and its members as (type, name) in order."""

    name: str
    members: tuple[tuple[str, str], ...]

    @property
    def type_hash(self) -> bytes:
        """keccak of the encoded type."""
        inside = ",".join(f"{kind} {name}" for kind, name in self.members)
        return keccak(f"{self.name}({inside})".encode())

    def hash(self, values: Mapping[str, object]) -> bytes:
        """hashStruct of EIP-712; arrays are of 32-byte or integer members only."""
        kinds, encoded = ["bytes32"], [self.type_hash]
        for kind, name in self.members:
            word_kind, word = _word(kind, values[name])
            kinds.append(word_kind)
            encoded.append(word)
        return keccak(abi_encode(kinds, encoded))

    def digest(self, domain: Domain, values: Mapping[str, object]) -> bytes:
        """What is signed: ``keccak(0x1901 ‖ domain separator ‖ hashStruct)``."""
        return keccak(b"\x19\x01" + domain.separator + self.hash(values))


def _word(kind: str, value: object) -> tuple[str, bytes]:
    """One member as the 32 bytes that hashStruct takes."""
    if kind == "bytes":
        assert isinstance(value, bytes)
        return "bytes32", keccak(value)
    if kind == "string":
        assert isinstance(value, str)
        return "bytes32", keccak(value.encode())
    if kind.endswith("[]"):
        assert isinstance(value, list | tuple)
        return "bytes32", keccak(b"".join(abi_encode([kind[:-2]], [item]) for item in value))
    return "bytes32", abi_encode([kind], [value])
