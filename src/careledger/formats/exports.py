"""Bulk exports and groups as an organisation's gateway keeps them in its books."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from careledger.formats.bodies import MOST_BODY
from careledger.formats.schema import Message, maybe, message, octets, several, text, uint

MOST_CURSOR = 48
MOST_PIECE = MOST_BODY + 2**20


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

    ``scope`` is ``system``, ``patient`` or ``group``; ``types``, ``filters`` (searches), ``elements`` and ``patients``
    (aliases of 32 bytes, ascending; of a group its members) are empty and ``since`` null where nothing was said;
    ``ignored`` names what was passed over.
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


@dataclass(frozen=True)
class ExportPiece(Message):
    """Lines of one file of an export; in the books, under the export's id ‖ uint32 file number ‖ uint32 place in it.

    Of records that a patient let the post read, ``alias`` names the patient and ``consent`` is the commitment of the
    consent that opened them, empty where the patient's registrar asked; both are empty for one's own writings.
    """

    TYPE: ClassVar[str] = "export-piece"
    MOST: ClassVar[int] = MOST_PIECE
    alias: bytes = octets(most=32)
    consent: bytes = octets(most=32)
    lines: bytes = octets(most=MOST_PIECE)


@dataclass(frozen=True)
class SeenSince(Message):
    """Versions that became readable at one time, unix seconds; of each the first 16 bytes of SHA-256 of its handle."""

    TYPE: ClassVar[str] = "seen-since"
    at: int = uint()
    versions: bytes = octets()


@dataclass(frozen=True)
class GroupSeen(Message):
    """What a patient's part of a group's export showed last; in the books, under the group's id ‖ a tag of the patient
    ‖ a tag of who asks (16 bytes each).

    ``consent`` is as in a piece, ``walked`` the newest transaction time of an export that came there. ``since`` has
    each version under the transaction time of the first export that showed it, and no export failed to since then.
    """

    TYPE: ClassVar[str] = "group-seen"
    consent: bytes = octets(most=32)
    walked: int = uint()
    since: tuple[SeenSince, ...] = several(message(SeenSince))


@dataclass(frozen=True)
class KeptGroup(Message):
    """A FHIR Group as an organisation keeps it in its books, under its id (16 bytes).

    ``resource`` is canonical JSON, empty once it was deleted; ``version`` counts from 1, ``changed`` is unix seconds.
    """

    TYPE: ClassVar[str] = "kept-group"
    version: int = uint()
    changed: int = uint()
    resource: bytes = octets(most=2**21)
