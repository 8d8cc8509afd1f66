"""One thing that a browser asks under /identity, as a row: who may, what it takes, what it does."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from msgspec import Struct

from careledger.app.identity.accounts import Person
from careledger.app.identity.passkeys import Site
from careledger.app.identity.proving import Source
from careledger.app.identity.sessions import Current
from careledger.domain.errors import PartyNotFound, SessionRefused
from careledger.domain.parties import PartyId
from careledger.gateway.desk import Desk
from careledger.workflows.actors import Organisation

OK, CREATED = 200, 201


class Who(Enum):
    """Who may ask."""

    ANYBODY = "anybody, at a pace"
    SIGNED_IN = "whoever has a session"
    FRESH = "whoever has a session and proved within five minutes who they are"


@dataclass(frozen=True, repr=False)
class Call:
    """A request that was read: its body, the path's parts, the time, where it comes from, the session if there is one,
    and what the browser calls itself."""

    body: Any
    parts: Mapping[str, str]
    now: int
    source: Source
    session: Current | None
    label: str

    @property
    def current(self) -> Current:
        """The session; raises SessionRefused where there is none."""
        if self.session is None:
            raise SessionRefused()
        return self.session


@dataclass(frozen=True, repr=False)
class Said:
    """An answer: what it says, the cookies that the browser is to keep or drop, and who is new here."""

    answer: Struct | None = None
    status: int = OK
    cookies: tuple[str, ...] = ()
    comes: Person | None = None


Steps = Generator[Callable[[], object], Any, Said]
"""An answer that needs something worked out beside the worker: it yields that, and is sent the result."""


@dataclass(frozen=True)
class Operation:
    """``path`` is below /identity; ``takes`` is the body's struct, None for no body; ``event`` stands in the log once
    it is done, and ``tried`` says as whom who has no session wants to come in, whether or not that is somebody."""

    method: str
    path: str
    act: Callable[[Service, Call], Said | Steps]
    takes: type[Struct] | None = None
    who: Who = Who.FRESH
    event: str = ""
    tried: Callable[[Service, Call], Person | None] = lambda service, call: None


@dataclass
class Service:
    """What the operations of one gateway share."""

    desk: Desk
    site: Site

    def organisation(self, id: str) -> Organisation:
        """The organisation of this gateway with that identifier; raises PartyNotFound, MalformedBytes."""
        number = PartyId.parse(id).number
        for each in self.organisations():
            if each.number == number:
                return each
        raise PartyNotFound()

    def name_of(self, organisation: Organisation) -> str:
        """What this gateway calls an organisation of its own, "" for none."""
        return self.desk.world.keyring.name_of(organisation)

    def organisations(self) -> list[Organisation]:
        """Where people sign in at this gateway, the ministry last."""
        return self.desk.world.keyring.everybody()
