"""Files read and judged ahead in another process, while this one deposits what was read before."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

from careledger.domain.categories import Compartment
from careledger.domain.errors import CareLedgerError
from careledger.workflows.from_documents import is_document, staged_document
from careledger.workflows.from_fhir import AT_ONCE, staged_file
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


def files_in(paths: Sequence[Path], with_documents: bool = False) -> list[Path]:
    """These files, and of folders every file in them, however deep, that ends in .json or .ndjson; in order.

    ``with_documents``: also those that are PDF or DICOM by what they begin with, whatever they are called. In a folder
    files named after patients come first (``Patient.ndjson`` of a bulk export), because the others of
    such an export only refer to them.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = [each for each in path.rglob("*") if each.is_file() and _is_taken(each, with_documents)]
            found += sorted(inside, key=lambda each: (not _PATIENTS.search(each.name), each))
        else:
            found.append(path)
    return list(dict.fromkeys(found))


def _is_taken(path: Path, with_documents: bool) -> bool:
    if path.suffix.lower() in SUFFIXES:
        return True
    try:
        return with_documents and is_document(path)
    except OSError:
        return False


@dataclass(frozen=True)
class Desk:
    """What reading needs to know: the namespace of record ids, the patient's alias and the documents' compartment, if
    the desk named any."""

    namespace: bytes
    alias: bytes = b""
    documents: Compartment | None = None


def read(path: Path, desk: Desk) -> Staged | Unread:
    """What one file holds."""
    try:
        if is_document(path):
            return staged_document(path, desk.namespace, desk.alias, desk.documents)
        return staged_file(path, desk.namespace)
    except CareLedgerError as error:
        return Unread(type(error).__name__, str(error))
    except OSError as error:
        return Unread("OSError", f"The file cannot be read: {error.strerror}.")


def read_ahead(paths: Sequence[Path], desk: Desk) -> Iterator[tuple[Path, Staged | Unread]]:
    """The files in order, each read; a few at most wait in memory."""
    reading = partial(read, desk=desk)
    if len(paths) < WORTH_IT:
        yield from ((path, reading(path)) for path in paths)
        return
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        yield from _ahead(pool, paths, reading)


def _ahead(
    pool: Executor, paths: Sequence[Path], reading: Callable[[Path], Staged | Unread]
) -> Iterator[tuple[Path, Staged | Unread]]:
    """What is read ahead lies in memory, so a large file is read when its turn comes."""
    waiting: deque[tuple[Path, Future[Staged | Unread] | None]] = deque()
    left = iter(paths)
    try:
        while True:
            waiting.extend(
                (path, None if _is_large(path) else pool.submit(reading, path))
                for path in islice(left, AHEAD - len(waiting))
            )
            if not waiting:
                return
            path, future = waiting.popleft()
            yield path, reading(path) if future is None else future.result()
    finally:
        for _, future in waiting:
            if future is not None:
                future.cancel()


def _is_large(path: Path) -> bool:
    try:
        return path.stat().st_size > AT_ONCE
    except OSError:
        return False
