"""Content identifiers: CIDv1, as IPFS knows them, in 36 bytes or as text.

Bytes: 0x01 (version), codec (0x55 raw or 0x71 dag-cbor), 0x12 0x20 (sha2-256, 32 bytes), digest. A chunk of bytes that
are larger than one block is raw and has 0x1e 0x20 (blake3, 32 bytes) there: large files are hashed five times as fast.
Text: ``b`` and the lower-case base 32 of those bytes without padding (multibase), 59 characters. No other version,
codec, hash or base is accepted.
"""

from __future__ import annotations

import base64
import binascii
import hashlib

from blake3 import blake3

from careledger.domain.errors import BlockMismatch, MalformedBytes

Cid = bytes  # 36 bytes
Block = bytes | memoryview
"""The bytes of one block, perhaps where they lie in a longer buffer."""

RAW = 0x55
DAG_CBOR = 0x71
SIZE = 36
_PREFIXES = {codec: bytes((1, codec, 0x12, 0x20)) for codec in (RAW, DAG_CBOR)}
RAW_PREFIX = _PREFIXES[RAW]
"""The first four bytes of a raw block's identifier; its SHA-256 follows."""

CHUNK_PREFIX = bytes((1, RAW, 0x1E, 0x20))
"""The first four bytes of a chunk's identifier; its BLAKE3 follows."""

PREFIXES = frozenset((*_PREFIXES.values(), CHUNK_PREFIX))
"""The first four bytes that an identifier may have."""


def raw_cid(data: Block) -> Cid:
    """The identifier of a block of plain bytes."""
    return RAW_PREFIX + hashlib.sha256(data).digest()


def chunk_cid(data: Block) -> Cid:
    """The identifier of a chunk of something larger."""
    return CHUNK_PREFIX + blake3(data).digest()


def dag_cbor_cid(data: Block) -> Cid:
    """The identifier of a block that is a dag-cbor document."""
    return _PREFIXES[DAG_CBOR] + hashlib.sha256(data).digest()


def check_cid(cid: bytes) -> Cid:
    """The same bytes; raises MalformedBytes unless they are an identifier as described above."""
    if not isinstance(cid, bytes) or len(cid) != SIZE or cid[:4] not in PREFIXES:
        raise MalformedBytes(why="not a content identifier that is used here")
    return cid


def codec_of(cid: Cid) -> int:
    """RAW or DAG_CBOR; raises MalformedBytes."""
    return check_cid(cid)[1]


def is_chunk(cid: Cid) -> bool:
    """Whether the identifier names a chunk of something larger; raises MalformedBytes."""
    return check_cid(cid)[:4] == CHUNK_PREFIX


def is_block(cid: Cid, data: Block) -> bool:
    """Whether the identifier names exactly these bytes."""
    made = blake3(data) if is_chunk(cid) else hashlib.sha256(data)
    return made.digest() == cid[4:]


def check_block(cid: Cid, data: bytes) -> bytes:
    """The same data; raises BlockMismatch unless the identifier names exactly them."""
    if not is_block(cid, data):
        raise BlockMismatch(cid=text(cid))
    return data


def text(cid: Cid) -> str:
    """The identifier as text, e.g. ``bafkrei…``."""
    return "b" + base64.b32encode(check_cid(cid)).decode("ascii").rstrip("=").lower()


def parse(written: str) -> Cid:
    """The identifier that this text is the one spelling of; raises MalformedBytes for anything else."""
    try:
        cid = base64.b32decode(written[1:].upper() + "======")
    except (binascii.Error, ValueError):
        raise MalformedBytes(why="not base 32") from None
    if text(cid) != written:
        raise MalformedBytes(why="not the one spelling of a content identifier")
    return cid
