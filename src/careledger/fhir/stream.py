"""A file read piece by piece, in memory bounded by its largest resource and by what is kept of the others.

What stands around the entries of a bundle (type, labels) may follow them: what a stream gave is provisional until its
end. ``read_file`` keeps the small resources and leaves the large ones, with their attachments, in the file.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Protocol

from careledger.domain.errors import FhirRefused
from careledger.fhir.entries import Entry, Reject, left_in_file, read_resource
from careledger.fhir.json_text import MOST_BYTES, MOST_DEPTH, Cursor, Flaw, Resource, is_plain
from careledger.fhir.parse import NDJSON, FileReader, ParsedFile, lines_of, parse_file, shown, sorted_out
from careledger.formats.json_nesting import nesting

PIECE = 256 * 1024
MOST_KEPT = 64 * 2**20


class BundleStream:
    """A bundle that is read entry by entry.

    ``bundle_type`` and ``meta`` are known when ``entries`` has come to its end; until then they are None and empty.
    """

    def __init__(self, file: Source, name: str) -> None:
        self._reader = FileReader(name)
        self._file = file
        self.bundle_type: str | None = None
        self.meta: Resource = {}
        self.is_bundle = True

    def entries(self) -> Iterator[Entry | Reject]:
        """Each entry, judged by itself, in order.

        References between entries and repeated names are left to whoever has them together (entries.Naming). Raises
        FhirRefused, at any point, if the file as a whole cannot be imported: then nothing that came before counts.
        """
        try:
            yield from self._entries()
        except Flaw as flaw:
            raise self._reader.refusal(flaw.path, flaw.why) from None

    def _entries(self) -> Iterator[Entry | Reject]:
        cursor, top = _Window(self._file), dict[str, Any]()
        if not cursor.looks_at("{"):
            raise cursor.flaw("expected a FHIR resource", cursor.at)
        for name in cursor.names():
            if name == "entry" and cursor.looks_at("["):
                top[name] = []
                for index in cursor.indices():
                    made = self._reader.entry_at(cursor, index, plain=cursor.plain)
                    yield left_in_file(made, cursor.began) if isinstance(made, Entry) else made
                    cursor.drop()
                self._reader.entry = None
            else:
                top[name] = cursor.value()
        cursor.end()
        self._finish(top)

    def _finish(self, top: Resource) -> None:
        self.is_bundle = top.get("resourceType") == "Bundle"
        if not self.is_bundle:
            raise self._reader.refusal("resourceType", "not a Bundle")
        if not isinstance(top.get("entry", []), list):
            raise self._reader.refusal("entry", "not an array")
        self.bundle_type = self._reader.kind_of(top)
        self.meta = top.get("meta", {})


class Source(Protocol):
    """What is read of a file: pieces, lines, from a place on."""

    def read(self, size: int = -1, /) -> bytes: ...

    def readline(self, limit: int = -1, /) -> bytes: ...

    def seek(self, offset: int, /) -> int: ...


def read_file(file: Source, name: str) -> ParsedFile:
    """As ``parse_file`` of what a seekable file holds; a large resource is left in it, and its Entry says where.

    Raises FhirRefused as ``parse_file`` does, and for more than 64 MiB of resources that are not large.
    """
    if name.lower().endswith(NDJSON):
        return lines_of(_counted(_lines(file), name), name)
    bundle = BundleStream(file, name)
    try:
        found = list(_counted(bundle.entries(), name))
    except FhirRefused:
        if bundle.is_bundle:
            raise
        file.seek(0)
        return _alone(file.read(MOST_BYTES + 1), name)
    return ParsedFile(shown(name), bundle.bundle_type, *sorted_out(found), bundle.meta)


def _alone(data: bytes, name: str) -> ParsedFile:
    """The one resource that a file is."""
    made = parse_file(data, name)
    start = len(data) - len(data.lstrip())
    return replace(made, entries=tuple(left_in_file(each, start) for each in made.entries))


def _lines(file: Source) -> Iterator[Entry | Reject]:
    index = offset = 0
    while line := file.readline(MOST_BYTES + 1):
        if line.strip():
            made = read_resource(line, index)
            start = offset + len(line) - len(line.lstrip())
            yield left_in_file(made, start) if isinstance(made, Entry) else made
            index += 1
        offset += len(line)


def _counted(found: Iterator[Entry | Reject], name: str) -> Iterator[Entry | Reject]:
    kept = 0
    for each in found:
        kept += len(each.original) if isinstance(each, Entry) else 0
        if kept > MOST_KEPT:
            raise FhirRefused(file=shown(name), problem=f"more than {MOST_KEPT} bytes beside large resources")
        yield each


class _Window(Cursor):
    """A cursor over a file of which only a part is in memory."""

    def __init__(self, file: Source) -> None:
        super().__init__("")
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._read = self._lines = self._column = 0
        self._ended = False
        self._gone = 0
        self.plain = True
        self.began = 0
        self._fill()
        if self.text.startswith("\ufeff"):
            raise Flaw("a byte order mark before the text")

    def value(self) -> Any:
        """The value here; more of the file is read until it is whole."""
        self._space()
        start = self.at
        while True:
            try:
                made = super().value()
            except Flaw:
                if self._ended:
                    raise
            else:
                if self._ended or self.at < len(self.text):
                    return made
            self.at = start
            self._fill()

    def original(self) -> tuple[Any, bytes]:
        """The value here and its bytes; ``began`` is where in the file they begin."""
        self._space()
        start = self.at
        value = self.value()
        self.began = self._gone + len(self.text[:start].encode())
        return value, self.text[start : self.at].encode()

    def drop(self) -> None:
        """Forget what has been read."""
        gone = self.text[: self.at]
        self._gone += len(gone) if gone.isascii() else len(gone.encode())
        line = gone.rfind("\n")
        self._lines += gone.count("\n")
        self._column = len(gone) - line - 1 if line >= 0 else self._column + len(gone)
        self.text, self.at = self.text[self.at :], 0

    def flaw(self, why: str, at: int) -> Flaw:
        """A flaw that names line and column in the file."""
        before = self.text[:at]
        line = before.rfind("\n")
        column = at - line if line >= 0 else self._column + at + 1
        return Flaw(f"{why} at line {self._lines + before.count(chr(10)) + 1} column {column}")

    def _space(self) -> None:
        super()._space()
        while self.at == len(self.text) and not self._ended:
            self._fill()
            super()._space()

    def _fill(self) -> None:
        """Read on: half as much again as is still in use, so that a large value is not begun too often."""
        in_use = len(self.text) - self.at
        if in_use >= MOST_BYTES:
            raise Flaw(f"an entry of more than {MOST_BYTES} bytes")
        piece = self._file.read(min(max(PIECE, in_use // 2), MOST_BYTES - in_use))
        self._ended = not piece
        pending = len(self._decoder.getstate()[0])
        try:
            more = self._decoder.decode(piece, final=self._ended)
        except UnicodeDecodeError as error:
            raise Flaw(f"not UTF-8 at byte {self._read - pending + error.start}") from None
        self._read += len(piece)
        seam = self.text[-1:]
        self.text += more
        deep = nesting(self.text[self.at :].encode())
        if deep > 2 * MOST_DEPTH:
            raise Flaw(f"nested deeper than {MOST_DEPTH}")
        self.plain = self.plain and is_plain(seam + more, deep)
