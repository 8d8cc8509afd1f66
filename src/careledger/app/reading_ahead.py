"""Files read and judged ahead in another process, while this one deposits what was read before."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

from careledger.domain.errors import CareLedgerError
from careledger.workflows.from_fhir import staged_file
from careledger.workflows.staging import Staged

AHEAD = 3
WORTH_IT = 4  # files; for fewer a process is not started
SUFFIXES = (".json", ".ndjson")
_PATIENTS = re.compile(r"(?<![A-Za-z])Patient(?![A-Za-z])", re.IGNORECASE)


@dataclass(frozen=True)
class Unread:
    """A file that cannot be imported as a whole: the error's name and what it says."""

    error: str
    why: str


def files_in(paths: Sequence[Path]) -> list[Path]:
    """These files, and of folders every file in them, however deep, that ends in .json or .ndjson; in order.

    In a folder files named after patients come first (``Patient.ndjson`` of a bulk export), because the others of
    such an export only refer to them.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = [each for each in path.rglob("*") if each.suffix.lower() in SUFFIXES and each.is_file()]
            found += sorted(inside, key=lambda each: (not _PATIENTS.search(each.name), each))
        else:
            found.append(path)
    return list(dict.fromkeys(found))


def read(path: Path, namespace: bytes) -> Staged | Unread:
    """What one file holds."""
    try:
        return staged_file(path, namespace)
    except CareLedgerError as error:
        return Unread(type(error).__name__, str(error))
    except OSError as error:
        return Unread("OSError", f"The file cannot be read: {error.strerror}.")


def read_ahead(paths: Sequence[Path], namespace: bytes) -> Iterator[tuple[Path, Staged | Unread]]:
    """The files in order, each read; a few at most wait in memory."""
    if len(paths) < WORTH_IT:
        yield from ((path, read(path, namespace)) for path in paths)
        return
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        yield from _ahead(pool, paths, namespace)


def _ahead(
    pool: ProcessPoolExecutor, paths: Sequence[Path], namespace: bytes
) -> Iterator[tuple[Path, Staged | Unread]]:
    waiting: deque[tuple[Path, Future[Staged | Unread]]] = deque()
    left = iter(paths)
    try:
        while True:
            waiting.extend(
                (path, pool.submit(read, path, namespace)) for path in islice(left, AHEAD - len(waiting))
            )
            if not waiting:
                return
            path, future = waiting.popleft()
            yield path, future.result()
    finally:
        for _, future in waiting:
            future.cancel()
