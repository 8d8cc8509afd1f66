"""What a ministry officer does to parties, by the officer's own token: verify, suspend, reinstate."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from careledger.app.founding import licence
from careledger.domain.errors import ActRefused, LedgerRefused, PartyNotFound
from careledger.domain.parties import Role
from careledger.gateway.api.parties import PartyKeys, number_of, party
from careledger.gateway.api.rows import Called, Row
from careledger.gateway.desk import Desk
from careledger.workflows import parties, register
from careledger.workflows.register import Officer

OFFICERS = frozenset({Role.MINISTRY})


class Checked(Struct, frozen=True, forbid_unknown_fields=True):
    """What an officer checked; the ledger refuses another than what was proposed."""

    licence: Annotated[str, Meta(max_length=100, description="The licence's number.")]
    sealing_key: Annotated[
        str,
        Meta(
            pattern="^[0-9a-f]{64}$",
            max_length=64,
            description="The digest of the organisation's sealing key.",
        ),
    ]


class Confirmed(Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing more has to be said."""


def verify(desk: Desk, called: Called) -> PartyKeys:
    """A pending organisation is verified. Raises PartyNotFound, LedgerRefused."""
    body = called.body
    register.verify(
        desk.world.network,
        _officer(called),
        _number(desk, called),
        licence(body.licence),
        bytes.fromhex(body.sealing_key),
    )
    return party(desk, called)


def suspend(desk: Desk, called: Called) -> PartyKeys:
    """Nobody acts as the party or its posts. Raises PartyNotFound, ActRefused."""
    parties.suspend(desk.world.network, _officer(called), _number(desk, called))
    return party(desk, called)


def reinstate(desk: Desk, called: Called) -> PartyKeys:
    """A suspended party acts again. Raises PartyNotFound, ActRefused."""
    parties.reinstate(desk.world.network, _officer(called), _number(desk, called))
    return party(desk, called)


def _officer(called: Called) -> Officer:
    return Officer(called.who.staff.number, called.who.staff.key)


def _number(desk: Desk, called: Called) -> int:
    return number_of(desk.world.ledger.fresh_head(), called.parts["party"])


ROWS = (
    Row("POST", "/parties/{party}/verification", "verify", "Verify a pending organisation whose licence was checked.",
        verify, PartyKeys, OFFICERS, takes=Checked, refusals=(PartyNotFound, LedgerRefused)),
    Row("POST", "/parties/{party}/suspension", "suspend", "Nobody acts as this party or its posts until it is "
        "reinstated.", suspend, PartyKeys, OFFICERS, takes=Confirmed, refusals=(PartyNotFound, ActRefused)),
    Row("POST", "/parties/{party}/reinstatement", "reinstate", "A suspended party acts again.", reinstate, PartyKeys,
        OFFICERS, takes=Confirmed, refusals=(PartyNotFound, ActRefused)),
)  # fmt: skip
