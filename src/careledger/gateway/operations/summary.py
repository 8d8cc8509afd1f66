"""``Patient/$summary``: an International Patient Summary of what this post sees of a patient at this moment."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from functools import partial

import msgspec

from careledger.app.tokens import Bearer
from careledger.domain.categories import Sensitivity
from careledger.domain.errors import FhirRefused
from careledger.fhir.patient_summary import Summarised, patient_summary
from careledger.gateway.desk import Desk
from careledger.gateway.http import JSONS, MOST_FORM, Answered, Asked, Handler
from careledger.gateway.views import View

PATH = "/Patient/{id}/$summary"


class _Parameters(msgspec.Struct):
    resourceType: str
    parameter: list[object] = []


def handlers(desk: Desk) -> list[Handler]:
    """The routes."""
    return [
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
