"""A bulk export as the organisation's gateway keeps it in its books: what was asked for, and how far it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from careledger.formats.schema import Message, maybe, message, octets, several, text, uint

MOST_CURSOR = 48


@dataclass(frozen=True)
class ExportFile(Message):
    """One file of an export, in pieces.

    ``list`` is where the manifest names it (``output``, ``deleted`` or ``error``), ``type`` the resource type in it,
    ``count`` how many lines and ``size`` how many bytes it has.
    """

    TYPE: ClassVar[str] = "export-file"
    list: str = text(8)
    type: str = text(64)
    count: int = uint()
    pieces: int = uint(32)
    size: int = uint()


@dataclass(frozen=True)
class ExportJob(Message):
    """An export that a post's program asked for; in its employer's books, under the token's SHA-256 ‖ its id (16
    bytes).

    ``scope`` is ``system`` or ``patient``; ``types``, ``filters`` (searches), ``elements`` and ``patients`` (aliases of
    32 bytes, ascending) are empty and ``since`` null where nothing was said; ``ignored`` names what was passed over.
    ``readable`` has the bit of each category that the post may read. ``asked`` and ``until`` are when it was asked for
    and until when it is kept, ``through`` its transaction time, all in unix seconds. ``state`` is ``running``,
    ``done``, ``failed`` or ``removed``. What stands up to ``cursor`` (alias ‖ record id) is in the ``files``;
    ``passed`` counts patients.
    """

    TYPE: ClassVar[str] = "export-job"
    scope: str = text(8)
    request: str = text(16_000)
    types: tuple[str, ...] = several(text(64), most=200)
    since: int | None = maybe(uint())
    filters: tuple[str, ...] = several(text(8_000), most=200)
    elements: tuple[str, ...] = several(text(200), most=200)
    patients: bytes = octets()
    ignored: tuple[str, ...] = several(text(200), most=200)
    readable: int = uint(32)
    asked: int = uint()
    until: int = uint()
    through: int = uint()
    state: str = text(8)
    cursor: bytes = octets(most=MOST_CURSOR)
    passed: int = uint()
    files: tuple[ExportFile, ...] = several(message(ExportFile))
