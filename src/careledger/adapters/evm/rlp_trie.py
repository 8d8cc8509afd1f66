"""RLP and the root of an ordered Merkle-Patricia trie, as block headers use them (yellow paper B and D)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from eth_hash.auto import keccak

from careledger.domain.errors import MalformedBytes

Item: TypeAlias = "bytes | Sequence[Item]"
Path: TypeAlias = tuple[int, ...]
MOST_DEPTH = 64
_BYTES, _LIST, _SHORT, _LONGEST = 0x80, 0xC0, 56, 0xFF


def _length(size: int, offset: int) -> bytes:
    if size < 56:
        return bytes([offset + size])
    written = uint_bytes(size)
    return bytes([offset + 55 + len(written)]) + written


def encode_rlp(item: Item) -> bytes:
    """The RLP of bytes or of nested sequences of bytes."""
    if isinstance(item, bytes):
        if len(item) == 1 and item[0] < 0x80:
            return item
        return _length(len(item), 0x80) + item
    body = b"".join([encode_rlp(part) for part in item])
    return _length(len(body), 0xC0) + body


def decode_rlp(encoded: bytes) -> Item:
    """The item; raises MalformedBytes for anything but its one canonical encoding, and for lists 64 deep.

    Our own, because the library takes a third of a second to load, which every opening of a directory would wait for.
    """
    item, end = _item(encoded, 0, len(encoded), MOST_DEPTH)
    if end != len(encoded):
        raise MalformedBytes(why="not RLP")
    return item


def _item(encoded: bytes, at: int, end: int, depth: int) -> tuple[Item, int]:
    """The item that begins there, and where it ends, which is not after ``end``."""
    first = encoded[at] if at < end else _LONGEST
    if first < _BYTES:
        return encoded[at : at + 1], at + 1
    start, size = _payload(encoded, at, first - (_LIST if first >= _LIST else _BYTES))
    stop = start + size
    if stop > end or not depth:
        raise MalformedBytes(why="not RLP")
    if first < _LIST:
        if size == 1 and encoded[start] < _BYTES:
            raise MalformedBytes(why="not RLP")
        return encoded[start:stop], stop
    items: list[Item] = []
    while start < stop:
        item, start = _item(encoded, start, stop, depth - 1)
        items.append(item)
    return items, stop


def _payload(encoded: bytes, at: int, said: int) -> tuple[int, int]:
    """Where the bytes of an item begin, and how many there are."""
    if said < _SHORT:
        return at + 1, said
    start = at + 1 + said - (_SHORT - 1)
    written = encoded[at + 1 : start]
    size = int.from_bytes(written, "big")
    if written[:1] == b"\0" or size < _SHORT:
        raise MalformedBytes(why="not RLP")
    return start, size


def uint_bytes(number: int) -> bytes:
    """An integer as RLP writes it: big-endian without leading zeros, zero as nothing."""
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def read_uint(item: Item, size: int = 32) -> int:
    """The integer; raises MalformedBytes for a list, leading zeros or more than ``size`` bytes."""
    if not isinstance(item, bytes) or len(item) > size or item[:1] == b"\x00":
        raise MalformedBytes(why="not an RLP integer")
    return int.from_bytes(item, "big")


def ordered_root(values: Sequence[bytes]) -> bytes:
    """The root of the trie from RLP(0), RLP(1), … to the values: transactionsRoot and receiptsRoot."""
    if not values:
        return keccak(encode_rlp(b""))
    leaves = sorted((_nibbles(encode_rlp(uint_bytes(at))), value) for at, value in enumerate(values))
    return keccak(encode_rlp(_node(leaves, 0)))


def _nibbles(key: bytes) -> Path:
    return tuple(half for byte in key for half in (byte >> 4, byte & 15))


def _compact(path: Path, leaf: bool) -> bytes:
    """Hex-prefix encoding (yellow paper C)."""
    flag = 2 * leaf
    padded = (flag + 1, *path) if len(path) % 2 else (flag, 0, *path)
    return bytes(16 * high + low for high, low in zip(padded[::2], padded[1::2], strict=True))


def _shared(first: Path, last: Path, depth: int) -> int:
    end = depth
    while end < min(len(first), len(last)) and first[end] == last[end]:
        end += 1
    return end


def _node(leaves: list[tuple[Path, bytes]], depth: int) -> list[Item]:
    """The node over sorted leaves that agree up to ``depth``; no key is a prefix of another here."""
    if len(leaves) == 1:
        path, value = leaves[0]
        return [_compact(path[depth:], True), value]
    first, last = leaves[0][0], leaves[-1][0]
    fork = _shared(first, last, depth)
    if fork > depth:
        return [_compact(first[depth:fork], False), _reference(_node(leaves, fork))]
    branch: list[Item] = [b""] * 17
    for nibble in sorted({path[depth] for path, _ in leaves}):
        below = [leaf for leaf in leaves if leaf[0][depth] == nibble]
        branch[nibble] = _reference(_node(below, depth + 1))
    return branch


def _reference(node: list[Item]) -> Item:
    encoded = encode_rlp(node)
    return node if len(encoded) < 32 else keccak(encoded)
