"""The state of the bytes as a type: readable, from a store, verified.

Only ``verify`` makes a VerifiedCiphertext, ``joined`` one of several, and only that can be opened.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from careledger.domain.errors import MalformedBytes
from careledger.formats import cids


@dataclass(frozen=True, slots=True, repr=False)
class Plaintext:
    """Readable content; never printed."""

    data: bytes


@dataclass(frozen=True, slots=True, repr=False)
class Ciphertext:
    """Sealed bytes that came from a sealing function or a store; nobody has checked them."""

    data: bytes


class VerifiedCiphertext:
    """Sealed bytes that equal what was committed to; made only by ``verify`` and ``joined``."""

    __slots__ = ("_data",)
    _data: bytes

    def __init__(self) -> None:
        raise TypeError("only verification makes a VerifiedCiphertext")

    @property
    def data(self) -> bytes:
        """The sealed bytes."""
        return self._data


def verify(ciphertext: Ciphertext, cid: cids.Cid) -> VerifiedCiphertext:
    """The ciphertext as verified against the CID of its raw block.

    Raises MalformedBytes for another form of CID, BlockMismatch for other bytes.
    """
    if cids.codec_of(cid) != cids.RAW:
        raise MalformedBytes(why="sealed bytes are raw blocks")
    return _verified(cids.check_block(cid, ciphertext.data))


def joined(parts: Iterable[VerifiedCiphertext]) -> VerifiedCiphertext:
    """Parts that a verified index names in this order, as one."""
    return _verified(b"".join(part.data for part in parts))


def _verified(data: bytes) -> VerifiedCiphertext:
    made = object.__new__(VerifiedCiphertext)
    made._data = data
    return made
