"""Writes archives.json: archives of both versions that open, and some that must not.

python docs/vectors/make_archives.py [--check]

The sealed key is random each time, so that it is kept as long as it opens. Version 1 is written no longer; its archive
is kept for good.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from sealing_inputs import ALIAS, SALT, fixed

from careledger.domain.errors import CareLedgerError
from careledger.formats.bodies import RecordBody
from careledger.formats.deposits import Manifest
from careledger.formats.digests import framed
from careledger.formats.persons import Archive, ArchivedVersion, ArchiveHead
from careledger.sealing import bodies
from careledger.sealing.archives import STREAM, compressed, opened_key, seal_items
from careledger.sealing.keys import wrap
from careledger.sealing.phrase import Phrase

FILE = Path(__file__).with_name("archives.json")
PHRASE, KEY = Phrase(fixed(4)), fixed(17)
OWNER = PHRASE.keys().sealing_key(1, 2)
HEAD = ArchiveHead(1, 2, b"")


def version(number: int) -> ArchivedVersion:
    manifest = replace(Manifest.example(), version=number)
    body = RecordBody(b'{"n":%d}' % number, b"", None, None, ())
    return ArchivedVersion(
        manifest.encode(), body.encode(), bytes(32), bytes([number]) * 32, 7, 1_800_000_000
    )


def part(*numbers: int, made: int = 1_800_000_000) -> bytes:
    return compressed(Archive(ALIAS, bytes(32), made, tuple(map(version, numbers))).encode())


def archive(sealed_key: bytes, *items: bytes) -> bytes:
    head = replace(HEAD, key=sealed_key).encode()
    return framed("archive/2", head) + b"".join(seal_items(KEY, items, SALT))


def kept_key(kept: str) -> bytes:
    """The kept sealed key where it opens to ``KEY``, a new one otherwise."""
    try:
        if opened_key(OWNER, bytes.fromhex(kept)) == KEY:
            return bytes.fromhex(kept)
    except CareLedgerError:
        pass
    return wrap(OWNER.public, KEY.reveal(), "archive-stream")


def build(kept: dict[str, Any]) -> dict[str, Any]:
    """All vectors; ``kept`` is what the file has now."""
    sealed = kept_key(kept.get("sealed_key", ""))
    whole = archive(sealed, part(1), part(2))
    versions = [version(number).encode().hex() for number in (1, 2)]
    begins = len(whole) - len(b"".join(seal_items(KEY, (part(1), part(2)), SALT)))
    ends = bodies.decrypt(KEY, whole[begins:], STREAM)
    altered = bytearray(whole)
    altered[begins + bodies.START] ^= 1
    refused = {
        "the last byte is missing": (whole[:-1], "CannotOpen"),
        "a byte after the end": (whole + b"\0", "CannotOpen"),
        "a byte is another": (bytes(altered), "CannotOpen"),
        "parts of different archives": (archive(sealed, part(1), part(2, made=1)), "CannotOpen"),
        "a part that is no frame": (archive(sealed, part(1), b"part"), "MalformedBytes"),
        "an item longer than a part may be": (
            whole[:begins] + bodies.encrypt(KEY, b"\xff" * 4 + ends[4:], STREAM, SALT),
            "MalformedBytes",
        ),
        "padding that is not zero": (
            whole[:begins] + bodies.encrypt(KEY, ends[:-1] + b"\1", STREAM, SALT),
            "MalformedBytes",
        ),
        "more padding than Padmé's": (
            whole[:begins] + bodies.encrypt(KEY, ends + bytes(4096), STREAM, SALT),
            "MalformedBytes",
        ),
        "a later version": (framed("archive/3", HEAD.encode()) + whole[begins:], "MalformedBytes"),
    }
    return {
        "words": PHRASE.words(),
        "key": KEY.reveal().hex(),
        "salt": SALT.hex(),
        "sealed_key": sealed.hex(),
        "positive": [
            {"version": 1, "archive": kept["positive"][0]["archive"], "versions": versions},
            {"version": 2, "archive": whole.hex(), "versions": versions, "stream": ends.hex()},
        ],
        "negative": [
            {"why": why, "archive": data.hex(), "error": error} for why, (data, error) in refused.items()
        ],
    }


def main() -> int:
    """0 if the file is (now) fresh."""
    kept = json.loads(FILE.read_text())
    fresh = json.dumps(build(kept), indent=1) + "\n"
    if "--check" in sys.argv:
        return 0 if FILE.read_text() == fresh else 1
    FILE.write_text(fresh)
    return 0


if __name__ == "__main__":
    sys.exit(main())
