"""Files in what is deposited are scanned before they are sealed, where the operator named a scanner: nobody can later.

A file is what stands in base64 or in a data URL in a resource, lies beside it, or came as it is. No answer of the
scanner is a refusal. Nothing is written here: what is refused left nothing behind but, of what came in pieces, blocks
that nobody can open.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import html
import json
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_to_bytes

from blake3 import blake3

from careledger.domain.errors import FhirRefused, FileRefused
from careledger.fhir.parse import shown
from careledger.formats.bodies import RecordBody
from careledger.ports import Scanner
from careledger.workflows.new_versions import FileBody, NewVersion

IN_BASE64 = frozenset({
    "carrierAIDC", "data", "defaultValueBase64Binary", "fixedBase64Binary", "hash", "patternBase64Binary", "query",
    "valueBase64Binary",
})  # fmt: skip
"""What R4 calls elements that are base64Binary, in records and in extensions of them."""
_MAY_BE_URL = re.compile(rb"data:", re.IGNORECASE)
_URL = re.compile(r"data:([^,\"'<>]*/[^,\"'<>]*|[^,\"'<>]*;\s*base64\s*),([^\"'<>]*)", re.IGNORECASE)
"""A URL that holds a file itself (RFC 2397), which says of which type it is or that it is in base64."""
_DROPPED = str.maketrans("", "", "\t\n\r")
"""What browsers pass over in URLs."""
PIECE = 1 << 20
MOST_REMEMBERED, FRESH = 10_000, 600.0
Files = Sequence[tuple[str, bytes]]
"""Files, each with its place."""


@dataclass(repr=False)
class Scanning:
    """A scanner, and what it found clean beside the deposit that follows: each such finding is good once."""

    scanner: Scanner
    _clean: dict[bytes, tuple[float, int]] = field(default_factory=dict)

    def remember(self, clean: Iterable[bytes]) -> None:
        """What ``clean`` gave; of more than ten thousand the oldest are scanned again, and all after ten minutes."""
        now = time.monotonic()
        for digest in clean:
            _, times = self._clean.pop(digest, (now, 0))
            self._clean[digest] = now, times + 1
        while len(self._clean) > MOST_REMEMBERED:
            del self._clean[next(iter(self._clean))]

    def check(self, versions: Iterable[NewVersion]) -> None:
        """Raises FileRefused with record and place for a file that is not clean, ScannerUnavailable, and FhirRefused
        for one that lies beside and changed."""
        for version in versions:
            try:
                self._check(version)
            except FileRefused as error:
                where = {"path": version.resource_type, **error.details, "record": version.record_id.hex()}
                raise type(error)(**where) from None

    def _check(self, version: NewVersion) -> None:
        body = version.body
        for path, data in files_in(body.canonical):
            if not self._is_clean(hashlib.sha256(data).digest()):
                scan(self.scanner, data, f"{version.resource_type}.{path}")
        if isinstance(body, RecordBody) and body.original and not body.original.startswith(b"{"):
            scan(self.scanner, body.original, version.resource_type)
        if isinstance(body, FileBody):
            _scan_file(self.scanner, body)

    def _is_clean(self, digest: bytes) -> bool:
        """Whether it was found so, which counts once."""
        found, times = self._clean.pop(digest, (0.0, 0))
        if not times or time.monotonic() - found > FRESH:
            return False
        if times > 1:
            self._clean[digest] = found, times - 1
        return True


def clean(scanner: Scanner, files: Files) -> list[bytes]:
    """The SHA-256 of each of these files, all of them clean, of which the same is scanned once; raises FileRefused,
    ScannerUnavailable. Needs no world."""
    found, seen = [], set[bytes]()
    for path, data in files:
        digest = hashlib.sha256(data).digest()
        if digest not in seen:
            scan(scanner, data, path)
        seen.add(digest)
        found.append(digest)
    return found


def all_files(text: bytes) -> Files:
    """Every file in a JSON text, as ``files_in``; needs no world, so that a process beside can do it."""
    return list(files_in(text))


def may_hold_files(text: bytes) -> bool:
    """False where there is surely no file in a JSON text."""
    named = any(f'"{name}"'.encode() in text for name in IN_BASE64) or b"\\u" in text
    return named or _MAY_BE_URL.search(text) is not None


def files_in(text: bytes) -> Iterator[tuple[str, bytes]]:
    """Every file in a JSON text, with its place; none in what is no JSON. What should be base64 and is not is a file
    as it stands."""
    if not may_hold_files(text):
        return
    try:
        said = json.loads(text, parse_int=float)
    except (ValueError, RecursionError):
        return
    yield from _files(said, "")


def _files(value: Any, path: str) -> Iterator[tuple[str, bytes]]:
    if isinstance(value, str):
        yield from ((path, data) for data in _in_urls(value))
    elif isinstance(value, list):
        for at, each in enumerate(value):
            yield from _files(each, f"{path}[{at}]")
    elif isinstance(value, dict):
        for name, each in value.items():
            there = f"{path}.{name}".lstrip(".")
            if name in IN_BASE64 and isinstance(each, str):
                yield there, _decoded(each)
            else:
                yield from _files(each, there)


def _in_urls(text: str) -> Iterator[bytes]:
    """The files that URLs in a text hold themselves, in XHTML too."""
    for kind, data in (
        _URL.findall(html.unescape(text).translate(_DROPPED)) if ":" in text or "&" in text else ()
    ):
        said = unquote_to_bytes(data)
        yield _decoded(said.decode("latin-1")) if kind.rstrip().lower().endswith("base64") else said


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return text.encode(errors="replace")


def scan(scanner: Scanner, data: bytes, path: str) -> None:
    """Raises FileRefused with that place unless it is clean, ScannerUnavailable."""
    try:
        stream = scanner.begin()
        for at in range(0, len(data), PIECE):
            stream.add(data[at : at + PIECE])
        stream.end()
    except FileRefused as error:
        raise type(error)(path=path, **error.details) from None


def _scan_file(scanner: Scanner, body: FileBody) -> None:
    """What is sealed afterwards is these bytes, or nothing: both compare them with what was staged."""
    stream, again = scanner.begin(), blake3()
    try:
        with body.path.open("rb") as file:
            while piece := file.read(PIECE):
                again.update(piece)
                stream.add(piece)
    except OSError as error:
        stream.close()
        raise FhirRefused(file=shown(body.path.name), problem=f"cannot be read: {error.strerror}") from None
    if again.digest() != body.blake3:
        stream.close()
        raise FhirRefused(file=shown(body.path.name), problem="the file changed while it was read")
    stream.end()
