"""A contract small enough to read, and senders, for the chain's tests."""

from __future__ import annotations

from eth_hash.auto import keccak

from careledger.adapters.evm.chain import EmbeddedChain
from careledger.adapters.evm.rlp_trie import encode_rlp
from careledger.adapters.evm.transactions import Transaction
from careledger.formats.signatures import Address, SigningKey

CHAIN_ID = 77
# With two words of calldata, key and value: refuse with Error("full") if the key's slot is taken, else
# store the value and log it under the key. With one word: return what is stored there.
#
#   CALLDATASIZE 0x21 LT, JUMPI write; CALLDATALOAD(0) SLOAD, return it
#   write: CALLDATALOAD(0) SLOAD, JUMPI refuse; SSTORE; LOG1; STOP
#   refuse: REVERT Error("full")
_RUNTIME = (
    "3660211060" "14" "57" "600035" "54" "600052" "60206000f3" "00"  # read
    "5b" "60003554" "60" "32" "57" "602035" "600035" "55" "602035600052" "600035" "60206000" "a1" "00"  # write
    "5b" "7f08c379a0" + "00" * 28 + "600052" "6020600452" "6004602452" "7f" + b"full".hex() + "00" * 28
    + "604452" "60646000fd"
)  # fmt: skip
RUNTIME = bytes.fromhex(_RUNTIME)
CREATION = bytes.fromhex(f"60{len(RUNTIME):02x}80600b6000396000f3") + RUNTIME


def word(number: int) -> bytes:
    """A number as one word of calldata."""
    return number.to_bytes(32, "big")


class Sender:
    """A key that counts its own nonces."""

    def __init__(self, secret: int = 1, kind: int = 2, chain_id: int = CHAIN_ID) -> None:
        self.key, self.kind, self.chain_id, self.nonce = SigningKey(word(secret)), kind, chain_id, 0
        self.address = self.key.address

    def raw(self, to: Address | None, data: bytes, gas: int = 200_000) -> bytes:
        """The next signed transaction."""
        made = Transaction(self.chain_id, self.nonce, to, data, gas, self.kind).sign(self.key)
        self.nonce += 1
        return made

    def first_contract(self) -> Address:
        """The address of the contract that its first transaction makes (yellow paper 7)."""
        return keccak(encode_rlp([self.address, b""]))[12:]

    def install(self, chain: EmbeddedChain) -> Address:
        """Put the contract on the chain."""
        receipt = chain.send(self.raw(None, CREATION))
        assert receipt.success
        assert receipt.created is not None
        return receipt.created


def write(key: int, value: int) -> bytes:
    """Calldata that stores a value."""
    return word(key) + word(value)


def stored(chain: EmbeddedChain, contract: Address, key: int, block: int | None = None) -> int:
    """What the contract answers for a key."""
    return int.from_bytes(chain.call(contract, word(key), block=block), "big")
