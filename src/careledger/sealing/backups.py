"""Parts of a backup: each under a random key sealed to the backup's public key, so that writing needs no secret.

A part is the sealed key (1,168 bytes), then the body (C2SP chunked encryption) of what it holds, compressed by
Zstandard unless it is ciphertext already. Bounded memory in both directions.
"""

from __future__ import annotations

import hashlib
from typing import Any, BinaryIO

import zstandard

from careledger.domain.errors import CannotOpen, MalformedBytes
from careledger.formats.digests import framed
from careledger.sealing import bodies
from careledger.sealing.keys import OVERHEAD, SealingKey, Secret, unwrap, wrap

SEALED_KEY = 32 + OVERHEAD


class _Hashed:
    """A source or target that hashes and counts what passes."""

    def __init__(self, inner: Any) -> None:
        self._inner, self.size, self._hash = inner, 0, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """As a file."""
        data: bytes = self._inner.read(size)
        self._took(data)
        return data

    def write(self, data: bytes) -> int:
        """As a file."""
        self._inner.write(data)
        self._took(data)
        return len(data)

    def _took(self, data: bytes) -> None:
        self._hash.update(data)
        self.size += len(data)

    @property
    def found(self) -> tuple[int, bytes]:
        """Length and SHA-256 of what passed."""
        return self.size, self._hash.digest()


def seal_part(public: bytes, source: Any, target: BinaryIO, kind: str) -> tuple[int, bytes]:
    """Writes a part of all that source holds; returns length and SHA-256 of that. Raises KeyRefused.

    ``kind`` is ``plain`` or ``ciphertext``, and needed again to open.
    """
    key, hashed = Secret.random(), _Hashed(source)
    plain: Any = hashed
    target.write(wrap(public, key.reveal(), "backup-part", kind.encode()))
    taken = plain if kind == "ciphertext" else zstandard.ZstdCompressor().stream_reader(plain)
    bodies.encrypt_stream(key, taken, target, _context(kind))
    return hashed.found


def open_part(key: SealingKey, source: BinaryIO, target: Any, kind: str) -> tuple[int, bytes]:
    """Writes what a part holds; returns its length and SHA-256, which the caller compares.

    Raises CannotOpen for another key or a part that was altered, cut or extended; then throw away what target holds.
    """
    sealed = source.read(SEALED_KEY)
    if len(sealed) != SEALED_KEY:
        raise CannotOpen(why="too short")
    opened, hashed = Secret(unwrap(key, sealed, "backup-part", kind.encode())), _Hashed(target)
    if kind == "ciphertext":
        bodies.decrypt_stream(opened, source, hashed, _context(kind))  # type: ignore[arg-type]
        return hashed.found
    try:
        writer: Any = zstandard.ZstdDecompressor().stream_writer(hashed, closefd=False)  # type: ignore[arg-type]
        bodies.decrypt_stream(opened, source, writer, _context(kind))
        writer.close()
    except zstandard.ZstdError:
        raise MalformedBytes(why="not Zstandard") from None
    return hashed.found


def _context(kind: str) -> bytes:
    return framed("sealed/backup-part", kind.encode())
