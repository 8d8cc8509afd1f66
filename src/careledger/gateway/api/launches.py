"""Launches of apps: an EHR says for which patient, and gets the handle that it opens the app's address with."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from careledger.app import app_codes, clients
from careledger.domain.errors import AccessRefused, ApiRefused
from careledger.formats.apps import AppLaunch
from careledger.gateway.api.patients import Alias
from careledger.gateway.api.rows import Called, Row
from careledger.gateway.api.times import Moment, moment
from careledger.gateway.desk import Desk
from careledger.gateway.oauth import contexts


class NewLaunch(Struct, frozen=True, forbid_unknown_fields=True):
    """For whom an app is launched by the asking post, and which app; empty: whichever asks for it."""

    patient: Alias
    encounter: Annotated[
        str, Meta(pattern="^([A-Za-z0-9.-]{1,64})?$", max_length=64, description="An Encounter's id.")
    ] = ""
    client: Annotated[
        str, Meta(pattern="^([0-9a-f]{32})?$", max_length=32, description="The app's client id.")
    ] = ""


class Launch(Struct, frozen=True):
    """What the app's launch address is opened with: ``?iss=…&launch=…``."""

    launch: Annotated[str, Meta(description="Good once, for the person who holds the asking post.")]
    iss: Annotated[str, Meta(description="The FHIR base.")]
    address: Annotated[
        str | None, Meta(description="The app's registered launch address; null where it has none.")
    ]
    until: Moment


def launch(desk: Desk, called: Called) -> Launch:
    """A handle, good once and for five minutes; raises AccessRefused, ApiRefused."""
    body, who, now = called.body, called.who, desk.world.clock.now()
    alias, address = bytes.fromhex(body.patient), ""
    if contexts.called(desk, who, alias) is None:
        raise AccessRefused(because="This post knows no such patient.")
    if body.client:
        client = clients.known(who.staff.organisation.books, body.client)
        if client is None:
            raise ApiRefused(why="no app of this organisation has that client id")
        address = client.launch
    kept = AppLaunch(who.staff.number, body.client, alias, body.encounter)
    made = app_codes.launch(who.staff.organisation.books, kept, now)
    return Launch(made, desk.base, address or None, moment(now + app_codes.LAUNCH_SECONDS))


ROWS = (
    Row("POST", "/launches", "launch", "Launch an app for a patient.", launch, Launch, takes=NewLaunch,
        refusals=(AccessRefused,), status=201),
)  # fmt: skip
