"""Files read and judged ahead in another process, while this one deposits what was read before."""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from careledger.app.beside import process_beside, seldom_collected
from careledger.domain.categories import Compartment
from careledger.domain.errors import CareLedgerError
from careledger.fhir.parse import NDJSON
from careledger.workflows.from_documents import is_document, staged_document
from careledger.workflows.from_fhir import AT_ONCE, Unit, staged_file
from careledger.workflows.staged import Staged

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

    ``with_documents``: also those that are documents by what they begin with, whatever they are called. In a folder
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


def units(paths: Sequence[Path]) -> list[Unit]:
    """What is read as one: the files of lines in one folder, if one of them is named after patients; else each file."""
    folders: dict[Path, list[Path]] = defaultdict(list)
    for path in paths:
        if path.name.lower().endswith(NDJSON):
            folders[path.parent].append(path)
    joined = {
        folder: tuple(found)
        for folder, found in folders.items()
        if len(found) > 1 and any(_PATIENTS.search(each.name) for each in found)
    }
    made = [
        joined.get(path.parent, (path,)) if path.name.lower().endswith(NDJSON) else (path,) for path in paths
    ]
    return list(dict.fromkeys(made))


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
    the desk named any; ``apart``: whether a file of FHIR has records of its own for that patient, whom its source may
    call otherwise."""

    namespace: bytes
    alias: bytes = b""
    documents: Compartment | None = None
    apart: bool = True


def read(unit: Unit, desk: Desk) -> Staged | Unread:
    """What one file holds, or several that are read as one."""
    try:
        if len(unit) == 1 and is_document(unit[0]):
            return staged_document(unit[0], desk.namespace, desk.alias, desk.documents)
        return staged_file(unit, desk.namespace + desk.alias if desk.apart else desk.namespace)
    except CareLedgerError as error:
        return Unread(type(error).__name__, str(error))
    except OSError as error:
        return Unread("OSError", f"The file cannot be read: {error.strerror}.")


def read_ahead(paths: Sequence[Unit], desk: Desk) -> Iterator[tuple[Unit, Staged | Unread]]:
    """The files in order, each read; a few at most wait in memory."""
    reading = partial(read, desk=desk)
    with seldom_collected():
        if len(paths) < WORTH_IT:
            yield from ((path, reading(path)) for path in paths)
            return
        with process_beside() as pool:
            yield from _ahead(pool, paths, reading)


def _ahead(
    pool: Executor, paths: Sequence[Unit], reading: Callable[[Unit], Staged | Unread]
) -> Iterator[tuple[Unit, Staged | Unread]]:
    """What is read ahead lies in memory, so a large file is read when its turn comes; the first one, too, by this
    process, while the other one starts."""
    waiting: deque[tuple[Unit, Future[Staged | Unread] | None]] = deque([(paths[0], None)])
    left = iter(paths[1:])
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


def _is_large(unit: Unit) -> bool:
    try:
        return sum(path.stat().st_size for path in unit) > AT_ONCE
    except OSError:
        return False
