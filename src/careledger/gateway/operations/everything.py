"""``Patient/$everything``: all that this post sees of a patient."""

from __future__ import annotations

from functools import partial

from careledger.app.tokens import Bearer
from careledger.fhir.searching.query import Query
from careledger.gateway import bundles, views
from careledger.gateway.desk import Desk
from careledger.gateway.finding import Found
from careledger.gateway.http import Answered, Asked, Handler, whole_number
from careledger.gateway.searching import page


def handlers(desk: Desk) -> list[Handler]:
    """The route."""
    return [Handler("GET", "/Patient/{id}/$everything", partial(everything, desk))]


def everything(desk: Desk, who: Bearer, asked: Asked) -> Answered:
    """In pages like a search's; raises RecordNotFound, and what ``Leases.look`` raises."""
    count = whole_number(asked, "_count")
    view = desk.found(who, "Patient", asked.path["id"])
    found = Found(Query("Resource", count=count), views.everything([view]))
    return page(desk, who, [view], found, found.pool, len(found.pool), bundles.withheld([view]))
