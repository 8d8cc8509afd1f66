"""``$validate``: what FHIR R4 has to say of a resource, as an OperationOutcome; nothing is kept."""

from __future__ import annotations

from functools import partial
from typing import Any

from careledger.app.tokens import Bearer
from careledger.domain.errors import FhirRefused
from careledger.fhir.canonical import canonical
from careledger.fhir.json_text import Flaw, Resource, read
from careledger.fhir.searching.parse import named
from careledger.fhir.split import A_DOCUMENT, NOBODYS, OUTSIDE, import_bundle
from careledger.gateway.desk import Desk
from careledger.gateway.http import JSONS, Answer, Answered, Asked, Handler, Slow, refuse_if_strict
from careledger.gateway.long_bodies import once_read

Issue = dict[str, object]
PARAMETERS = "Parameters"
ELSEWHERE = (OUTSIDE, NOBODYS, A_DOCUMENT)
"""What a file has to say and a single resource has not."""


def handlers(desk: Desk) -> list[Handler]:
    """The route."""
    return [Handler("POST", "/{kind}/$validate", partial(validate, desk), JSONS, needs="c")]


def validate(desk: Desk, who: Bearer, asked: Asked) -> Answer | Slow:
    """What R4 has to say of a resource, which goes nowhere: the body, or ``resource`` of a Parameters resource."""
    return once_read(asked.body, partial(_looked_at, asked.kind, asked.body), partial(_said, asked))


def _said(asked: Asked, looked: tuple[Resource, list[str]]) -> Answered:
    made, beside = looked
    refuse_if_strict(asked.headers, tuple(beside))
    made["issue"] += [_issue("warning", "not-supported", "Not looked at.", each) for each in beside]
    return Answered(made)


def _looked_at(kind: str, body: bytes) -> tuple[Resource, list[str]]:
    """What there is to say, and the names of parameters that were not looked at."""
    beside = list[str]()
    if kind != PARAMETERS:
        body, beside = _unwrapped(body)
    return validated(kind, body), beside


def _unwrapped(body: bytes) -> tuple[bytes, list[str]]:
    """The resource that a Parameters resource holds, and its other parameters by name; any other body as it is."""
    try:
        said: Any = read(body)
    except Flaw:
        return body, []
    if not isinstance(said, dict) or said.get("resourceType") != PARAMETERS:
        return body, []
    given = [each for each in said.get("parameter", ()) if isinstance(each, dict)]
    held = [each["resource"] for each in given if each.get("name") == "resource" and "resource" in each]
    if len(held) != 1:
        raise FhirRefused(path="Parameters.parameter", problem="give one resource")
    return canonical(held[0]), [
        named(str(each.get("name"))) for each in given if each.get("name") != "resource"
    ]


def validated(kind: str, body: bytes) -> Resource:
    """Errors and warnings with their places, or that all is well; raises nothing for what is wrong."""
    try:
        report = import_bundle(body, "the resource")
    except FhirRefused as refused:
        problem = str(refused.details.get("problem", "not a resource"))
        return _outcome([_issue("error", "invalid", problem, str(refused.details.get("path", "")))])
    issues = [_issue("error", "invalid", each.why, each.path) for each in report.rejects]
    warnings = [each for each in report.warnings if each.what not in ELSEWHERE]
    issues += [_issue("warning", "informational", each.what, each.path) for each in warnings]
    if any(version.resource_type != kind for version in report.versions):
        issues.append(_issue("error", "invalid", f"is not a {kind}", "resourceType"))
    return _outcome(issues or [_issue("information", "informational", "This is valid FHIR R4.", "")])


def _issue(severity: str, code: str, said: str, path: str) -> Issue:
    made: Issue = {"severity": severity, "code": code, "diagnostics": said}
    return {**made, "expression": [path]} if path else made


def _outcome(issues: list[Issue]) -> Resource:
    return {"resourceType": "OperationOutcome", "issue": issues}
