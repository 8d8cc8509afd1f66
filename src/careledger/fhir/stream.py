"""The entries of a bundle one after another, in memory bounded by its largest entry.

What stands around the entries (type, labels) may follow them: what a stream gave is provisional until its end.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import Any, BinaryIO

from careledger.fhir.entries import Entry, Reject
from careledger.fhir.json_text import MOST_BYTES, MOST_DEPTH, Cursor, Flaw, Resource, is_plain
from careledger.fhir.parse import FileReader
from careledger.formats.json_nesting import nesting

PIECE = 256 * 1024


class BundleStream:
    """A bundle that is read entry by entry.

    ``bundle_type`` and ``meta`` are known when ``entries`` has come to its end; until then they are None and empty.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._reader = FileReader(name)
        self._file = file
        self.bundle_type: str | None = None
        self.meta: Resource = {}

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
                    yield self._reader.entry_at(cursor, index, plain=cursor.plain)
                    cursor.drop()
                self._reader.entry = None
            else:
                top[name] = cursor.value()
        cursor.end()
        self._finish(top)

    def _finish(self, top: Resource) -> None:
        if top.get("resourceType") != "Bundle":
            raise self._reader.refusal("resourceType", "not a Bundle")
        if not isinstance(top.get("entry", []), list):
            raise self._reader.refusal("entry", "not an array")
        self.bundle_type = self._reader.kind_of(top)
        self.meta = top.get("meta", {})


class _Window(Cursor):
    """A cursor over a file of which only a part is in memory."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__("")
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._read = self._lines = self._column = 0
        self._ended = False
        self.plain = True
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

    def drop(self) -> None:
        """Forget what has been read."""
        gone = self.text[: self.at]
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
        """Read on: as much again as is still in use, so that a large value is not begun too often."""
        piece = self._file.read(max(PIECE, len(self.text) - self.at))
        self._ended = not piece
        pending = len(self._decoder.getstate()[0])
        try:
            more = self._decoder.decode(piece, final=self._ended)
        except UnicodeDecodeError as error:
            raise Flaw(f"not UTF-8 at byte {self._read - pending + error.start}") from None
        self._read += len(piece)
        if len(self.text) - self.at + len(more) > MOST_BYTES:
            raise Flaw(f"an entry of more than {MOST_BYTES} bytes")
        seam = self.text[-1:]
        self.text += more
        deep = nesting(self.text[self.at :].encode())
        if deep > 2 * MOST_DEPTH:
            raise Flaw(f"nested deeper than {MOST_DEPTH}")
        self.plain = self.plain and is_plain(seam + more, deep)
