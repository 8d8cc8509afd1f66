"""The state of the bytes as a type: readable, from a store, verified.

Only ``verify`` and ``verify_digest`` make a VerifiedCiphertext, and only that can be opened.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from careledger.domain.errors import BlockMismatch, MalformedBytes
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
    """Sealed bytes that equal what was committed to; made only by ``verify`` and ``verify_digest``."""

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


def verify_digest(ciphertext: Ciphertext, sha256: bytes) -> VerifiedCiphertext:
    """The ciphertext as verified against its SHA-256 digest (32 bytes); raises BlockMismatch."""
    if not hmac.compare_digest(hashlib.sha256(ciphertext.data).digest(), sha256):
        raise BlockMismatch()
    return _verified(ciphertext.data)


def _verified(data: bytes) -> VerifiedCiphertext:
    made = object.__new__(VerifiedCiphertext)
    made._data = data
    return made
