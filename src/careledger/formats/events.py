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


@dataclass(frozen=True)
class Endpoint(Message):
    """Where a post has its events sent, in its organisation's books under the id.

    ``kinds`` are the kinds of events that are sent, none for all. ``secret`` signs what is sent. ``reached`` is the
    number of the last event that was delivered or passed over, ``tries`` how often the next one failed, ``due`` when it
    is tried again (unix seconds), ``state`` ``active`` or ``dead``, ``problem`` why the last attempt failed, ``sent``
    how many were delivered. ``form`` is ``webhook``, or of a FHIR Subscription ``nothing``, ``empty`` or ``id-only``;
    that has ``headers`` that are sent along, ``until`` (unix seconds, 0: no end) and ``reason``, and where it is about
    records ``criteria``, a search; ``place`` is where to go on in the deposit of the event after ``reached``.
    """

    TYPE: ClassVar[str] = "event-endpoint"
    id: bytes = octets(16)
    post: int = uint()
    url: str = text(2_000)
    kinds: tuple[str, ...] = several(text(32), most=32)
    secret: bytes = octets(32)
    made: int = uint()
    reached: int = uint()
    tries: int = uint(16)
    due: int = uint()
    state: str = text(16)
    problem: str = text(100)
    sent: int = uint()
    form: str = text(16)
    headers: tuple[str, ...] = several(text(1_000), most=10)
    until: int = uint()
    reason: str = text(1_000)
    criteria: str = text(2_000)
    place: int = uint(32)
