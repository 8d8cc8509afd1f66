"""Which worker a request is handed to: what reads for a token to that token's reader, everything else to the first.

Leases and pages are in one worker's memory, so a token's reads go to the same one as long as it is there. Each pair of
token and reader has a number, and the highest wins: where a reader ends or begins, only its own share moves.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Any

from starlette.types import Message, Receive, Scope

MOST_FORM = 64 * 1024
"""Bytes of a search's form, which is kept until it is answered: another worker may be asked for it again."""
READS = re.compile(
    r"/fhir/?|/fhir/[A-Z][A-Za-z]{1,63}/?|/fhir/[A-Z][A-Za-z]{1,63}/[A-Za-z0-9.\-]{1,64}(/.*)?"
)
SEARCHES = re.compile(r"/fhir/(Patient/[A-Za-z0-9.\-]{1,64}/)?([A-Z][A-Za-z]{1,63}/)?_search/?")


def reader_socket(worker: Path, number: int) -> Path:
    """Where the reader with that number is reached, beside the first worker's socket."""
    return worker.with_name(f"{worker.name}-{number}")


def readers(worker: Path, key: bytes) -> list[Path]:
    """The sockets of the readers that are there, or were, the one first that this key's reads go to."""
    try:
        names = os.listdir(worker.parent)
    except OSError:
        return []
    found = [each for each in names if re.fullmatch(re.escape(worker.name) + r"-[0-9]{1,3}", each)]
    found.sort(key=lambda each: hashlib.sha256(key + each.encode()).digest(), reverse=True)
    return [worker.with_name(each) for each in found]


def key_of(scope: Scope) -> bytes | None:
    """By what a reader is chosen: the digest of the token that a read brings; None for what the first worker is asked.

    Whoever has no token, or a session's cookie, and whoever does not want to wait is answered there.
    """
    headers: dict[bytes, bytes] = dict(scope["headers"])
    scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() != b"bearer" or not _is_read(scope, headers):
        return None
    return hashlib.sha256(token.strip()).digest()


def _is_read(scope: Scope, headers: dict[bytes, bytes]) -> bool:
    said = headers.get(b"content-length", b"0")
    size = int(said) if said.isdigit() else MOST_FORM + 1
    if b"transfer-encoding" in headers or b"respond-async" in headers.get(b"prefer", b"").lower():
        return False
    searches = SEARCHES.fullmatch(scope["path"]) is not None
    if scope["method"] in ("GET", "HEAD"):
        return size == 0 and (searches or READS.fullmatch(scope["path"]) is not None)
    return scope["method"] == "POST" and size <= MOST_FORM and searches


class Kept:
    """What comes of a request, kept so that it can be said a second time."""

    def __init__(self, receive: Receive) -> None:
        self._receive, self._came, self._at = receive, list[Message](), 0

    async def receive(self) -> Any:
        """The next message."""
        if self._at == len(self._came):
            self._came.append(await self._receive())
        self._at += 1
        return self._came[self._at - 1]

    def again(self) -> None:
        """From the beginning."""
        self._at = 0
