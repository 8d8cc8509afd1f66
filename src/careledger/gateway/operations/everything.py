"""``Patient/$everything``: all that this post sees of a patient."""

from __future__ import annotations

from functools import partial

from careledger.app.tokens import Bearer
from careledger.fhir.searching.query import Query
from careledger.gateway import bundles, views
from careledger.gateway.desk import Desk
from careledger.gateway.finding import Found
from careledger.gateway.http import Answered, Asked, Handler, whole_number
from careledger.gateway.searching import check_ignored, not_looked_at, page

LOOKED_AT = ("_count", "_format")


def handlers(desk: Desk) -> list[Handler]:
    """The route."""
    return [Handler("GET", "/Patient/{id}/$everything", partial(everything, desk))]


def everything(desk: Desk, who: Bearer, asked: Asked) -> Answered:
    """In pages like a search's; raises RecordNotFound, FhirRefused for a parameter that is not looked at where the
    client wants strict handling, and what ``Leases.look`` raises."""
    count = whole_number(asked, "_count")
    ignored = tuple(dict.fromkeys(name for name, _ in asked.given if name not in LOOKED_AT))
    query = Query("Resource", count=count, ignored=ignored)
    check_ignored(asked, query)
    view = desk.found(who, "Patient", asked.path["id"])
    found = Found(query, views.everything([view]))
    said = bundles.withheld([view]) + not_looked_at(query)
    return page(desk, who, [view], found, found.pool, len(found.pool), said)
