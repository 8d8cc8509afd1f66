"""DICOM files for tests, written by hand from PS3.5 and PS3.10: a header and some pixels that are none."""

from __future__ import annotations

import struct
from collections.abc import Iterable

IMPLICIT, EXPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
LONG = ("SQ", "UN", "OB", "OW")
SEQUENCE = ((0x0008, 0x1140), "SQ", None)  # of undefined length, with an item of undefined length inside
FIELDS = {
    "characters": ((0x0008, 0x0005), "CS"),
    "instance": ((0x0008, 0x0018), "UI"),
    "date": ((0x0008, 0x0020), "DA"),
    "name": ((0x0010, 0x0010), "PN"),
    "id": ((0x0010, 0x0020), "LO"),
    "birth": ((0x0010, 0x0030), "DA"),
}


def element(tag: tuple[int, int], kind: str, value: bytes, explicit: bool) -> bytes:
    """One element with its value padded to an even length."""
    value += b" " * (len(value) % 2) if kind not in ("UI", *LONG) else b"\0" * (len(value) % 2)
    start = struct.pack("<HH", *tag)
    if not explicit:
        return start + struct.pack("<I", len(value)) + value
    if kind in LONG:
        return start + kind.encode() + b"\0\0" + struct.pack("<I", len(value)) + value
    return start + kind.encode() + struct.pack("<H", len(value)) + value


def sequence(explicit: bool) -> bytes:
    """A sequence and an item in it, both of undefined length, that name a patient who is another one's."""
    start = struct.pack("<HH", 0x0008, 0x1140) + (b"SQ\0\0" if explicit else b"") + b"\xff" * 4
    item = struct.pack("<HH", 0xFFFE, 0xE000) + b"\xff" * 4
    inner = element((0x0010, 0x0010), "PN", b"Nobody^Else", explicit)
    ends = struct.pack("<HHI", 0xFFFE, 0xE00D, 0) + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    return start + item + inner + ends


def dicom(syntax: str = EXPLICIT, encoding: str = "utf-8", **fields: str) -> bytes:
    """A DICOM file with these fields."""
    explicit = syntax != IMPLICIT
    meta = element((0x0002, 0x0010), "UI", syntax.encode(), True)
    said = {"characters": "ISO_IR 192", **fields}
    rows = sorted((FIELDS[name], value) for name, value in said.items())
    return b"\0" * 128 + b"DICM" + meta + b"".join(_dataset(rows, encoding, explicit)) + element(
        (0x7FE0, 0x0010), "OW", bytes(64), explicit
    )  # fmt: skip


def _dataset(
    rows: Iterable[tuple[tuple[tuple[int, int], str], str]], encoding: str, explicit: bool
) -> Iterable[bytes]:
    sequenced = False
    for (tag, kind), value in rows:
        if tag[0] == 0x0010 and not sequenced:
            yield sequence(explicit)
            sequenced = True
        yield element(tag, kind, value.encode(encoding), explicit)
