"""Exports as rows in the books of the organisation whose post asked: what was asked, how far it is, what was made.

Everything is encrypted there like all else that the books hold. Order of effects: a piece durable, then the row that
counts it; what a crash leaves of a piece is written again under the same name. What is removed is first called so, then
its pieces go, then its row.
"""

from __future__ import annotations

from collections.abc import Iterator

from careledger.domain.errors import StoreCorrupt
from careledger.formats.digests import uint
from careledger.formats.exports import ExportJob, ExportPiece
from careledger.ports import Books

JOBS, PIECES = "export-job", "export-piece"
RUNNING, DONE, FAILED, REMOVED = "running", "done", "failed", "removed"
OUTPUT, DELETED, ERROR = "output", "deleted", "error"
DIGEST = 32
AT_ONCE = 8
"""How many pieces are removed in one step."""


def load(books: Books, key: bytes) -> ExportJob | None:
    """The job under that token's digest and id."""
    row = books.get(JOBS, key)
    return None if row is None else ExportJob.decode(row)


def save(books: Books, key: bytes, job: ExportJob) -> None:
    """Durable when it returns."""
    books.put(JOBS, [(key, job.encode())])


def every(books: Books, digest: bytes = b"") -> list[tuple[bytes, ExportJob]]:
    """All jobs with their keys, of one token or of all."""
    return [(key, ExportJob.decode(row)) for key, row in books.rows(JOBS, digest)]


def put_pieces(books: Books, key: bytes, pieces: dict[tuple[int, int], ExportPiece]) -> None:
    """Pieces by the number of their file and their place in it; durable when it returns."""
    books.put(PIECES, [(_name(key, *where), piece.encode()) for where, piece in pieces.items()])


def pieces(books: Books, key: bytes, job: ExportJob, file: int) -> Iterator[ExportPiece]:
    """What is in one file, piece by piece; raises StoreCorrupt."""
    for place in range(job.files[file].pieces):
        row = books.get(PIECES, _name(key, file, place))
        if row is None:
            raise StoreCorrupt(missing=PIECES)
        yield ExportPiece.decode(row)


def remove_some(books: Books, key: bytes) -> bool:
    """Removes a few pieces, at last the row; whether something is left."""
    id = key[DIGEST:]
    found = [each for each in books.keys(PIECES, id, AT_ONCE) if each.startswith(id)]
    if found:
        books.drop(PIECES, found)
        return True
    books.drop(JOBS, [key])
    return False


def _name(key: bytes, file: int, piece: int) -> bytes:
    return key[DIGEST:] + uint(file, 4) + uint(piece, 4)
