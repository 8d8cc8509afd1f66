"""Archives: parts under one random key, which is sealed to its owner's sealing key."""

from __future__ import annotations

from collections.abc import Sequence

import zstandard

from careledger.domain.errors import CannotOpen, MalformedBytes
from careledger.formats.digests import digest, framed, uint
from careledger.formats.persons import MOST_PART
from careledger.sealing import bodies
from careledger.sealing.keys import SealingKey, Secret, unwrap, wrap
from careledger.sealing.padme import pad, unpad


def seal_parts(public: bytes, parts: Sequence[bytes]) -> tuple[bytes, tuple[bytes, ...]]:
    """The sealed key and the sealed parts; raises KeyRefused."""
    key, count = Secret.random(), len(parts)
    sealed = tuple(
        bodies.encrypt(key, pad(zstandard.compress(part)), _context(number, count))
        for number, part in enumerate(parts)
    )
    return wrap(public, key.reveal(), "archive", _digest(sealed)), sealed


def open_parts(key: SealingKey, sealed_key: bytes, sealed: Sequence[bytes]) -> list[bytes]:
    """The parts; raises CannotOpen for another key, or a part that is altered, missing or in another place."""
    opened = unwrap(key, sealed_key, "archive", _digest(sealed))
    if len(opened) != 32:
        raise CannotOpen(why="not an archive's key")
    return [
        _decompress(unpad(bodies.decrypt(Secret(opened), part, _context(number, len(sealed)))))
        for number, part in enumerate(sealed)
    ]


def _digest(sealed: Sequence[bytes]) -> bytes:
    return digest("archive-parts", *sealed)


def _context(number: int, count: int) -> bytes:
    return framed("sealed/archive", uint(number, 4), uint(count, 4))


def _decompress(frame: bytes) -> bytes:
    try:
        if not 0 <= zstandard.get_frame_parameters(frame).content_size <= MOST_PART:
            raise MalformedBytes(why=f"over {MOST_PART >> 20} MiB, or of unknown size")
        return zstandard.decompress(frame)
    except zstandard.ZstdError:
        raise MalformedBytes(why="not one Zstandard frame") from None
