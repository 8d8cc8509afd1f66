"""The apps that act for the asking post, and their end: what a person let in, the same person sees and ends."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from careledger.app import app_grants, clients, patients_apps
from careledger.app.app_grants import GRANT, Standing
from careledger.domain.errors import ClientNotFound, RecordNotFound
from careledger.gateway.api.agent import Number
from careledger.gateway.api.pages import Page, Paged, page
from careledger.gateway.api.rows import Called, Row
from careledger.gateway.api.times import Moment, moment
from careledger.gateway.desk import Desk


class App(Struct, frozen=True):
    """What an app or a back-end service was granted, to act as the asking post."""

    id: str
    client: str
    name: Annotated[str, Meta(description="What the organisation calls the client.")]
    scopes: str
    purpose: str
    patient: Annotated[str | None, Meta(description="The alias that it was launched for; null for none.")]
    made: Annotated[Moment, Meta(description="When it was granted, or last renewed by a back-end service.")]
    until: Moment


class PatientsApp(Struct, frozen=True):
    """An app that patients let in: whom a patient's agent grants, and what at most the app is given."""

    client: str
    name: str
    organisation: Number
    post: Annotated[Number, Meta(description="The party that reads: a consent to the app names it.")]
    purpose: str
    scopes: str
    redirects: list[str]


def apps(desk: Desk, called: Called) -> Page[App]:
    """What acts as this post, by id."""
    found = _own(desk, called)
    return page(called, found, lambda name: _shown(called, found[name]))


def remove(desk: Desk, called: Called) -> App:
    """Ends one, with every token of it; raises RecordNotFound, for another post's too."""
    found = _own(desk, called).get(called.parts["app"])
    if found is None:
        raise RecordNotFound()
    app_grants.drop(called.who.staff.organisation.books, [GRANT + found.name])
    return _shown(called, found)


def of_patients(desk: Desk, called: Called) -> PatientsApp:
    """An app that patients let in, as its page shows it; raises RecordNotFound for every other."""
    try:
        found = patients_apps.find(desk.world.keyring.organisations().values(), called.parts["client"])
    except ClientNotFound:
        raise RecordNotFound() from None
    client, employer = found.client, found.employer
    return PatientsApp(
        found.id, client.name, f"{employer.number:016x}", f"{client.post:016x}", client.purpose, client.scopes,
        list(client.redirects),
    )  # fmt: skip


def _own(desk: Desk, called: Called) -> dict[str, Standing]:
    staff, now = called.who.staff, desk.world.clock.now()
    granted = app_grants.of_post(staff.organisation, staff.number, now)
    return {each.name.hex(): each for each in granted}


def _shown(called: Called, found: Standing) -> App:
    grant = found.grant
    client = clients.known(called.who.staff.organisation.books, grant.client)
    return App(
        found.name.hex(), grant.client, client.name if client else "", grant.scopes, grant.purpose,
        grant.patient.hex() or None, moment(grant.made), moment(found.until),
    )  # fmt: skip


ROWS = (
    Row("GET", "/apps", "apps", "What apps and back-end services act as this post.", apps, Page[App], query=Paged),
    Row("DELETE", "/apps/{app}", "remove_app", "It acts no more, and every token of it is none.", remove, App),
    Row("GET", "/agent/apps/{client}", "patientsApp", "An app that patients let in.", of_patients, PatientsApp,
        open=True),
)  # fmt: skip
