"""``Patient/$everything``: all that this post sees of a patient."""

from __future__ import annotations

from functools import partial

from careledger.app.tokens import Bearer
from careledger.fhir.searching.query import Query
from careledger.fhir.searching.results import subset_of
from careledger.gateway import views
from careledger.gateway.desk import Desk
from careledger.gateway.finding import Found
from careledger.gateway.http import PART, Answered, Asked, Handler, whole_number
from careledger.gateway.searching import Looked, address, page

LOOKED_AT = ("_count", *PART)


def handlers(desk: Desk) -> list[Handler]:
    """The route."""
    return [
        Handler(
            "GET",
            "/Patient/{id}/$everything",
            partial(everything, desk),
            looks_at=LOOKED_AT,
            needs="r",
            of="Patient",
        )
    ]


def everything(desk: Desk, who: Bearer, asked: Asked) -> Answered:
    """In pages like a search's; raises RecordNotFound, FhirRefused, and what ``Leases.look`` raises."""
    count = whole_number(asked, "_count")
    query = Query("Resource", count=count, ignored=asked.ignored, subset=subset_of(asked.given))
    id = asked.path["id"]
    view = desk.found(who, "Patient", id)
    found = Found(query, views.everything([view]))
    used = [each for each in asked.given if each[0] not in asked.ignored]
    return page(
        desk, who, Looked([view], found, address(desk, f"Patient/{id}/$everything", used)), found.pool
    )
