"""Where each block lies: the newest in memory, the others in sorted files, so that memory does not grow with blocks.

Every ``NEWEST`` blocks become a file, and ``FILES`` files of about one size become one, up to the size that ``LEVELS``
such steps give, so that nobody waits long for it. ``index.places`` names the files, and how far into which segments
they reach. All of it can be made again from the segments and nothing is synced: what a crash left is checked before it
is used, and forgotten if anything is not as it says, or is about other segments.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from zlib import crc32

from careledger.adapters.blocks.run import ALL, DIGEST, Run, below, entry, place_in, prefixes, write_run
from careledger.domain.errors import StoreCorrupt, StoreUnavailable

NEWEST, FILES, LEVELS = 4_096, 8, 2
AT_ONCE = 8_192
"""Entries that are in memory together while files become one."""
NAME, SUFFIX, VERSION = "index.places", ".places", 1
Known = dict[int, tuple[int, int]]
"""By number of a segment up to which byte it was read, and how many bytes before that belong to no record."""
_UNUSABLE = (OSError, StoreCorrupt, StoreUnavailable)


class Places:
    """By digest the packed place of a block; see segments.Place. Not safe for threads."""

    def __init__(self, directory: Path, mark: Callable[[int, int], int]) -> None:
        """``mark`` of a segment's number and a byte in it: by what stands before that, another segment is told."""
        self._directory, self._mark = directory, mark
        self._newest: dict[bytes, int] = {}
        self._runs: list[Run] = []
        """The newest last."""
        self._next = 1
        self._enough = NEWEST

    def open(self, sizes: Mapping[int, int]) -> Known:
        """Takes up the files; returns how far they reach into segments of these sizes: nowhere if anything is wrong."""
        try:
            reach = self._opened(sizes)
        except (*_UNUSABLE, ValueError, TypeError, KeyError):
            self.clear()
            return {}
        self._sweep()
        return reach

    def close(self) -> None:
        """Lets go of the files."""
        for each in self._runs:
            each.close()
        self._runs = []

    def get(self, digest: bytes) -> int | None:
        """The packed place of that block."""
        found = self._newest.get(digest)
        if found is None and self._runs:
            first, second = prefixes(digest)
            for run in reversed(self._runs):
                found = run.find(digest, first, second)
                if found is not None:
                    break
        return found

    def add(self, places: Iterable[tuple[bytes, int]]) -> None:
        """These are the latest of their digests."""
        self._newest.update(places)

    def settle(self, known: Known) -> None:
        """Writes what is in memory to a file when it is enough; nothing was added that is not of segments so far read.

        Where the disk refuses, it stays in memory until there is as much again.
        """
        if len(self._newest) < self._enough:
            return
        tail = self._tail()
        try:
            self._replace(tail, self._portions(tail), known)
        except _UNUSABLE:
            self._enough = len(self._newest) + NEWEST

    def keep(self, wanted: Callable[[int], bool], known: Known) -> None:
        """Forgets all whose packed place is not wanted; raises StoreUnavailable, and is then of no use but to clear."""
        if not self._runs:
            self._newest = {digest: packed for digest, packed in self._newest.items() if wanted(packed)}
            return
        portions = ([each for each in some if wanted(place_in(each))] for some in self._portions(self._runs))
        try:
            self._replace(self._runs, portions, known)
        except (OSError, StoreCorrupt) as error:
            raise StoreUnavailable(why=type(error).__name__) from None

    def clear(self) -> None:
        """Forgets everything."""
        self.close()
        self._newest = {}
        with suppress(OSError):
            (self._directory / NAME).unlink(missing_ok=True)
            self._sweep()

    def items(self) -> Iterator[tuple[bytes, int]]:
        """Every digest once, with its packed place, in order; nothing may be added meanwhile."""
        for some in self._portions(self._runs):
            for each in some:
                yield each[:DIGEST], place_in(each)

    # Inside -------------------------------------------------------------------------------------

    def _portions(self, runs: Sequence[Run]) -> Iterator[list[bytes]]:
        """The entries of these files and of what is in memory, in order, of each digest the latest."""
        newest = sorted(entry(digest, packed) for digest, packed in self._newest.items())
        parts = (sum(run.count for run in runs) + len(newest)) // AT_ONCE + 1
        for part in range(parts):
            low, high = part * ALL // parts, (part + 1) * ALL // parts
            found = newest[below(newest, low) : below(newest, high)]
            for run in runs:
                found += run.between(low, high)
            found.sort()
            yield list({each[:DIGEST]: each for each in found}.values())

    def _tail(self) -> list[Run]:
        """The newest files that become one with what is in memory: as many as are of a size, and then of the next."""
        start, level = len(self._runs), _level(len(self._newest))
        while level < LEVELS:
            same = start
            while same and _level(self._runs[same - 1].count) <= level:
                same -= 1
            if start - same < FILES - 1:
                break
            start, level = same, level + 1
        return self._runs[start:]

    def _replace(self, old: Sequence[Run], portions: Iterable[list[bytes]], known: Known) -> None:
        """One file in place of the newest files and of what is in memory.

        Order of effects: the new file; the list that names it; the old files gone. A crash between leaves files that
        the list does not name.
        """
        path = self._directory / f"{self._next:08d}{SUFFIX}"
        crc = write_run(path, portions, sum(run.count for run in old) + len(self._newest))
        made = Run(path, crc)
        self._runs, self._newest = [*self._runs[: len(self._runs) - len(old)], made], {}
        self._next, self._enough = self._next + 1, NEWEST
        self._write_list(known)
        for run in old:
            run.close()
            run.path.unlink(missing_ok=True)

    def _write_list(self, known: Known) -> None:
        """An older list, or none, makes opening read more of the segments."""
        try:
            said = self._said(known)
        except OSError:
            return
        data = json.dumps(said).encode()
        written = self._directory / f"{NAME}.new"
        with suppress(OSError):
            with open(os.open(written, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as file:
                file.write(b"%08x\n%s" % (crc32(data), data))
            written.replace(self._directory / NAME)

    def _said(self, known: Known) -> dict[str, Any]:
        last = max(known, default=None)
        return {
            "version": VERSION,
            "mark": None if last is None else self._mark(last, known[last][0]),
            "runs": [[int(run.path.stem), run.crc] for run in self._runs],
            "segments": [[number, *read] for number, read in sorted(known.items())],
        }

    def _opened(self, sizes: Mapping[int, int]) -> Known:
        crc, _, data = (self._directory / NAME).read_bytes().partition(b"\n")
        if int(crc, 16) != crc32(data):
            raise ValueError("another list")
        said = json.loads(data)
        known = {number: (length, unread) for number, length, unread in said["segments"]}
        last = max(known)
        before = {number: size for number, size in sizes.items() if number < last}
        if said["version"] != VERSION or sizes.get(last, -1) < known[last][0]:
            raise ValueError("other segments")
        if before != {number: length for number, (length, _) in known.items() if number < last}:
            raise ValueError("other segments")
        if said["mark"] != self._mark(last, known[last][0]):
            raise ValueError("other segments")
        for number, crc in said["runs"]:
            self._runs.append(Run(self._directory / f"{number:08d}{SUFFIX}", crc))
            self._next = max(self._next, number + 1)
        return known

    def _sweep(self) -> None:
        """What a crash left."""
        named = {NAME, *(run.path.name for run in self._runs)}
        for path in self._directory.glob(f"*{SUFFIX}"):
            if path.name not in named:
                path.unlink(missing_ok=True)


def _level(count: int) -> int:
    level = 0
    while count >= NEWEST * FILES ** (level + 1):
        level += 1
    return level
