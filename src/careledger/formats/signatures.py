"""secp256k1 signatures over 32-byte digests, as Ethereum and EIP-712 use them.

A signature is 65 bytes, r ‖ s ‖ v with v 27 or 28 and s in the lower half of the order (EIP-2).
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from functools import lru_cache

import coincurve
from eth_hash.auto import keccak

from careledger.domain.errors import MalformedBytes, SignatureRefused

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
Address = bytes  # 20 bytes


def address_of(public_key: bytes) -> Address:
    """The Ethereum address of an uncompressed public key of 65 bytes."""
    return keccak(public_key[1:])[12:]


def uncompressed(public_key: bytes) -> bytes:
    """A public key of 33 bytes as 65; raises MalformedBytes for one that is on no point of the curve."""
    if len(public_key) != 33:
        raise MalformedBytes(why="not a compressed secp256k1 public key")
    try:
        return bytes(coincurve.PublicKey(public_key).format(compressed=False))
    except ValueError:
        raise MalformedBytes(why="not a secp256k1 public key") from None


@dataclass(frozen=True, slots=True, repr=False)
class SigningKey:
    """A secp256k1 private key; never printed."""

    secret: bytes
    _made: coincurve.PrivateKey | None = field(default=None, init=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.secret) != 32 or not 0 < int.from_bytes(self.secret, "big") < ORDER:
            raise MalformedBytes(why="not a secp256k1 private key")

    @classmethod
    def random(cls) -> SigningKey:
        """A new key."""
        return cls((secrets.randbelow(ORDER - 1) + 1).to_bytes(32, "big"))

    @property
    def address(self) -> Address:
        """The 20-byte address that the ledger knows this key by."""
        return address_of(self._key().public_key.format(compressed=False))

    @property
    def public(self) -> bytes:
        """The public key, compressed: 33 bytes."""
        return self._key().public_key.format()

    def sign(self, digest: bytes) -> bytes:
        """The signature over a 32-byte digest (RFC 6979 nonce, low s)."""
        made = self._key().sign_recoverable(digest, hasher=None)
        return made[:64] + bytes([27 + made[64]])

    def _key(self) -> coincurve.PrivateKey:
        """The library's form of it, whose public key takes as long as a signature: made once."""
        if self._made is None:
            object.__setattr__(self, "_made", coincurve.PrivateKey(self.secret))
        assert self._made is not None
        return self._made


@lru_cache(maxsize=4096)
def signer_of(digest: bytes, signature: bytes) -> Address:
    """The address that signed; raises SignatureRefused for anything but r ‖ s ‖ v with low s.

    The last few are remembered: one session's proof, and one statement at several custodians of a process, come often.
    """
    if len(digest) != 32 or len(signature) != 65 or signature[64] not in (27, 28):
        raise SignatureRefused(why="form")
    if int.from_bytes(signature[32:64], "big") > ORDER // 2:
        raise SignatureRefused(why="high s")
    try:
        key = coincurve.PublicKey.from_signature_and_message(
            signature[:64] + bytes([signature[64] - 27]), digest, hasher=None
        )
    except ValueError:
        raise SignatureRefused(why="not on the curve") from None
    except Exception as error:  # coincurve raises bare Exception when recovery fails
        if type(error) is not Exception:
            raise
        raise SignatureRefused(why="cannot recover") from None
    return address_of(key.format(compressed=False))


def check_signer(digest: bytes, signature: bytes, address: Address) -> None:
    """Raises SignatureRefused unless that address signed."""
    if signer_of(digest, signature) != address:
        raise SignatureRefused(why="other signer")
