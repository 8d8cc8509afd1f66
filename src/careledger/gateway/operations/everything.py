"""``Patient/$everything``: all that this post sees of a patient."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from careledger.app.tokens import Bearer
from careledger.domain.errors import FhirRefused
from careledger.fhir.definitions.tables import resource_types
from careledger.fhir.searching.care import between, within
from careledger.fhir.searching.moments import Span, since_of, span
from careledger.fhir.searching.query import Query
from careledger.fhir.searching.results import subset_of
from careledger.gateway import views
from careledger.gateway.desk import Desk
from careledger.gateway.finding import Found
from careledger.gateway.given import said_too, since_when, whole_number
from careledger.gateway.http import JSONS, MOST_FORM, PART, Answered, Asked, Handler
from careledger.gateway.searching import Looked, address, page

PATH = "/Patient/{id}/$everything"
LOOKED_AT = ("start", "end", "_count", "_since", "_type", *PART)


def handlers(desk: Desk) -> list[Handler]:
    """The routes."""
    get = Handler(
        "GET", PATH, partial(everything, desk), looks_at=LOOKED_AT, needs="r", of_one=True, of="Patient"
    )
    return [get, replace(get, method="POST", answer=partial(posted, desk), takes=JSONS, most=MOST_FORM)]


def posted(desk: Desk, who: Bearer, asked: Asked) -> Answered:
    """The same, asked for by a Parameters resource."""
    return everything(desk, who, said_too(asked, LOOKED_AT))


def everything(desk: Desk, who: Bearer, asked: Asked) -> Answered:
    """In pages like a search's; raises RecordNotFound, FhirRefused, and what ``Leases.look`` raises."""
    count = whole_number(asked, "_count")
    query = Query("Resource", count=count, ignored=asked.ignored, subset=subset_of(asked.given))
    id = asked.path["id"]
    view = desk.found(who, "Patient", id)
    types, since, care = _types(asked), since_when(asked), _care(asked)
    pool = [
        each
        for each in views.everything([view])
        if (not types or each.type in types)
        and (not since or (since_of(each.updated) or since) >= since)
        and (each.type == "Patient" or within(each.resource, care))
    ]
    found = Found(query, pool)
    used = [each for each in asked.given if each[0] not in asked.ignored]
    return page(desk, who, Looked([view], found, address(desk, f"Patient/{id}/$everything", used)), pool)


def _care(asked: Asked) -> Span:
    """When the care took place that is wanted; raises FhirRefused."""
    first, last = between(_date(asked, "start"), _date(asked, "end"))
    if first > last:
        raise FhirRefused(path="end", problem="is before start")
    return first, last


def _date(asked: Asked, name: str) -> Span | None:
    values = asked.values(name)
    found = span(values[-1]) if values else None
    if values and found is None:
        raise FhirRefused(path=name, problem="not a date")
    return found


def _types(asked: Asked) -> set[str]:
    """The types that are wanted, none for all; raises FhirRefused."""
    named = {each.strip() for value in asked.values("_type") for each in value.split(",")}
    if strange := named - set(resource_types()):
        raise FhirRefused(path="_type", problem=f"{len(strange)} are no resource types of R4")
    return named
