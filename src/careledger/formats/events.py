"""What an organisation keeps of what happened, for its posts' programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from careledger.formats.patients import GranteeForm
from careledger.formats.schema import Message, message, octets, several, text, uint


@dataclass(frozen=True)
class Event(Message):
    """What happened that an organisation's posts may be told of, in its books.

    ``kind`` is one of docs/events.md, ``time`` unix seconds; ``reference`` says something only to who may look it up.
    It is for the posts that one of ``grantees`` names, that have one of ``roles``, or that may read one of
    ``categories`` among what their organisation wrote.
    """

    TYPE: ClassVar[str] = "event"
    kind: str = text(32)
    time: int = uint()
    reference: bytes = octets(most=32)
    grantees: tuple[GranteeForm, ...] = several(message(GranteeForm), most=8)
    roles: tuple[int, ...] = several(uint(8), most=16)
    categories: tuple[int, ...] = several(uint(8), most=64)
