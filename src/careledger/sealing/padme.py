"""Padmé padding: a length betrays O(log log n) bits at a cost of at most 12 %.

The rounding rule is from "Reducing Metadata Leakage from Encrypted Files and Communication with PURBs"
(Nikitin, Barman, Lueks, Underwood, Hubaux, Ford; PETS 2019), algorithm 1.
"""

from __future__ import annotations

from careledger.domain.errors import MalformedBytes

PREFIX = 8  # bytes of the big-endian length before the content


def padded_length(length: int) -> int:
    """The smallest allowed length that is at least ``length``."""
    if length < 2:
        return length
    exponent = length.bit_length() - 1
    free = exponent - exponent.bit_length()
    mask = (1 << free) - 1
    return (length + mask) & ~mask


def pad(content: bytes) -> bytes:
    """8-byte length, content, zeros up to the next allowed length."""
    return pad_to(content, padded_length(PREFIX + len(content)))


def unpad(padded: bytes) -> bytes:
    """What pad was given; raises MalformedBytes for anything that pad does not make."""
    content = unpad_from(padded)
    if len(padded) != padded_length(PREFIX + len(content)):
        raise MalformedBytes(why="padded length")
    return content


def pad_to(content: bytes, length: int) -> bytes:
    """8-byte length, content, zeros up to exactly ``length`` bytes; the caller has checked that it fits."""
    return (len(content).to_bytes(PREFIX, "big") + content).ljust(length, b"\0")


def unpad_from(padded: bytes) -> bytes:
    """The content before the zeros; raises MalformedBytes if the length or the zeros are wrong."""
    length = int.from_bytes(padded[:PREFIX], "big")
    end = PREFIX + length
    if len(padded) < PREFIX or end > len(padded):
        raise MalformedBytes(why="padding length")
    if padded.count(0, end) != len(padded) - end:
        raise MalformedBytes(why="padding is not zero")
    return padded[PREFIX:end]
