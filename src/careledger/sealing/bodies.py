"""C2SP chunked encryption (c2sp.org/chunked-encryption) as Cobblestone-256.

AES-256-GCM over chunks of 16 KiB, the last one always shorter; key, base nonce and a 32-byte key commitment
come from HKDF-Expand with SHA-512. Bodies can be read in ranges. A cut, reordered, extended or altered body,
and any other key or context, is CannotOpen.
"""

from __future__ import annotations

import hmac
import io
import secrets
from collections.abc import Iterator
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from careledger.domain.errors import CannotOpen, MalformedBytes
from careledger.sealing.keys import Secret

CHUNK = 16 * 1024
TAG = 16
SALT = 24
COMMITMENT = 32
START = SALT + COMMITMENT
SEALED = CHUNK + TAG
MOST_CHUNKS = 1 << 38
RUN = 16
"""Chunks that are read, sealed or opened, and written together."""
_LABEL = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0"


def sealed_length(length: int) -> int:
    """The length of the body for a plaintext of ``length`` bytes."""
    return START + length + (length // CHUNK + 1) * TAG


def encrypt(key: Secret, plaintext: bytes, context: bytes = b"", salt: bytes | None = None) -> bytes:
    """The body of a plaintext. ``salt`` (24 bytes) is random; given only to make test vectors."""
    if len(plaintext) < CHUNK:
        chunks, start = _begin(key, context, salt)
        return start + chunks.seal(0, plaintext)
    body = io.BytesIO()
    encrypt_stream(key, io.BytesIO(plaintext), body, context, salt)
    return body.getvalue()


def decrypt(key: Secret, body: bytes, context: bytes = b"") -> bytes:
    """The plaintext of a body; raises CannotOpen."""
    if len(body) < START + CHUNK + TAG:
        return _resume(key, body[:START], context).open(0, body[START:])
    plaintext = io.BytesIO()
    decrypt_stream(key, io.BytesIO(body), plaintext, context)
    return plaintext.getvalue()


def encrypt_stream(
    key: Secret, source: BinaryIO, target: BinaryIO, context: bytes = b"", salt: bytes | None = None
) -> int:
    """Writes the body of all that source holds; bounded memory. Returns the plaintext's length."""
    chunks, start = _begin(key, context, salt)
    target.write(start)
    length = 0
    for number, run in enumerate(_pieces(source, RUN * CHUNK)):
        target.write(chunks.seal_run(number * RUN, run))
        length += len(run)
    return length


def decrypt_stream(key: Secret, source: BinaryIO, target: BinaryIO, context: bytes = b"") -> int:
    """Writes the plaintext of the body in source; bounded memory. Returns its length.

    Each chunk is authenticated before it is written, but only the end tells whether the body was cut: on
    CannotOpen throw away what target holds.
    """
    chunks = _resume(key, _read_full(source, START), context)
    length = 0
    for number, run in enumerate(_pieces(source, RUN * (CHUNK + TAG))):
        length += chunks.open_run(number * RUN, run, target)
    return length


class BodyReader:
    """Random access to a body in a seekable source; its length is authenticated before anything is given."""

    def __init__(self, key: Secret, source: BinaryIO, context: bytes = b"") -> None:
        """Raises CannotOpen if the key is wrong or the body was cut or extended."""
        self._source = source
        size = source.seek(0, io.SEEK_END)
        source.seek(0)
        self._chunks = _resume(key, _read_full(source, START), context)
        last, rest = divmod(size - START, CHUNK + TAG)
        self._chunk(last)
        self.length = last * CHUNK + rest - TAG

    def read(self, start: int, stop: int) -> bytes:
        """Plaintext bytes start…stop − 1; raises MalformedBytes for a range outside the body, CannotOpen."""
        if not 0 <= start <= stop <= self.length:
            raise MalformedBytes(why="range outside the body")
        if start == stop:
            return b""
        first, last = start // CHUNK, (stop - 1) // CHUNK
        opened = b"".join(self._chunk(number) for number in range(first, last + 1))
        return opened[start - first * CHUNK : stop - first * CHUNK]

    def _chunk(self, number: int) -> bytes:
        self._source.seek(START + number * (CHUNK + TAG))
        return self._chunks.open(number, _read_full(self._source, CHUNK + TAG))


def decrypt_range(key: Secret, body: bytes, start: int, stop: int, context: bytes = b"") -> bytes:
    """Plaintext bytes start…stop − 1 of a body in memory; raises as BodyReader does."""
    return BodyReader(key, io.BytesIO(body), context).read(start, stop)


class _Chunks:
    """The AEAD of one body: chunk k has nonce base ⊕ k."""

    def __init__(self, key: bytes, base: bytes) -> None:
        self._aead = AESGCM(key)
        self._base = int.from_bytes(base, "big")

    def nonce(self, number: int) -> bytes:
        if number >= MOST_CHUNKS:
            raise MalformedBytes(why="body over 2^38 chunks")
        return (self._base ^ number).to_bytes(12, "big")

    def seal(self, number: int, piece: bytes) -> bytes:
        return self._aead.encrypt(self.nonce(number), piece, None)

    def seal_run(self, first: int, plaintext: bytes) -> bytearray:
        """Chunks from ``first`` on; a run of fewer than RUN ends with the last chunk, which is shorter or empty."""
        count = min(len(plaintext) // CHUNK + 1, RUN)
        self.nonce(first + count - 1)
        sealed = bytearray(len(plaintext) + count * TAG)
        source, target = memoryview(plaintext), memoryview(sealed)
        encrypt, base = self._aead.encrypt_into, self._base
        for at in range(count):
            piece = source[at * CHUNK : at * CHUNK + CHUNK]
            place = target[at * SEALED : at * SEALED + SEALED]
            encrypt((base ^ (first + at)).to_bytes(12, "big"), piece, None, place)
        return sealed

    def open_run(self, first: int, sealed: bytes, target: BinaryIO) -> int:
        """Writes the plaintext of chunks from ``first`` on, up to one that does not open; returns its length.

        A run of fewer than RUN has to end with the last chunk.
        """
        count = min(len(sealed) // SEALED + 1, RUN)
        self.nonce(first + count - 1)
        source, place = memoryview(sealed), memoryview(bytearray(count * CHUNK))
        decrypt, base, length = self._aead.decrypt_into, self._base, 0
        for at in range(count):
            piece = source[at * SEALED : at * SEALED + SEALED]
            try:
                if len(piece) < TAG:
                    raise InvalidTag
                into = place[length : length + len(piece) - TAG]
                length += decrypt((base ^ (first + at)).to_bytes(12, "big"), piece, None, into)
            except InvalidTag:
                target.write(place[:length])
                raise CannotOpen(chunk=first + at) from None
        target.write(place[:length])
        return length

    def open(self, number: int, piece: bytes) -> bytes:
        try:
            return self._aead.decrypt(self.nonce(number), piece, None)
        except InvalidTag:
            raise CannotOpen(chunk=number) from None


def hkdf_expand_sha512(key: bytes, info: bytes, length: int) -> bytes:
    """HKDF-Expand of RFC 5869 with SHA-512; raises MalformedBytes for a length over 16,320 bytes."""
    try:
        return HKDFExpand(SHA512(), length, info).derive(key)
    except ValueError:
        raise MalformedBytes(why="HKDF output too long") from None


def _derived(key: Secret, salt: bytes, context: bytes) -> tuple[_Chunks, bytes]:
    if len(key) != 32:
        raise MalformedBytes(why="a body key has 32 bytes")
    made = hkdf_expand_sha512(key.reveal(), _LABEL + salt + context, 32 + 12 + COMMITMENT)
    return _Chunks(made[:32], made[32:44]), made[44:]


def _begin(key: Secret, context: bytes, salt: bytes | None) -> tuple[_Chunks, bytes]:
    salt = secrets.token_bytes(SALT) if salt is None else salt
    if len(salt) != SALT:
        raise MalformedBytes(why="a salt has 24 bytes")
    chunks, commitment = _derived(key, salt, context)
    return chunks, salt + commitment


def _resume(key: Secret, start: bytes, context: bytes) -> _Chunks:
    if len(start) != START:
        raise CannotOpen(why="too short")
    chunks, commitment = _derived(key, start[:SALT], context)
    if not hmac.compare_digest(commitment, start[SALT:]):
        raise CannotOpen(why="other key or context")
    return chunks


def _pieces(source: BinaryIO, size: int) -> Iterator[bytes]:
    """All of source in pieces of ``size``; the last is shorter, and empty if need be."""
    while len(piece := _read_full(source, size)) == size:
        yield piece
    yield piece


def _read_full(source: BinaryIO, size: int) -> bytes:
    """``size`` bytes, fewer only at the end; raw files may give less per call."""
    read = source.read(size)
    if len(read) in (0, size):
        return read
    parts = [read]
    while (left := size - sum(map(len, parts))) and (more := source.read(left)):
        parts.append(more)
    return b"".join(parts)
