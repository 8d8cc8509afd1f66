"""``Patient/$match``: who in the organisation's own identity table may be this person, for who registers or treats."""

from __future__ import annotations

from functools import partial
from typing import Any

from careledger.app.tokens import Bearer
from careledger.domain.errors import FhirRefused
from careledger.fhir.json_text import Number, Resource
from careledger.gateway import bundles
from careledger.gateway.desk import Desk
from careledger.gateway.http import JSONS, MOST_FORM, Answered, Asked, Handler
from careledger.gateway.identities import NATIONAL, shown_of
from careledger.gateway.sent import sent
from careledger.workflows.from_fhir import identity_of
from careledger.workflows.identity_rows import Identity
from careledger.workflows.match import LIKE, NAME, NUMBER, SWAPPED, Asker, Candidate, match

GRADE = "http://hl7.org/fhir/StructureDefinition/match-grade"
CERTAIN = {NUMBER: "1.0", NAME: "0.95"}
POSSIBLE = {NUMBER: "0.8", NAME: "0.7", LIKE: "0.5", SWAPPED: "0.4"}
"""Scores: an order of likelihood, no measured probability."""
COUNT, MOST_NAMES, MOST_NUMBER = 10, 5, 64
TAKEN = {"resource": "resource", "onlyCertainMatches": "valueBoolean", "count": "valueInteger"}


def handlers(desk: Desk) -> list[Handler]:
    """The route."""
    return [
        Handler("POST", "/Patient/$match", partial(matching, desk), JSONS, MOST_FORM, needs="s", of="Patient")
    ]


def matching(desk: Desk, who: Bearer, asked: Asked) -> Answered:
    """A searchset, the likeliest first; empty if nobody fits. Raises FhirRefused, and what ``match`` raises."""
    for name in asked.ignored:
        if name in TAKEN:
            raise FhirRefused(path=name, problem="is given in the Parameters resource, not in the address")
    given = _given(asked.body)
    asker = Asker(who.staff, who.purpose)
    certain = bool(given.get("onlyCertainMatches", False))
    found = match(desk.world.network, asker, _sought(given.get("resource")), _count(given), certain)
    shown = [shown_of(each.row) for each in found]
    made = bundles.searchset(desk.base, [(each, each.resource, "match") for each in shown], len(shown), {})
    for entry, each in zip(made.get("entry", ()), found, strict=True):
        entry["search"] |= _graded(each)
    return Answered(made)


def _graded(found: Candidate) -> Resource:
    grade = {"url": GRADE, "valueCode": "certain" if found.certain else "possible"}
    return {"score": Number((CERTAIN if found.certain else POSSIBLE)[found.why]), "extension": [grade]}


def _given(body: bytes) -> dict[str, Any]:
    """The parameters by name; raises FhirRefused."""
    parameters = sent("Parameters", body)
    made: dict[str, Any] = {}
    for index, each in enumerate(parameters.get("parameter", ())):
        name, where = each["name"], f"Parameters.parameter[{index}]"
        if name not in TAKEN or name in made or set(each) != {"name", TAKEN[name]}:
            raise FhirRefused(path=where, problem=f"not one of {', '.join(TAKEN)}, each given once")
        made[name] = each[TAKEN[name]]
    return made


def _sought(patient: Any) -> list[Identity]:
    """One identity for each name, all with the same number and birth."""
    if not isinstance(patient, dict) or patient.get("resourceType") != "Patient":
        raise FhirRefused(path="resource", problem="not a Patient")
    numbers = [
        each.get("value", "") for each in patient.get("identifier", ()) if each.get("system") == NATIONAL
    ]
    names = patient.get("name") or [{}]
    if len(numbers) > 1 or len(names) > MOST_NAMES:
        raise FhirRefused(path="Patient", problem=f"more than one national identifier or {MOST_NAMES} names")
    number, born = "".join(numbers), patient.get("birthDate", "")
    if len(number) > MOST_NUMBER:
        raise FhirRefused(
            path="Patient.identifier", problem=f"a number of more than {MOST_NUMBER} characters"
        )
    made = [identity_of({"name": [each], "birthDate": born}) for each in names]
    return [Identity(each.alias, each.registration, each.name, "", number, born, each.salt) for each in made]


def _count(given: dict[str, Any]) -> int:
    count = given.get("count")
    if count is None:
        return COUNT
    number = int(count.decimal) if isinstance(count, Number) else 0
    if number < 1:
        raise FhirRefused(path="count", problem="not a number of patients")
    return number
