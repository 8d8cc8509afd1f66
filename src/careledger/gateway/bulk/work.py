"""One export that is being made: what a walk gives is gathered by list and type, and written in portions."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from careledger.fhir.canonical import canonical
from careledger.formats.exports import ExportFile, ExportJob, ExportPiece
from careledger.gateway.bulk import jobs
from careledger.gateway.bulk.jobs import DONE
from careledger.gateway.bulk.wanted import Line, Step
from careledger.ports import Books

SLICE = 0.01
"""Seconds of walking in one step; others wait no longer for it than that and one record."""
PORTION = 2**20
"""Bytes that are gathered before they are written."""
MOST_FILE = 4 * 2**20
"""A file that has so many is followed by another of its type."""
Named = tuple[str, str, bytes, bytes]
"""A list, a type, and whose lines: alias and consent."""


@dataclass(repr=False)
class Work:
    """A job under way, over the books of whose it is; never printed. What is gathered is in memory until it is
    written, and is walked over again after a crash."""

    books: Books
    key: bytes
    job: ExportJob
    steps: Iterator[Step | None]
    lines: dict[Named, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    gathered: int = 0
    cursor: bytes = b""
    passed: int = 0

    def __post_init__(self) -> None:
        self.cursor = self.job.cursor

    def go_on(self) -> bool:
        """Walks for a slice, or writes what was gathered; whether something is left to do."""
        if self.gathered >= PORTION:
            self._write("")
            return True
        until = time.monotonic() + SLICE
        while time.monotonic() < until and self.gathered < PORTION:
            try:
                step = next(self.steps)
            except StopIteration:
                self._write(DONE)
                return False
            self._take(step)
        return True

    def say(self, lines: Iterable[Line]) -> None:
        """Adds lines that no walk gives."""
        for line in lines:
            made = canonical(line.resource) + b"\n"
            owner = line.owner
            self.lines[line.list, line.type, owner.alias, owner.consent].append(made)
            self.gathered += len(made)

    def _take(self, step: Step | None) -> None:
        if step is not None:
            self.cursor = step.cursor
            self.passed += step.ended
            self.say(step.lines)

    def _write(self, state: str) -> None:
        """Pieces first, then the row that counts them and says how far it is."""
        files = list(self.job.files)
        at = {(each.list, each.type): place for place, each in enumerate(files)}
        pieces = {}
        for (listed, kind, alias, consent), lines in sorted(self.lines.items()):
            place = at.get((listed, kind))
            if place is None or files[place].size >= MOST_FILE:
                place = at[listed, kind] = len(files)
                files.append(ExportFile(listed, kind, 0, 0, 0))
            file, data = files[place], b"".join(lines)
            pieces[place, file.pieces] = ExportPiece(alias, consent, data)
            files[place] = replace(
                file, count=file.count + len(lines), pieces=file.pieces + 1, size=file.size + len(data)
            )
        if pieces:
            jobs.put_pieces(self.books, self.key, pieces)
        passed = self.job.passed + self.passed
        self.job = replace(
            self.job, files=tuple(files), cursor=self.cursor, passed=passed, state=state or self.job.state
        )
        jobs.save(self.books, self.key, self.job)
        self.lines.clear()
        self.gathered = self.passed = 0
