"""Archives: items one after the other under one random key, which is sealed to their owner's sealing key.

A stream of an archive is one body (C2SP chunked encryption) and needs bounded memory in both directions. What was
written as version 1 held parts in one message, each sealed by itself; those are still opened.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from threading import Lock
from typing import BinaryIO

import zstandard

from careledger.domain.errors import CannotOpen, MalformedBytes
from careledger.formats.digests import digest, framed, uint
from careledger.formats.persons import MOST_PART
from careledger.sealing import bodies
from careledger.sealing.keys import SealingKey, Secret, unwrap, wrap
from careledger.sealing.padme import padded_length, unpad

STREAM = framed("sealed/archive-stream")
PIECE = 1 << 20
LENGTH = 4


# Items of a stream -------------------------------------------------------------------------------


def new_key(public: bytes) -> tuple[Secret, bytes]:
    """A random key, and the same sealed to its owner; raises KeyRefused."""
    key = Secret.random()
    return key, wrap(public, key.reveal(), "archive-stream")


def opened_key(key: SealingKey, sealed: bytes) -> Secret:
    """The key that ``new_key`` sealed; raises CannotOpen."""
    return _key(unwrap(key, sealed, "archive-stream"))


def seal_items(key: Secret, items: Iterable[bytes], salt: bytes | None = None) -> Iterator[bytearray]:
    """The stream of these items, none of which is empty, in pieces: each behind its length, an empty one as the end,
    zeros up to the next length that Padmé allows. ``salt`` (24 bytes) is random; given only to make test vectors."""
    made: list[bytearray] = []

    def room(size: int) -> memoryview:
        made.append(bytearray(size))
        return memoryview(made[-1])

    body, size = bodies.Sealing(key, room, STREAM, salt), 0
    for item in chain(items, (b"",)):
        body.add(uint(len(item), LENGTH))
        body.add(item)
        size += LENGTH + len(item)
        yield from made
        made.clear()
    for at in range(size, length := padded_length(size), PIECE):
        body.add(bytes(min(PIECE, length - at)))
        yield from made
        made.clear()
    body.end()
    yield from made


class ItemReader:
    """The items of a stream, each by the place where it lies; its length is authenticated before anything is given."""

    def __init__(self, key: Secret, file: BinaryIO) -> None:
        """The stream that begins where the file stands. Raises CannotOpen for another key, or one that was cut."""
        self._file, self._start, self._lock = file, file.tell(), Lock()
        size = file.seek(0, os.SEEK_END) - self._start
        self._body = bodies.BodyReader(key, size, self._sealed, STREAM)

    def item(self, at: int, most: int) -> tuple[bytes, int]:
        """The item that lies there, and where the next one does; raises CannotOpen, MalformedBytes over ``most``."""
        begins = at + LENGTH
        length = int.from_bytes(self._body.read(at, begins), "big")
        if length > most:
            raise MalformedBytes(why="an item that is too long")
        return self._body.read(begins, begins + length), begins + length

    def check_end(self, at: int) -> None:
        """Raises MalformedBytes unless what lies from there on is the padding; CannotOpen."""
        if self._body.length != padded_length(at):
            raise MalformedBytes(why="padded length")
        for place in range(at, self._body.length, PIECE):
            if any(self._body.read(place, min(place + PIECE, self._body.length))):
                raise MalformedBytes(why="padding is not zero")

    def _sealed(self, at: int, end: int) -> memoryview:
        with self._lock:  # whoever opens a file in it does so in threads
            self._file.seek(self._start + at)
            if not (found := self._file.read(min(end - at, PIECE))):
                raise CannotOpen(why="cut while it was read")
        return memoryview(found)


# Parts -------------------------------------------------------------------------------------------


def compressed(part: bytes) -> bytes:
    """A part as it lies in a stream: one Zstandard frame."""
    return zstandard.compress(part)


def decompressed(frame: bytes) -> bytes:
    """The part in a frame; raises MalformedBytes for another frame, or one of too much."""
    try:
        if not 0 <= zstandard.get_frame_parameters(frame).content_size <= MOST_PART:
            raise MalformedBytes(why=f"over {MOST_PART >> 20} MiB, or of unknown size")
        return zstandard.decompress(frame)
    except zstandard.ZstdError:
        raise MalformedBytes(why="not one Zstandard frame") from None


def open_parts(key: SealingKey, sealed_key: bytes, sealed: Sequence[bytes]) -> list[bytes]:
    """The parts of version 1; raises CannotOpen for another key, or a part that is altered, missing or in another
    place."""
    opened = _key(unwrap(key, sealed_key, "archive", digest("archive-parts", *sealed)))
    return [
        decompressed(unpad(bodies.decrypt(opened, part, _context(number, len(sealed)))))
        for number, part in enumerate(sealed)
    ]


def _context(number: int, count: int) -> bytes:
    return framed("sealed/archive", uint(number, 4), uint(count, 4))


def _key(opened: bytes) -> Secret:
    if len(opened) != 32:
        raise CannotOpen(why="not an archive's key")
    return Secret(opened)
