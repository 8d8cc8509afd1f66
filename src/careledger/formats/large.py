"""Bytes that are larger than one block: raw chunks of 1 MiB under one dag-cbor index block.

The index is the dag-cbor map ``{"links": [CID, …], "size": uint}``: raw chunks in order, each named by its BLAKE3, all
of 1 MiB but the last, which has 1 byte to 1 MiB; the length of the whole. A link is CBOR tag 42 with a zero byte and
the 36 bytes. Bytes of at most 1 MiB are one raw block and have no index.

A sealed body and the sealed file beside it are joined by the dag-cbor map ``{"body": CID, "content": CID}``: whoever
keeps that block keeps both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple, Protocol

import cbor2

from careledger.domain.errors import MalformedBytes
from careledger.formats.cids import (
    DAG_CBOR,
    RAW,
    Block,
    Cid,
    check_block,
    check_cid,
    chunk_cid,
    codec_of,
    dag_cbor_cid,
    is_chunk,
    raw_cid,
)

CHUNK = 1 << 20
AT_ONCE = 16
"""Chunks that are stored together."""
MOST_ROOM = 1 << 19
"""Bytes that a splitter gives room for at once."""
MOST_LINKS = 16_384
_LINK_TAG = 42

Get = Callable[[Cid], bytes]


class PutMany(Protocol):
    """Stores blocks under the identifiers that ``named`` gives them."""

    def __call__(self, blocks: list[Block], named: Callable[[Block], Cid] = raw_cid) -> list[Cid]: ...


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
    """What an index block says: the length of the whole, its chunks in order."""

    size: int
    links: tuple[Cid, ...]

    def __post_init__(self) -> None:
        wanted = -(-self.size // CHUNK)
        if len(self.links) != wanted or not 2 <= wanted <= MOST_LINKS:
            raise MalformedBytes(why="not an index of chunks")
        if not all(map(is_chunk, self.links)):
            raise MalformedBytes(why="an index links chunks only")

    def encode(self) -> bytes:
        """The index block."""
        links = [encode_link(link) for link in self.links]
        return cbor2.dumps({"links": links, "size": self.size}, canonical=True)

    @classmethod
    def decode(cls, data: bytes) -> Index:
        """The index in a block; raises MalformedBytes."""
        node = decode_node(data)
        if not isinstance(node, cls):
            raise MalformedBytes(why="not an index of chunks")
        return node

    @classmethod
    def _of(cls, value: dict[Any, Any]) -> Index:
        size, links = value["size"], value["links"]
        if type(size) is not int or not isinstance(links, list):
            raise MalformedBytes(why="not an index of chunks")
        return cls(size, tuple(decode_link(link) for link in links))

    def check_length(self, number: int, chunk: Block) -> None:
        """Raises MalformedBytes unless the chunk has the length that it has to have in that place."""
        if len(chunk) != min(CHUNK, self.size - number * CHUNK):
            raise MalformedBytes(why="a chunk has another length")


@dataclass(frozen=True, slots=True)
class Joined:
    """A sealed body and the sealed file beside it, under one CID."""

    body: Cid
    content: Cid

    def encode(self) -> bytes:
        """The block that joins them."""
        links = {"body": encode_link(self.body), "content": encode_link(self.content)}
        return cbor2.dumps(links, canonical=True)


def decode_node(data: bytes) -> Index | Joined:
    """What a dag-cbor block is: an index of chunks, or two that are joined; raises MalformedBytes."""
    value = decode_dag_cbor(data)
    names = set(value) if isinstance(value, dict) else set()
    if names == {"body", "content"}:
        return Joined(decode_link(value["body"]), decode_link(value["content"]))
    if names == {"links", "size"}:
        return Index._of(value)
    raise MalformedBytes(why="not an index of chunks")


class Split(NamedTuple):
    """The CID that names some bytes, the block of that CID, and the chunks under it, if it is an index."""

    cid: Cid
    block: bytes
    chunks: tuple[bytes, ...] = ()


def split(data: bytes) -> Split:
    """These bytes as what is to be stored for them."""
    if len(data) <= CHUNK:
        return Split(raw_cid(data), data)
    chunks = tuple(data[at : at + CHUNK] for at in range(0, len(data), CHUNK))
    index = Index(len(data), tuple(map(chunk_cid, chunks))).encode()
    return Split(dag_cbor_cid(index), index, chunks)


class Splitter:
    """Stores bytes that come in pieces through ``put_many``, 16 MiB at a time, the index last.

    ``put_many`` is given views of a buffer that is used again when it returns.
    """

    def __init__(self, put_many: PutMany) -> None:
        self._put_many = put_many
        self._links: list[Cid] = []
        self._full = AT_ONCE * CHUNK
        self._buffer = memoryview(bytearray(self._full + MOST_ROOM))
        self._stored, self._end = 0, 0

    def room(self, size: int) -> memoryview:
        """Where the next ``size`` bytes, at most MOST_ROOM, are to be written before anything else is called; raises
        what ``put_many`` raises."""
        if self._end >= self._full:
            self._put(self._full)
        self._end += size
        return self._buffer[self._end - size : self._end]

    def add(self, piece: Block) -> None:
        """The next bytes; raises what ``put_many`` raises."""
        view = memoryview(piece)
        for at in range(0, len(view), MOST_ROOM):
            part = view[at : at + MOST_ROOM]
            self.room(len(part))[:] = part

    def end(self) -> Cid:
        """The CID of all of them, stored; raises MalformedBytes for more than an index can name."""
        size = self._stored + self._end
        if size <= CHUNK:
            return self._put_many([self._buffer[:size]])[0]
        if self._end > self._full:
            self._put(self._full)
        self._put(self._end)
        index = Index(size, tuple(self._links)).encode()
        self._put_many([index])
        return dag_cbor_cid(index)

    def _put(self, stop: int) -> None:
        """Stores what the buffer holds up to there, in chunks."""
        chunks: list[Block] = [self._buffer[at : min(at + CHUNK, stop)] for at in range(0, stop, CHUNK)]
        self._links += self._put_many(chunks, named=chunk_cid)
        self._buffer[: self._end - stop] = bytes(self._buffer[stop : self._end])
        self._stored, self._end = self._stored + stop, self._end - stop


def put_stream(stream: BinaryIO, put_many: PutMany) -> Cid:
    """Stores what a stream gives through ``put_many``, 16 MiB at a time, the index last; returns the CID."""
    splitter = Splitter(put_many)
    while piece := stream.read(CHUNK):
        splitter.add(piece)
    return splitter.end()


def links_of(cid: Cid, block: bytes) -> tuple[Cid, ...]:
    """What a stored block links to: chunks for an index, two for what is joined, nothing for a raw block; raises
    MalformedBytes."""
    if codec_of(cid) != DAG_CBOR:
        return ()
    node = decode_node(block)
    return (node.body, node.content) if isinstance(node, Joined) else node.links


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
    return data[offset % CHUNK : offset % CHUNK + max(0, end - offset)]


def _chunk(index: Index, number: int, get: Get) -> bytes:
    chunk = check_block(index.links[number], get(index.links[number]))
    index.check_length(number, chunk)
    return chunk
