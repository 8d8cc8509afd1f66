"""``Patient/$summary``: an International Patient Summary of what this post sees of a patient at this moment.

By an identifier it is of whom ``Patient?identifier=`` shows to this post, and of nobody else. Who is not shown there
and who lets this post see nothing are answered alike.
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import msgspec

from careledger.app.tokens import Bearer
from careledger.domain.categories import Sensitivity
from careledger.domain.errors import (
    AccessRefused,
    FhirRefused,
    PatientNotFound,
    RecordNotFound,
    SeveralMatch,
)
from careledger.fhir.patient_summary import Summarised, patient_summary
from careledger.gateway.desk import Desk
from careledger.gateway.given import said_too
from careledger.gateway.http import JSONS, MOST_FORM, Answered, Asked, Handler
from careledger.gateway.searching import search
from careledger.gateway.views import View

PATH, BY_IDENTIFIER = "/Patient/{id}/$summary", "/Patient/$summary"
LOOKED_AT = ("identifier",)


class _Parameters(msgspec.Struct):
    resourceType: str
    parameter: list[object] = []


def handlers(desk: Desk) -> list[Handler]:
    """The routes."""
    get = Handler(
        "GET", BY_IDENTIFIER, partial(by_identifier, desk), looks_at=LOOKED_AT, needs="r", of_one=True
    )
    return [
        get,
        replace(get, method="POST", answer=partial(posted_by_identifier, desk), takes=JSONS, most=MOST_FORM),
        Handler("GET", PATH, partial(summary, desk), needs="r", of_one=True),
        Handler("POST", PATH, partial(posted, desk), JSONS, MOST_FORM, needs="r", of_one=True),
    ]


def check_parameters(asked: Asked) -> None:
    """Raises FhirRefused for another body than none, or a Parameters resource without any."""
    if not asked.body:
        return
    try:
        given = msgspec.json.decode(asked.body, type=_Parameters)
    except (msgspec.DecodeError, RecursionError):
        raise FhirRefused(problem="not a Parameters resource in JSON") from None
    if given.resourceType != "Parameters" or given.parameter:
        raise FhirRefused(path="Parameters.parameter", problem="is not supported here")


def posted(desk: Desk, who: Bearer, asked: Asked) -> Answered:
    """The same, asked for by a Parameters resource without any; raises FhirRefused for another body."""
    check_parameters(asked)
    return summary(desk, who, asked)


def summary(desk: Desk, who: Bearer, asked: Asked) -> Answered:
    """Raises what ``Leases.look`` raises."""
    return Answered(patient_summary(summarised(desk, who, asked)))


def posted_by_identifier(desk: Desk, who: Bearer, asked: Asked) -> Answered:
    """The same, asked for by a Parameters resource, so that no address has the identifier."""
    return by_identifier(desk, who, said_too(asked, LOOKED_AT))


def by_identifier(desk: Desk, who: Bearer, asked: Asked) -> Answered:
    """Of the one patient with that identifier; raises FhirRefused, ScopeRefused, SeveralMatch, RecordNotFound, and what
    ``searching.search`` and ``Leases.look`` raise but for whom is not shown."""
    who.scopes.require("s", "Patient")
    try:
        found = search(desk, who, _identified(asked))
        view = desk.found(who, "Patient", _only(found))
    except (AccessRefused, PatientNotFound):
        raise RecordNotFound() from None
    shown = [replace(each, about=view.seen.alias) for each in view.current.values()]
    made = patient_summary(of_view(desk.base, view, desk.world.clock.now()))
    return Answered(made, lists=shown, parts=[(b"", found)])


def _identified(asked: Asked) -> Asked:
    """The search for that identifier; raises FhirRefused."""
    values = asked.values("identifier")
    if len(values) != 1 or not values[0]:
        raise FhirRefused(path="identifier", problem="has to be given, once, as system|value")
    return Asked({"kind": "Patient"}, {}, [("identifier", values[0]), ("_count", "2")], b"")


def _only(found: Answered) -> str:
    """The id of the one match; raises RecordNotFound, SeveralMatch."""
    entries = (found.resource or {}).get("entry", ())
    ids = [each["resource"]["id"] for each in entries if each["search"]["mode"] == "match"]
    if len(ids) > 1:
        raise SeveralMatch()
    if not ids:
        raise RecordNotFound()
    return str(ids[0])


def summarised(desk: Desk, who: Bearer, asked: Asked) -> Summarised:
    """What a summary is made of now; raises what ``Leases.look`` raises."""
    view = desk.found(who, "Patient", asked.path["id"])
    return of_view(desk.base, view, desk.world.clock.now())


def of_view(base: str, view: View, now: int) -> Summarised:
    """What a summary is made of, of one look at a patient; ``now`` in unix seconds."""
    closed = {each.category for each in view.seen.closed if each.sensitivity is Sensitivity.NORMAL}
    return Summarised(
        patient=f"{base}/{view.patient.path}",
        resources={f"{base}/{path}": shown.resource for path, shown in view.current.items()},
        closed=frozenset(closed),
        complete=view.seen.complete,
        made=datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        number=uuid.uuid4(),
    )
