"""C2SP chunked encryption (c2sp.org/chunked-encryption) as Cobblestone-256.

AES-256-GCM over chunks of 16 KiB, the last one always shorter; key, base nonce and a 32-byte key commitment
come from HKDF-Expand with SHA-512. Bodies can be read in ranges. A cut, reordered, extended or altered body,
and any other key or context, is CannotOpen.
"""

from __future__ import annotations

import hmac
import io
import secrets
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

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


class Sealing:
    """A body made of a plaintext that comes piece by piece, written where ``room`` says; ``end`` writes its last chunk.

    ``room`` gives a place of that many bytes, which is filled before the next is asked for.
    """

    def __init__(
        self,
        key: Secret,
        room: Callable[[int], memoryview],
        context: bytes = b"",
        salt: bytes | None = None,
    ) -> None:
        """``salt`` (24 bytes) is random; given only to make test vectors."""
        self._chunks, start = _begin(key, context, salt)
        self._room, self._rest, self._number = room, b"", 0
        room(START)[:] = start

    def add(self, piece: bytes | memoryview) -> None:
        """The next bytes; writes the chunks that are complete with them."""
        view = memoryview(piece)
        if self._rest:
            missing = CHUNK - len(self._rest)
            self._rest, view = self._rest + view[:missing], view[missing:]
            if len(self._rest) < CHUNK:
                return
            self._seal(memoryview(self._rest))
        whole = len(view) // CHUNK * CHUNK
        for at in range(0, whole, RUN * CHUNK):
            self._seal(view[at : min(at + RUN * CHUNK, whole)])
        self._rest = bytes(view[whole:])

    def end(self) -> None:
        """Writes the last chunk."""
        self._seal(memoryview(self._rest))

    def _seal(self, plaintext: memoryview) -> None:
        """Whole chunks, or the last one, which is shorter."""
        count = max(1, len(plaintext) // CHUNK)
        self._chunks.seal_into(self._number, plaintext, self._room(len(plaintext) + count * TAG))
        self._number += count


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


class Part(NamedTuple):
    """A part of a body, its whole chunks opened: the end of a chunk that began before it and the beginning of one that
    ends after it, both sealed, and the plaintext between them, before which is room for the first of these."""

    first: int
    head: bytes
    opened: bytearray
    tail: bytes


class BodyReader:
    """Random access to a body; its length is authenticated before anything is given."""

    def __init__(
        self, key: Secret, size: int, sealed: Callable[[int, int], memoryview], context: bytes = b""
    ) -> None:
        """``size`` is the body's; ``sealed`` gives its bytes from the first place on, at least one and at most to the
        second. Raises CannotOpen if the key is wrong or the body was cut or extended."""
        self._size, self._sealed = size, sealed
        self._chunks = _resume(key, self._together(0, min(START, size)), context)
        last, rest = divmod(size - START, SEALED)
        self.length = last * CHUNK + rest - TAG
        self.open(last, last)

    def read(self, start: int, stop: int) -> bytes:
        """Plaintext bytes start…stop − 1; raises MalformedBytes for a range outside the body, CannotOpen."""
        if not 0 <= start <= stop <= self.length:
            raise MalformedBytes(why="range outside the body")
        if start == stop:
            return b""
        first, last = start // CHUNK, (stop - 1) // CHUNK
        opened = memoryview(self.open(first, last))
        return bytes(opened[start - first * CHUNK : stop - first * CHUNK])

    def open(self, first: int, last: int) -> bytearray:
        """The plaintext of these chunks; raises CannotOpen."""
        at, end = START + first * SEALED, min(START + (last + 1) * SEALED, self._size)
        opened = bytearray((last - first + 1) * CHUNK)
        place, length = memoryview(opened), 0
        while True:
            run = self._run(at, end)
            length += self._chunks.open_into((at - START) // SEALED, run, place[length:])
            at += len(run)
            if at >= end:
                break
        place.release()
        del opened[length:]
        return opened

    def place(self, length: int) -> int:
        """Up to where in the body the first ``length`` bytes of plaintext lie."""
        return min(START + -(-length // CHUNK) * SEALED, self._size)

    @staticmethod
    def room(length: int) -> bytearray:
        """Where ``part`` opens so many bytes of a body."""
        return bytearray(CHUNK + -(-length // SEALED) * CHUNK)

    def part(self, at: int, lying: memoryview, room: bytearray) -> Part:
        """What lies from that place on, its whole chunks opened; raises CannotOpen."""
        first = -(-max(at - START, 0) // SEALED)
        start = min(START + first * SEALED - at, len(lying))
        whole = (len(lying) - start) // SEALED * SEALED
        stop = len(lying) if at + len(lying) == self._size else start + whole
        length = CHUNK
        if start < stop:
            length += self._chunks.open_into(first, lying[start:stop], memoryview(room)[CHUNK:])
        del room[length:]
        return Part(first, bytes(lying[: start if at else 0]), room, bytes(lying[stop:]))

    def finished(self, tail: bytes, part: Part) -> bytearray:
        """The plaintext of a part, with the chunk that began in the part before it and ended here; raises
        CannotOpen."""
        sealed, length = memoryview(tail + part.head), 0
        if sealed:
            with memoryview(part.opened) as room:
                length = self._chunks.open_into(part.first - 1, sealed, room[:CHUNK])
        del part.opened[length:CHUNK]
        return part.opened

    def _run(self, at: int, end: int) -> memoryview:
        """Chunks that lie together from there on, or one that does not; nothing at the end."""
        lying = self._sealed(at, end) if at < end else memoryview(b"")
        if at + len(lying) == end or len(lying) >= SEALED:
            return lying if at + len(lying) == end else lying[: len(lying) // SEALED * SEALED]
        return memoryview(self._together(at, min(at + SEALED, end)))

    def _together(self, at: int, end: int) -> bytes:
        """The sealed bytes from there to there, wherever they lie."""
        parts = bytearray()
        while at + len(parts) < end:
            parts += self._sealed(at + len(parts), end)
        return bytes(parts)


def decrypt_range(key: Secret, body: bytes, start: int, stop: int, context: bytes = b"") -> bytes:
    """Plaintext bytes start…stop − 1 of a body in memory; raises as BodyReader does."""
    view = memoryview(body)
    return BodyReader(key, len(body), lambda at, end: view[at:end], context).read(start, stop)


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
        sealed = bytearray(len(plaintext) + count * TAG)
        self.seal_into(first, memoryview(plaintext), memoryview(sealed))
        return sealed

    def seal_into(self, first: int, source: memoryview, target: memoryview) -> None:
        """As many chunks from ``first`` on as the target has room for."""
        count = -(-len(target) // SEALED)
        self.nonce(first + count - 1)
        encrypt, base = self._aead.encrypt_into, self._base
        for at in range(count):
            piece = source[at * CHUNK : at * CHUNK + CHUNK]
            place = target[at * SEALED : at * SEALED + SEALED]
            encrypt((base ^ (first + at)).to_bytes(12, "big"), piece, None, place)

    def open_run(self, first: int, sealed: bytes, target: BinaryIO) -> int:
        """Writes the plaintext of chunks from ``first`` on, up to one that does not open; returns its length.

        A run of fewer than RUN has to end with the last chunk.
        """
        count = min(len(sealed) // SEALED + 1, RUN)
        place = memoryview(bytearray(count * CHUNK))
        length, opened = self._opened(first, count, memoryview(sealed), place)
        target.write(place[:length])
        if opened < count:
            raise CannotOpen(chunk=first + opened)
        return length

    def open_into(self, first: int, sealed: memoryview, place: memoryview) -> int:
        """Writes the plaintext of chunks from ``first`` on to that place; returns its length. Raises CannotOpen."""
        count = max(1, -(-len(sealed) // SEALED))
        length, opened = self._opened(first, count, sealed, place)
        if opened < count:
            raise CannotOpen(chunk=first + opened)
        return length

    def _opened(self, first: int, count: int, source: memoryview, place: memoryview) -> tuple[int, int]:
        """How many bytes were opened, and how many chunks."""
        self.nonce(first + count - 1)
        decrypt, base, length = self._aead.decrypt_into, self._base, 0
        for at in range(count):
            piece = source[at * SEALED : at * SEALED + SEALED]
            if len(piece) < TAG:
                return length, at
            try:
                into = place[length : length + len(piece) - TAG]
                length += decrypt((base ^ (first + at)).to_bytes(12, "big"), piece, None, into)
            except InvalidTag:
                return length, at
        return length, count

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
