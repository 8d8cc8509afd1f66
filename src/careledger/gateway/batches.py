"""Bundles that a program sends: what a batch creates is imported, the rest of it is answered entry by entry.

Each other entry of a batch is answered as if it had been asked for by itself, after what is deleted and created (R4
http.html#trules), each by the same route, scopes and checks, and what it shows is noted likewise. Other requests pass
between any two of them. A transaction is whole or not at all: see ``transactions``.
"""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from typing import Any

from careledger.app.scopes import ANY, SOME
from careledger.app.tokens import Bearer
from careledger.domain.errors import CareLedgerError
from careledger.fhir.json_text import Resource
from careledger.gateway import taking, transactions
from careledger.gateway.answering import Made, answered
from careledger.gateway.desk import Desk
from careledger.gateway.entries import ORDER, Sending, Sent, sent_in
from careledger.gateway.http import (
    JSONS,
    Answered,
    Asked,
    Handler,
    Slow,
)
from careledger.gateway.scanned import scanned

SOMETHING = ("c", "r", "u", "s")
"""An app that may do one of these may send a batch; each entry asks for its own."""
RESPONSES = {"transaction": "transaction-response", "batch": "batch-response", "collection": "batch-response"}


def handlers(desk: Desk) -> list[Handler]:
    """The route; files in a body are scanned first, where files are scanned."""
    route = Handler(
        "POST",
        "/",
        partial(take, desk),
        JSONS,
        later=True,
        needs=SOMETHING,
        of=SOME,
        of_one=True,
        in_part=True,
    )
    return [scanned(desk, route)]


def take(desk: Desk, who: Bearer, asked: Asked) -> Slow:
    """The response Bundle, for each entry what became of it. Raises FhirRefused for what is no Bundle, or of another
    type, and of one that is no batch what ``transactions.carried_out`` raises."""
    sending = sent_in(asked.body, desk.base)
    made = Made({}, [])
    if sending.type == "batch":
        yield from _batch(desk, who, asked, sending, made)
    else:
        yield from transactions.carried_out(desk, who, asked, sending, made)
    entries = [made.entries[place] for place in sorted(made.entries)]
    response: Resource = {"resourceType": "Bundle", "type": RESPONSES[sending.type]}
    return Answered({**response, "entry": entries} if entries else response, parts=made.shown)


def _batch(desk: Desk, who: Bearer, asked: Asked, sending: Sending, made: Made) -> Generator[Any, Any, None]:
    created, others = sending.parted(who.scopes.allow("c", ANY) and not who.patient)
    rest = sorted(others, key=lambda each: ORDER.index(each.method))
    for each in [each for each in rest if each.method == "DELETE"]:
        yield from answered(desk, who, asked, each, made)
    if created or not sending.sent:
        yield from _created(desk, who, sending, created, made)
    for each in [each for each in rest if each.method != "DELETE"]:
        yield from answered(desk, who, asked, each, made)


def _created(
    desk: Desk, who: Bearer, sending: Sending, created: list[Sent], made: Made
) -> Generator[Any, Any, None]:
    own, session = desk.charts.of(who.staff.organisation), desk.leases.session(who)
    try:
        entries, aliases = yield from taking.take(desk.world.network, session, sending.of(created))
    except CareLedgerError as error:
        own.look_again()
        if len(created) == len(sending.sent):
            raise
        made.entries |= {
            each.place: taking.refused(error) for each in created
        }  # the others are answered all the same
        return
    except BaseException:  # nobody waits for the answer any more
        own.look_again()
        raise
    own.wrote(aliases)
    made.entries |= {each.place: entry for each, entry in zip(created, entries, strict=True)}
