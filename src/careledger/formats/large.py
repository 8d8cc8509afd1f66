"""Bytes that are larger than one block: raw chunks of 1 MiB under one dag-cbor index block.

The index is the dag-cbor map ``{"links": [CID, …], "sha256": bytes, "size": uint}``: raw chunks in order, all of
1 MiB but the last, which has 1 byte to 1 MiB; the SHA-256 of the whole; its length. A link is CBOR tag 42 with a
zero byte and the 36 bytes. Bytes of at most 1 MiB are one raw block and have no index.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

import cbor2

from careledger.domain.errors import BlockMismatch, MalformedBytes
from careledger.formats.cids import (
    DAG_CBOR,
    RAW,
    Cid,
    check_block,
    check_cid,
    codec_of,
    dag_cbor_cid,
    raw_cid,
)

CHUNK = 1 << 20
MOST_LINKS = 16_384
_LINK_TAG = 42

Get = Callable[[Cid], bytes]


def encode_link(cid: Cid) -> cbor2.CBORTag:
    """A dag-cbor link."""
    return cbor2.CBORTag(_LINK_TAG, b"\x00" + check_cid(cid))


def decode_link(value: object) -> Cid:
    """The CID in a dag-cbor link; raises MalformedBytes."""
    if not isinstance(value, cbor2.CBORTag) or value.tag != _LINK_TAG or not isinstance(value.value, bytes):
        raise MalformedBytes(why="not a link")
    if value.value[:1] != b"\x00":
        raise MalformedBytes(why="not a link")
    return check_cid(value.value[1:])


def decode_dag_cbor(data: bytes) -> Any:
    """The value that has exactly these bytes as its dag-cbor; raises MalformedBytes."""
    try:
        value = cbor2.loads(data)
        again = cbor2.dumps(value, canonical=True)
    except (cbor2.CBORError, ValueError, TypeError, EOFError, RecursionError, OverflowError, MemoryError):
        raise MalformedBytes(why="not dag-cbor") from None
    if again != data:
        raise MalformedBytes(why="not the one encoding in dag-cbor")
    return value


@dataclass(frozen=True, slots=True)
class Index:
    """What an index block says: the length of the whole, its SHA-256, its chunks in order."""

    size: int
    sha256: bytes
    links: tuple[Cid, ...]

    def __post_init__(self) -> None:
        wanted = -(-self.size // CHUNK)
        if len(self.links) != wanted or not 2 <= wanted <= MOST_LINKS or len(self.sha256) != 32:
            raise MalformedBytes(why="not an index of chunks")
        if any(codec_of(link) != RAW for link in self.links):
            raise MalformedBytes(why="an index links raw chunks only")

    def encode(self) -> bytes:
        """The index block."""
        links = [encode_link(link) for link in self.links]
        return cbor2.dumps({"links": links, "sha256": self.sha256, "size": self.size}, canonical=True)

    @classmethod
    def decode(cls, data: bytes) -> Index:
        """The index in a block; raises MalformedBytes."""
        value = decode_dag_cbor(data)
        if not isinstance(value, dict) or set(value) != {"links", "sha256", "size"}:
            raise MalformedBytes(why="not an index of chunks")
        size, sha256, links = value["size"], value["sha256"], value["links"]
        if type(size) is not int or not isinstance(sha256, bytes) or not isinstance(links, list):
            raise MalformedBytes(why="not an index of chunks")
        return cls(size, sha256, tuple(decode_link(link) for link in links))


def split(data: bytes) -> tuple[Cid, list[bytes]]:
    """The CID that names these bytes, and the blocks to store for it, the block of that CID last."""
    if len(data) <= CHUNK:
        return raw_cid(data), [data]
    chunks = [data[at : at + CHUNK] for at in range(0, len(data), CHUNK)]
    links = tuple(raw_cid(chunk) for chunk in chunks)
    index = Index(len(data), hashlib.sha256(data).digest(), links).encode()
    return dag_cbor_cid(index), [*chunks, index]


def put_stream(stream: BinaryIO, put_many: Callable[[list[bytes]], list[Cid]]) -> Cid:
    """Stores what a stream gives through ``put_many``, 16 MiB at a time, the index last; returns the CID."""
    whole, links, size = hashlib.sha256(), [], 0
    while chunks := [chunk for chunk in (_read(stream) for _ in range(16)) if chunk]:
        links += put_many(chunks)
        size += sum(len(chunk) for chunk in chunks)
        for chunk in chunks:
            whole.update(chunk)
    if len(links) < 2:
        return links[0] if links else put_many([b""])[0]
    index = Index(size, whole.digest(), tuple(links)).encode()
    put_many([index])
    return dag_cbor_cid(index)


def _read(stream: BinaryIO) -> bytes:
    """The next chunk: 1 MiB, less only at the end."""
    chunk = stream.read(CHUNK)
    while 0 < len(chunk) < CHUNK and (more := stream.read(CHUNK - len(chunk))):
        chunk += more
    return chunk


def links_of(cid: Cid, block: bytes) -> tuple[Cid, ...]:
    """What a stored block links to: chunks for an index, nothing for a raw block; raises MalformedBytes."""
    return Index.decode(block).links if codec_of(cid) == DAG_CBOR else ()


def open_large(cid: Cid, get: Get, offset: int = 0, length: int | None = None) -> bytes:
    """Bytes from ``offset`` on, at most ``length``, of what this CID names; only the chunks touched are fetched.

    Every block is checked against its CID; raises BlockMismatch, MalformedBytes, and what ``get`` raises.
    """
    if offset < 0 or (length is not None and length < 0):
        raise MalformedBytes(why="no such range")
    block = check_block(cid, get(cid))
    end = None if length is None else offset + length
    if codec_of(cid) == RAW:
        return block[offset:end]
    index = Index.decode(block)
    end = index.size if end is None else min(end, index.size)
    touched = range(offset // CHUNK, -(-end // CHUNK)) if offset < end else range(0)
    data = b"".join(_chunk(index, number, get) for number in touched)
    data = data[offset % CHUNK : offset % CHUNK + max(0, end - offset)]
    if len(data) == index.size and hashlib.sha256(data).digest() != index.sha256:
        raise BlockMismatch(why="the chunks are not the whole")
    return data


def _chunk(index: Index, number: int, get: Get) -> bytes:
    chunk = check_block(index.links[number], get(index.links[number]))
    if len(chunk) != min(CHUNK, index.size - number * CHUNK):
        raise MalformedBytes(why="a chunk has another length")
    return chunk
