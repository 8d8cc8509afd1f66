"""Files beside a body, each sealed under a random key of its own that stands in the body; read in ranges.

A file is sealed as a body is, but neither compressed nor behind its length, so that a range of it is a range of chunks:
its bytes, zeros up to the next length that Padmé allows, Cobblestone-256. Both directions need bounded memory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from careledger.domain.errors import CannotOpen, MalformedBytes
from careledger.formats import large
from careledger.formats.bodies import MOST_CONTENT, SealedContent
from careledger.formats.digests import framed
from careledger.formats.large import Index, PutMany
from careledger.sealing import bodies
from careledger.sealing.keys import Secret
from careledger.sealing.padme import padded_length
from careledger.sealing.states import VerifiedCiphertext

CONTENT = framed("sealed/content")
PIECE = 1 << 20
HELD = 2
"""Blocks that a reader keeps."""
THREADS, AT_ONCE = 2, 2
"""How many threads open a whole file, and how many blocks each in one go."""


class ContentSealer:
    """Seals a file that comes piece by piece; what it stores is ciphertext, and the key is in memory alone."""

    def __init__(self, put_many: PutMany) -> None:
        self._key = Secret.random()
        self._blocks = large.Splitter(put_many)
        self._body = bodies.Sealing(self._key, self._blocks.room, CONTENT)
        self.size = 0

    def add(self, piece: bytes) -> None:
        """The next bytes of the file; raises MalformedBytes for more than 2^31 - 1 of them, and what storing raises."""
        self.size += len(piece)
        if self.size > MOST_CONTENT:
            raise MalformedBytes(what="file", why=f"of more than {MOST_CONTENT} bytes")
        self._body.add(piece)

    def end(self, sha256: bytes) -> SealedContent:
        """The whole file, whose SHA-256 that is, sealed and stored; raises what storing raises."""
        left = padded_length(self.size) - self.size
        for at in range(0, left, PIECE):
            self._body.add(bytes(min(PIECE, left - at)))
        self._body.end()
        return SealedContent(self._blocks.end(), self._key.reveal(), self.size, sha256)


class ContentReader:
    """A sealed file, opened in ranges: only the blocks that a range touches are asked for, each verified.

    What is given is final: the file's CID, which is on the ledger and under the author's signature, names every block,
    and these fix the key and with it the file.
    """

    def __init__(
        self, content: SealedContent, index: Index, chunk: Callable[[int], VerifiedCiphertext]
    ) -> None:
        """``chunk`` gives the verified block of that number, in whatever thread it is asked. Raises CannotOpen for
        another key, or a file of another length than its body states."""
        self._chunk = chunk
        self._body = bodies.BodyReader(Secret(content.key), index.size, _Blocks(chunk).sealed, CONTENT)
        if self._body.length != padded_length(content.size):
            raise CannotOpen(why="a file of another length than its body states")
        self.size = content.size

    def read(self, start: int, stop: int) -> bytes:
        """Bytes start…stop − 1; raises MalformedBytes for a range outside the file, CannotOpen, and what ``chunk``
        raises."""
        if stop > self.size:
            raise MalformedBytes(why="range outside the file")
        return self._body.read(start, stop)

    def pieces(self) -> Generator[bytearray, None, None]:
        """The whole file in pieces of about 1 MiB, which threads fetch, verify and open; raises as ``read`` does."""
        left, tail = self.size, b""
        for part in self._parts():
            piece = self._body.finished(tail, part)
            del piece[left:]
            left, tail = left - len(piece), part.tail
            yield piece

    def _parts(self) -> Iterator[bodies.Part]:
        """The blocks that hold the file, in order, each opened as far as it is whole chunks."""
        count = -(-self._body.place(self.size) // large.CHUNK)
        waiting: deque[Future[list[bodies.Part]]] = deque()
        with ThreadPoolExecutor(THREADS) as pool:
            for first in range(0, count, AT_ONCE):
                if len(waiting) == THREADS:
                    yield from waiting.popleft().result()
                blocks = range(first, min(first + AT_ONCE, count))
                # made in one thread, whose memory is used again
                rooms = [self._body.room(large.CHUNK) for _ in blocks]
                waiting.append(pool.submit(self._opened, blocks, rooms))
            while waiting:
                yield from waiting.popleft().result()

    def _opened(self, blocks: Iterable[int], rooms: Iterable[bytearray]) -> list[bodies.Part]:
        return [
            self._body.part(number * large.CHUNK, memoryview(self._chunk(number).data), room)
            for number, room in zip(blocks, rooms, strict=True)
        ]


class _Blocks:
    """The verified blocks of an index; the last ones stay in memory."""

    def __init__(self, chunk: Callable[[int], VerifiedCiphertext]) -> None:
        self._chunk = chunk
        self._held: dict[int, memoryview] = {}

    def sealed(self, at: int, end: int) -> memoryview:
        """The sealed bytes from there on, as many as lie in one block and at most to ``end``."""
        number, offset = divmod(at, large.CHUNK)
        if number not in self._held:
            block = memoryview(self._chunk(number).data)
            while len(self._held) >= HELD:
                del self._held[next(iter(self._held))]
            self._held[number] = block
        return self._held[number][offset : offset + end - at]
