"""Zstandard frames, made with a dictionary of records: what is sealed of a plaintext, and as secret as that."""

from __future__ import annotations

import threading
from pathlib import Path

import zstandard

from careledger.domain.errors import MalformedBytes
from careledger.sealing.states import Plaintext

MOST_PLAINTEXT = 256 * 1024 * 1024
LEVEL = 3
DICTIONARY = Path(__file__).with_name("records.zdict")


def compressed(plaintext: Plaintext) -> bytes:
    """The Zstandard frame that is sealed, as secret as the plaintext. At most 256 MiB; raises MalformedBytes."""
    if len(plaintext.data) > MOST_PLAINTEXT:
        raise MalformedBytes(why="over 256 MiB")
    return _codecs.compressor.compress(plaintext.data)


def decompressed(frame: bytes) -> bytes:
    """One Zstandard frame that states its content size; raises MalformedBytes for anything else."""
    try:
        size = zstandard.get_frame_parameters(frame).content_size
        if not 0 <= size <= MOST_PLAINTEXT:
            raise MalformedBytes(why="over 256 MiB, or of unknown size")
        return _codecs.decompressor.decompress(frame, allow_extra_data=False)
    except zstandard.ZstdError:
        raise MalformedBytes(why="not one Zstandard frame") from None


class _Codecs(threading.local):
    """Zstandard contexts are costly to make and belong to one thread."""

    def __init__(self) -> None:
        known = zstandard.ZstdCompressionDict(DICTIONARY.read_bytes())
        known.precompute_compress(level=LEVEL)
        self.compressor = zstandard.ZstdCompressor(level=LEVEL, dict_data=known)
        self.decompressor = zstandard.ZstdDecompressor(dict_data=known)


_codecs = _Codecs()
