"""What happened that the asking post may know of: as a stream for who takes one, else by pages."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from careledger.domain.errors import ApiRefused, EventsGone
from careledger.gateway.api.rows import Called, Row
from careledger.gateway.api.times import Moment, moment
from careledger.gateway.desk import Desk
from careledger.gateway.events.service import PAGE
from careledger.gateway.events.streams import MEDIA_TYPE, EventStream, reference

LARGEST = 2**53 - 1


class Event(Struct, frozen=True):
    """That something happened, and nothing of what."""

    number: Annotated[int, Meta(description="Rises by one; each post has numbers of its own.")]
    kind: Annotated[str, Meta(description="What kind of thing, for example consent-given; more may come.")]
    time: Moment
    reference: Annotated[str, Meta(description="What it is about, for who may look it up.")]


class Events(Struct, frozen=True):
    """Some of a post's events."""

    events: list[Event]
    after: Annotated[int, Meta(description="The number to go on after.")]
    more: Annotated[bool, Meta(description="Whether there are more already.")]


class AfterEvent(Struct, frozen=True, forbid_unknown_fields=True):
    """Which part of a post's events."""

    after: Annotated[
        Annotated[int, Meta(ge=0, le=LARGEST)] | None,
        Meta(
            description="The number of the last that is known; without it a stream begins with what happens next."
        ),
    ] = None
    limit: Annotated[int, Meta(ge=1, le=PAGE, description="How many at most; of a page.")] = PAGE


def events(desk: Desk, called: Called) -> Events | EventStream:
    """A page, or a stream; raises EventsGone, ApiRefused for a number that was never given, Throttled."""
    query: AfterEvent = called.query
    if called.method == "GET" and MEDIA_TYPE in called.headers.get("accept", ""):
        return desk.events.stream(called.who, _resumed(called.headers.get("last-event-id", ""), query.after))
    page = desk.events.page(called.who.staff, query.after, query.limit)
    shown = [Event(n, each.kind, moment(each.time), reference(each)) for n, each in page.found]
    return Events(shown, page.reached, page.more)


def _resumed(said: str, after: int | None) -> int | None:
    """What the client had last: the header, which a stream's client sends by itself, comes before the parameter."""
    if not said:
        return after
    if not (said.isascii() and said.isdigit() and len(said) < 16):
        raise ApiRefused(header="Last-Event-ID", why="it is not the number of an event")
    return int(said)


ROWS = (
    Row("GET", "/events", "events", "What happened that this post may know of: a stream of server-sent events for "
        "who accepts text/event-stream, else a page.", events, Events, query=AfterEvent,
        refusals=(EventsGone,), also=MEDIA_TYPE),
)  # fmt: skip
