"""What an organisation keeps of what its posts were shown: own writings read back, and reads within a lease."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from careledger.formats.schema import Message, octets, several, text, uint

MOST_SHOWN = 1_000


@dataclass(frozen=True)
class OwnRead(Message):
    """A line of an organisation's log of reads, under its number (uint64, from 0).

    ``time`` in unix seconds; ``post`` was shown, by the token with the digest ``token`` and for a purpose of use,
    what is named in ``shown`` (``TYPE/ID/_history/VERSION``), by the kind of request ``asked`` (a method and a route,
    never what stood in it). ``patient`` is the alias of whom it is about, empty where it names none. ``before`` is the
    digest of the line before, 32 zero bytes of the first.
    """

    TYPE: ClassVar[str] = "own-read"
    time: int = uint()
    post: int = uint()
    token: bytes = octets(32)
    purpose: str = text(32)
    asked: str = text(100)
    patient: bytes = octets(most=32)
    shown: tuple[str, ...] = several(text(200), most=MOST_SHOWN)
    before: bytes = octets(32)


@dataclass(frozen=True)
class OwnReadsEnd(Message):
    """How many lines there are, and the digest of the last one; 32 zero bytes while there is none."""

    TYPE: ClassVar[str] = "own-reads-end"
    count: int = uint()
    last: bytes = octets(32)
