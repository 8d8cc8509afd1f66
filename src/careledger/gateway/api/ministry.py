"""What a ministry officer does to parties, by the officer's own token: verify, suspend, reinstate."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from careledger.app.founding import become_custodian, licence
from careledger.domain.errors import ActRefused, LedgerRefused, PartyNotFound, SettingsRefused
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
    custodian: Annotated[
        bool,
        Meta(
            description="It becomes a custodian at the same time, in the directory that was made for it here."
        ),
    ] = False


class Confirmed(Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing more has to be said."""


def verify(desk: Desk, called: Called) -> PartyKeys:
    """A pending organisation is verified. Raises PartyNotFound, LedgerRefused; ActRefused and SettingsRefused for a
    custodian that does not lie here."""
    body = called.body
    register.verify(
        desk.world.network,
        officer_of(called),
        number_in(desk, called),
        licence(body.licence),
        bytes.fromhex(body.sealing_key),
    )
    if body.custodian:
        _become_custodian(desk, called)
    return party(desk, called)


def suspend(desk: Desk, called: Called) -> PartyKeys:
    """Nobody acts as the party or its posts. Raises PartyNotFound, ActRefused."""
    parties.suspend(desk.world.network, officer_of(called), number_in(desk, called))
    return party(desk, called)


def reinstate(desk: Desk, called: Called) -> PartyKeys:
    """A suspended party acts again. Raises PartyNotFound, ActRefused."""
    parties.reinstate(desk.world.network, officer_of(called), number_in(desk, called))
    return party(desk, called)


def _become_custodian(desk: Desk, called: Called) -> None:
    number = number_in(desk, called)
    for each in desk.world.keyring.organisations().values():
        if each.number == number:
            become_custodian(desk.world, officer_of(called), each)
            return
    raise ActRefused(why="its keys do not lie here: it joins the custodians where they do")


def officer_of(called: Called) -> Officer:
    """The asking post, as the officer that it is."""
    return Officer(called.who.staff.number, called.who.staff.key)


def number_in(desk: Desk, called: Called) -> int:
    """The number of the party that the path names; raises PartyNotFound."""
    return number_of(desk.world.ledger.fresh_head(), called.parts["party"])


ROWS = (
    Row("POST", "/parties/{party}/verification", "verify", "Verify a pending organisation whose licence was checked.",
        verify, PartyKeys, OFFICERS, takes=Checked, refusals=(PartyNotFound, LedgerRefused, SettingsRefused),
        fresh=True),
    Row("POST", "/parties/{party}/suspension", "suspend", "Nobody acts as this party or its posts until it is "
        "reinstated.", suspend, PartyKeys, OFFICERS, takes=Confirmed, refusals=(PartyNotFound, ActRefused), fresh=True),
    Row("POST", "/parties/{party}/reinstatement", "reinstate", "A suspended party acts again.", reinstate, PartyKeys,
        OFFICERS, takes=Confirmed, refusals=(PartyNotFound, ActRefused), fresh=True),
)  # fmt: skip
