"""Webhooks: where a post of a machine or of an operator has its events sent, signed. A post sees and ends its own."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from careledger.domain.errors import ApiRefused, EndpointRefused, EventsGone
from careledger.formats.digests import digest
from careledger.formats.events import Endpoint
from careledger.gateway.api.events import LARGEST
from careledger.gateway.api.pages import Page, Paged, page
from careledger.gateway.api.rows import Called, Row
from careledger.gateway.api.times import Moment, moment
from careledger.gateway.desk import Desk
from careledger.gateway.events.delivery import ACTIVE, MACHINES
from careledger.gateway.events.notices import WEBHOOK, secret_of
from careledger.gateway.events.service import KINDS

Kind = Annotated[str, Meta(extra_json_schema={"enum": list(KINDS)})]


class NewWebhook(Struct, frozen=True, forbid_unknown_fields=True):
    """Where events are to be sent."""

    url: Annotated[str, Meta(max_length=2_000, description="https, of a public address.")]
    kinds: Annotated[list[Kind], Meta(max_length=32, description="Only these kinds; none: all.")] = []
    after: Annotated[
        Annotated[int, Meta(ge=0, le=LARGEST)] | None,
        Meta(description="Begin after the event of this number; without it with what happens next."),
    ] = None


class Webhook(Struct, frozen=True):
    """Where a post's events are sent, and how that goes."""

    id: str
    url: str
    kinds: list[str]
    made: Moment
    state: Annotated[
        str, Meta(description="active; dead once the last attempt failed: nothing is sent any more.")
    ]
    reached: Annotated[
        int, Meta(description="The number of the last event that was delivered or passed over.")
    ]
    tries: Annotated[int, Meta(description="How often the next one failed.")]
    next_try: Moment | None
    problem: Annotated[str, Meta(description="Why the last attempt failed.")]
    secret: Annotated[
        str | None, Meta(description="What signs; shown in the answer to its creation and never again.")
    ]


def create(desk: Desk, called: Called) -> Webhook:
    """Begins one; raises EndpointRefused, EventsGone, ApiRefused."""
    body, who, delivery = called.body, called.who, desk.events.delivery
    for kind in body.kinds:
        if kind not in KINDS:
            raise ApiRefused(kind=kind, why="there are no such events")
    delivery.sender.target(body.url)
    reached = desk.events.position(who.staff, body.after)
    made = Endpoint(
        called.unique[:16], who.staff.number, body.url, tuple(body.kinds), digest("webhook-secret", called.unique),
        desk.world.clock.now(), reached, 0, 0, ACTIVE, "", 0, WEBHOOK, (), 0, "", "", 0,
    )  # fmt: skip
    kept = delivery.add(who.staff, made)
    return _shown(kept, secret_of(kept))


def webhooks(desk: Desk, called: Called) -> Page[Webhook]:
    """The post's own, by id."""
    found = {each.id.hex(): each for each in desk.events.delivery.of(called.who.staff, (WEBHOOK,))}
    return page(called, found, lambda name: _shown(found[name]))


def webhook(desk: Desk, called: Called) -> Webhook:
    """One of them; raises RecordNotFound."""
    return _shown(
        desk.events.delivery.one(called.who.staff, bytes.fromhex(called.parts["webhook"]), (WEBHOOK,))
    )


def remove(desk: Desk, called: Called) -> Webhook:
    """Ends one; raises RecordNotFound."""
    return _shown(
        desk.events.delivery.remove(called.who.staff, bytes.fromhex(called.parts["webhook"]), (WEBHOOK,))
    )


def _shown(endpoint: Endpoint, secret: str | None = None) -> Webhook:
    return Webhook(
        endpoint.id.hex(),
        endpoint.url,
        list(endpoint.kinds),
        moment(endpoint.made),
        endpoint.state,
        endpoint.reached,
        endpoint.tries,
        moment(endpoint.due) if endpoint.due else None,
        endpoint.problem,
        secret,
    )


ROWS = (
    Row("POST", "/webhooks", "create_webhook", "Have this post's events sent somewhere, signed as Standard "
        "Webhooks has it.", create, Webhook, MACHINES, takes=NewWebhook,
        refusals=(EndpointRefused, EventsGone), status=201, fresh=True),
    Row("GET", "/webhooks", "webhooks", "Where this post's events are sent.", webhooks, Page[Webhook], MACHINES,
        query=Paged),
    Row("GET", "/webhooks/{webhook}", "webhook", "One of them.", webhook, Webhook, MACHINES),
    Row("DELETE", "/webhooks/{webhook}", "remove_webhook", "Nothing is sent there any more.", remove, Webhook,
        MACHINES),
)  # fmt: skip
