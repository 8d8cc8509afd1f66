"""Secrets, key derivation, and sealing to a public key.

HKDF-SHA256 (RFC 5869) with an empty salt and framed info; HPKE (RFC 9180) in single-shot base mode with the
X-Wing KEM (0x647a), HKDF-SHA256 and AES-256-GCM. Base mode authenticates nobody: what is sealed here says
nothing about who sealed it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from functools import lru_cache
from typing import NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from careledger.domain.errors import CannotOpen, DigestMismatch, KeyRefused, MalformedBytes
from careledger.formats.digests import digest, framed

SEED_SIZE = 32
MLKEM_PUBLIC_SIZE = 1184
ENC_SIZE = 1120
OVERHEAD = ENC_SIZE + 16  # bytes that sealing adds: encapsulated key and AES-GCM tag
MOST_PUBLIC = 128
"""Public keys that are kept ready for sealing, 7 KiB each; another one takes 30 µs more."""

_SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


class Secret:
    """Bytes that are never printed, pickled or compared in varying time."""

    __slots__ = ("_data",)

    def __init__(self, data: bytes) -> None:
        self._data = bytes(data)

    @classmethod
    def random(cls, size: int = SEED_SIZE) -> Secret:
        """``size`` new random bytes."""
        return cls(secrets.token_bytes(size))

    def reveal(self) -> bytes:
        """The bytes; whoever calls this answers for where they go."""
        return self._data

    def __len__(self) -> int:
        return len(self._data)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._data, other._data)

    def __repr__(self) -> str:
        return "<Secret>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled or copied")


def hkdf_sha256(key: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    """HKDF of RFC 5869 with SHA-256; raises MalformedBytes for a length over 8,160 bytes."""
    try:
        return HKDF(SHA256(), length, salt, info).derive(key)
    except ValueError:
        raise MalformedBytes(why="HKDF output too long") from None


def derive(secret: Secret, label: str, *fields: bytes, length: int = 32) -> Secret:
    """HKDF-SHA256 of secret, salt empty, info ``framed("kdf/" + label, fields…)``.

    A label is used with one length only.
    """
    return Secret(hkdf_sha256(secret.reveal(), b"", framed(f"kdf/{label}", *fields), length))


def hmac_tag(key: Secret, message: bytes) -> bytes:
    """HMAC-SHA256 of message, 32 bytes."""
    return hmac.digest(key.reveal(), message, "sha256")


def check_hmac_tag(key: Secret, message: bytes, tag: bytes) -> None:
    """Raises DigestMismatch unless ``tag`` is the HMAC-SHA256 of message."""
    if not hmac.compare_digest(hmac_tag(key, message), tag):
        raise DigestMismatch()


class SealingKey:
    """An X-Wing key pair from its 32-byte seed; never printed."""

    __slots__ = ("_private", "public", "seed")

    seed: Secret
    public: bytes  # 1,216 bytes: ML-KEM-768 encapsulation key, then X25519 public key

    def __init__(self, seed: Secret) -> None:
        """Raises MalformedBytes unless the seed has 32 bytes."""
        if len(seed) != SEED_SIZE:
            raise MalformedBytes(why="a sealing seed has 32 bytes")
        expanded = hashlib.shake_256(seed.reveal()).digest(96)
        mlkem = MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
        x25519 = X25519PrivateKey.from_private_bytes(expanded[64:])
        self.seed = seed
        self.public = mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()
        self._private = MLKEM768X25519PrivateKey(mlkem, x25519)

    @classmethod
    def random(cls) -> SealingKey:
        """A new key pair."""
        return cls(Secret.random())

    @property
    def digest(self) -> bytes:
        """What the ledger keeps of the public key."""
        return sealing_key_digest(self.public)

    def __repr__(self) -> str:
        return "<SealingKey>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a SealingKey is not pickled or copied")


def sealing_key_digest(public: bytes) -> bytes:
    """``H("sealing-key", public)``, 32 bytes."""
    return digest("sealing-key", public)


def check_sealing_key(public: bytes, expected: bytes) -> None:
    """Raises DigestMismatch unless the ledger's digest is this public key's."""
    if not hmac.compare_digest(sealing_key_digest(public), expected):
        raise DigestMismatch(what="sealing key")


def wrap(public: bytes, plaintext: bytes, what: str, *fields: bytes) -> bytes:
    """Plaintext sealed to a public key; 1,136 bytes longer.

    ``what`` and ``fields`` are the context: info is ``framed("hpke/" + what, fields…)``, needed again to open
    and stored nowhere. Raises KeyRefused for bytes that are no X-Wing public key or hold a low-order point.
    """
    try:
        return _SUITE.encrypt(plaintext, _public(public), framed(f"hpke/{what}", *fields))
    except ValueError:
        raise KeyRefused(why="low-order point") from None


def unwrap(key: SealingKey, sealed: bytes, what: str, *fields: bytes) -> bytes:
    """What ``wrap`` sealed to this key in the same context; raises CannotOpen for anything else."""
    return _open(key._private, sealed, framed(f"hpke/{what}", *fields))


@lru_cache(maxsize=MOST_PUBLIC)
def _public(public: bytes) -> MLKEM768X25519PublicKey:
    try:
        mlkem = MLKEM768PublicKey.from_public_bytes(public[:MLKEM_PUBLIC_SIZE])
        x25519 = X25519PublicKey.from_public_bytes(public[MLKEM_PUBLIC_SIZE:])
    except ValueError:
        raise KeyRefused(why="not an X-Wing public key") from None
    return MLKEM768X25519PublicKey(mlkem, x25519)


def _open(private: MLKEM768X25519PrivateKey, sealed: bytes, info: bytes) -> bytes:
    try:
        return _SUITE.decrypt(sealed, private, info)
    except (InvalidTag, ValueError):
        raise CannotOpen() from None
