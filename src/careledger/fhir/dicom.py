"""The few header fields of a DICOM file that an import needs (PS3.10, PS3.5), read without trusting any of it.

The dataset is read element by element in the order of tags, up to the patient's group, within the first MiB: little
endian, with explicit or implicit value representations. Other transfer syntaxes (big endian, deflated) and whatever
does not parse give no fields: the file is kept all the same, and nothing is said of what it holds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from careledger.fhir.dates import is_date

PREAMBLE = 128
MAGIC = b"DICM"
MOST_HEADER = 2**20
MOST_VALUE = 1_024
MOST_DEPTH = 16

CHARACTERS, INSTANCE, STUDY_DATE = (0x0008, 0x0005), (0x0008, 0x0018), (0x0008, 0x0020)
NAME, ID, BIRTH = (0x0010, 0x0010), (0x0010, 0x0020), (0x0010, 0x0030)
WANTED = frozenset({CHARACTERS, INSTANCE, STUDY_DATE, NAME, ID, BIRTH})

_SYNTAX = (0x0002, 0x0010)
_IMPLICIT = "1.2.840.10008.1.2"
_NOT_READ = frozenset({"1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95"})
_LONG = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
_ITEM, _ITEM_END, _SEQUENCE_END = (0xFFFE, 0xE000), (0xFFFE, 0xE00D), (0xFFFE, 0xE0DD)
_UNDEFINED = 0xFFFFFFFF
_ENCODINGS = {"": "ascii", "ISO_IR 6": "ascii", "ISO_IR 100": "latin-1", "ISO_IR 192": "utf-8"}
_UID = re.compile(r"[0-2](\.(0|[1-9][0-9]*))+")
_DAY = re.compile(r"(\d{4})(\d{2})(\d{2})")
Tag = tuple[int, int]


@dataclass(frozen=True, repr=False)
class Header:
    """What a DICOM file says of itself; empty where it says nothing that could be read. Never printed.

    ``name`` has its parts apart by spaces; dates are ``YYYY-MM-DD``; ``instance`` is the SOP instance's UID.
    """

    name: str = ""
    id: str = ""
    birth: str = ""
    study_date: str = ""
    instance: str = ""


def is_dicom(start: bytes) -> bool:
    """Whether a file that begins so is a DICOM file."""
    return start[PREAMBLE : PREAMBLE + 4] == MAGIC


def header_of(start: bytes) -> Header:
    """The fields in the first MiB of a DICOM file; never raises for what it holds."""
    try:
        found = _fields(start[:MOST_HEADER])
    except _Unreadable:
        return Header()
    encoding = _ENCODINGS.get(_text(found.get(CHARACTERS, b""), "ascii"), "")
    uid = _text(found.get(INSTANCE, b""), "ascii")
    return Header(
        name=" ".join(_text(found.get(NAME, b""), encoding).split("=")[0].replace("^", " ").split()),
        id=_text(found.get(ID, b""), encoding),
        birth=_day(found.get(BIRTH, b"")),
        study_date=_day(found.get(STUDY_DATE, b"")),
        instance=uid if _UID.fullmatch(uid) and len(uid) <= 64 else "",
    )


class _Unreadable(Exception):
    """Not the form that is read here, or cut."""


def _fields(data: bytes) -> dict[Tag, bytes]:
    reader = _Reader(data, PREAMBLE + 4)
    syntax = b""
    while reader.group() == 0x0002:
        tag, value = reader.element(explicit=True)
        syntax = value if tag == _SYNTAX else syntax
    named = _text(syntax, "ascii")
    if named in _NOT_READ:
        raise _Unreadable
    found: dict[Tag, bytes] = {}
    while 0x0002 < reader.group() <= 0x0010:
        tag, value = reader.element(explicit=named != _IMPLICIT)
        if tag in WANTED:
            found.setdefault(tag, value)
    return found


class _Reader:
    """A place in a little-endian dataset; every step is inside the bytes or _Unreadable."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at

    def group(self) -> int:
        """The group of the next element; -1 at the end of what was given."""
        return int.from_bytes(self._data[self._at : self._at + 2], "little") if self._left() >= 2 else -1

    def element(self, *, explicit: bool, depth: int = 0) -> tuple[Tag, bytes]:
        """The next element's tag and value; empty for a long value or a sequence, which is passed over."""
        tag = self._number(2), self._number(2)
        kind = self._take(2) if explicit and tag[0] != 0xFFFE else b""
        length = self._length(kind)
        if length == _UNDEFINED:
            self._pass_over(explicit, depth + 1)
            return tag, b""
        value = self._take(length)
        return tag, value if length <= MOST_VALUE else b""

    def _length(self, kind: bytes) -> int:
        if not kind:
            return self._number(4)
        if kind not in _LONG:
            return self._number(2)
        self._take(2)
        return self._number(4)

    def _pass_over(self, explicit: bool, depth: int) -> None:
        """A sequence or an item of undefined length, to its delimiter."""
        if depth > MOST_DEPTH:
            raise _Unreadable
        tag: Tag = (0, 0)
        while tag not in (_ITEM_END, _SEQUENCE_END):
            tag, _ = self.element(explicit=explicit, depth=depth)

    def _number(self, size: int) -> int:
        return int.from_bytes(self._take(size), "little")

    def _take(self, size: int) -> bytes:
        if size > self._left():
            raise _Unreadable
        self._at += size
        return self._data[self._at - size : self._at]

    def _left(self) -> int:
        return len(self._data) - self._at


def _text(value: bytes, encoding: str) -> str:
    """A value without its padding; empty where its characters are not known."""
    try:
        return value.decode(encoding).strip(" \0") if encoding else ""
    except UnicodeDecodeError:
        return ""


def _day(value: bytes) -> str:
    found = _DAY.fullmatch(_text(value, "ascii"))
    day = "-".join(found.groups()) if found else ""
    return day if is_date(day) else ""
