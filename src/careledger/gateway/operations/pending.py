"""``later/ID``: what became of a request that was sent with ``Prefer: respond-async`` (R4 http.html#async)."""

from __future__ import annotations

from functools import partial

from careledger.app.tokens import Bearer
from careledger.gateway.desk import Desk
from careledger.gateway.http import ACCEPTED, NO_CONTENT, Answered, Asked, Handler

PLACE = "/later/{id}"
AGAIN = "1"
"""Seconds until it is worth asking again."""


def handlers(desk: Desk) -> list[Handler]:
    """The routes."""
    return [Handler("GET", PLACE, partial(became, desk)), Handler("DELETE", PLACE, partial(forget, desk))]


def became(desk: Desk, who: Bearer, asked: Asked) -> Answered:
    """A batch-response of one entry, or 202 while it is not known; raises RecordNotFound."""
    said = desk.later.said(who, asked.path["id"], desk.world.clock.now())
    if said is None:
        return Answered(None, status=ACCEPTED, headers={"Retry-After": AGAIN, "X-Progress": "in its turn"})
    return Answered(said)


def forget(desk: Desk, who: Bearer, asked: Asked) -> Answered:
    """It is not asked after any more; raises RecordNotFound."""
    desk.later.forget(who, asked.path["id"], desk.world.clock.now())
    return Answered(None, status=NO_CONTENT)
