"""Blocks, headers and receipts, with the bytes and hashes that Ethereum gives them at London.

One field is not Ethereum's: ``state`` is a digest chained over write sets, not the root of a state trie
(docs/chain.md says what that costs).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from eth_hash.auto import keccak

from careledger.adapters.evm.engine import (
    BLOCK_GAS_LIMIT,
    DIFFICULTY,
    ZERO_ADDRESS,
    Log,
    WriteSet,
)
from careledger.adapters.evm.rlp_trie import Item, decode_rlp, encode_rlp, read_uint, uint_bytes
from careledger.adapters.evm.transactions import SignedTransaction
from careledger.domain.errors import MalformedBytes
from careledger.formats.signatures import Address

_NO_OMMERS = keccak(encode_rlp([]))
TIME = 11  # the timestamp's place among a header's fields
STATE_OF_NOTHING = keccak(b"careledger/v1/embedded-state")


@dataclass(frozen=True, slots=True)
class Header:
    """What a block's hash covers; times in unix seconds, digests of 32 bytes, bloom of 256."""

    number: int
    parent: bytes
    timestamp: int
    state: bytes
    transactions: bytes
    receipts: bytes
    bloom: bytes
    gas_used: int
    extra: bytes = b""

    def encode(self) -> bytes:
        """The RLP of the sixteen fields of a London header; base fee 0, no miner, no proof of work."""
        return encode_rlp(
            [
                self.parent,
                _NO_OMMERS,
                ZERO_ADDRESS,
                self.state,
                self.transactions,
                self.receipts,
                self.bloom,
                uint_bytes(DIFFICULTY),
                uint_bytes(self.number),
                uint_bytes(BLOCK_GAS_LIMIT),
                uint_bytes(self.gas_used),
                uint_bytes(self.timestamp),
                self.extra,
                bytes(32),
                bytes(8),
                b"",
            ]
        )

    @property
    def hash(self) -> bytes:
        """keccak-256 of the encoded header."""
        return _hash_of(self)


@lru_cache(maxsize=1024)
def _hash_of(header: Header) -> bytes:
    return keccak(header.encode())


def time_in(encoded: bytes) -> int:
    """The timestamp in an encoded header: the twelfth of its fields, none of which is a list.

    Raises MalformedBytes where there is none. For headers of a chain's own file, read by the thousand.
    """
    at = 1 if encoded[:1] < b"\xf8" else encoded[0] - 0xF6
    field = b""
    for _ in range(TIME + 1):
        first = encoded[at] if at < len(encoded) else 0xFF
        if first > 0xBF:
            raise MalformedBytes(why="not a header")
        start, size = at + 1, first - 0x80
        if first < 0x80:
            start, size = at, 1
        elif first > 0xB7:
            start, size = at + first - 0xB6, int.from_bytes(encoded[at + 1 : at + first - 0xB6], "big")
        at = start + size
        field = encoded[start:at]
    if at > len(encoded):
        raise MalformedBytes(why="not a header")
    return read_uint(field, 8)


def decode_header(encoded: bytes) -> Header:
    """The header; raises MalformedBytes unless it encodes to exactly these bytes."""
    item = decode_rlp(encoded)
    fields = () if isinstance(item, bytes) else tuple(part for part in item if isinstance(part, bytes))
    if len(fields) != 16 or len(fields) != len(item):
        raise MalformedBytes(why="not a header")
    parent, _, _, state, transactions, receipts, bloom, _, number, _, gas_used, timestamp, extra, *_ = fields
    header = Header(
        read_uint(number, 8),
        parent,
        read_uint(timestamp, 8),
        state,
        transactions,
        receipts,
        bloom,
        read_uint(gas_used, 8),
        extra,
    )
    if header.encode() != encoded:
        raise MalformedBytes(why="not a header of this chain")
    return header


@dataclass(frozen=True, slots=True)
class Block:
    """A block with its transactions, their receipts and everything that they wrote."""

    header: Header
    transactions: tuple[SignedTransaction, ...]
    receipts: tuple[Receipt, ...]
    writes: WriteSet


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a transaction: given only once its block is durable.

    ``success`` False means that a contract refused or ran out of gas; ``output`` is then the revert data,
    else empty. ``created`` is the new contract's address.
    """

    hash: bytes
    block: int
    position: int
    sender: Address
    kind: int
    success: bool
    gas_used: int
    cumulative_gas: int
    created: Address | None
    output: bytes
    logs: tuple[Log, ...]

    def encode(self) -> bytes:
        """The consensus bytes (EIP-658, EIP-2718): status, cumulative gas, bloom, logs."""
        logs: list[Item] = [[log.address, log.topics, log.data] for log in self.logs]
        body = encode_rlp(
            [uint_bytes(self.success), uint_bytes(self.cumulative_gas), bloom_of(self.logs), logs]
        )
        return body if self.kind == 0 else bytes([self.kind]) + body


@lru_cache(maxsize=4096)
def _bloom_bits(entry: bytes) -> int:
    digest = keccak(entry)
    places = {int.from_bytes(digest[at : at + 2], "big") & 2047 for at in (0, 2, 4)}
    return sum(1 << place for place in places)


def bloom_of(logs: Iterable[Log]) -> bytes:
    """The 2048-bit logs bloom (yellow paper 4.3.1)."""
    bits = 0
    for log in logs:
        for entry in (log.address, *log.topics):
            bits |= _bloom_bits(entry)
    return bits.to_bytes(256, "big")


def next_state(before: bytes, writes: WriteSet) -> bytes:
    """The state digest after a block: keccak over the digest before and the block's sorted write set."""
    accounts = [
        [address, uint_bytes(account.nonce), keccak(account.code) if account.code else b""]
        for address, account in sorted(writes.accounts.items())
    ]
    storage = [
        [address, uint_bytes(slot), uint_bytes(value)]
        for (address, slot), value in sorted(writes.storage.items())
    ]
    return keccak(encode_rlp([before, accounts, storage]))


def genesis_header(chain_id: int, timestamp: int) -> Header:
    """Block 0: nothing allocated; the chain id stands in the extra data, so that its hash covers it."""
    empty = keccak(encode_rlp(b""))
    extra = b"careledger " + str(chain_id).encode("ascii")
    if len(extra) > 32:
        raise MalformedBytes(why="chain id too long")
    return Header(0, bytes(32), timestamp, STATE_OF_NOTHING, empty, empty, bytes(256), 0, extra)
