"""``$validate``: what FHIR R4 has to say of a resource, as an OperationOutcome; nothing is kept."""

from __future__ import annotations

from functools import partial

from careledger.app.tokens import Bearer
from careledger.domain.errors import FhirRefused
from careledger.fhir.json_text import Resource
from careledger.fhir.split import A_DOCUMENT, NOBODYS, OUTSIDE, import_bundle
from careledger.gateway.desk import Desk
from careledger.gateway.http import JSONS, Answered, Asked, Handler

Issue = dict[str, object]
ELSEWHERE = (OUTSIDE, NOBODYS, A_DOCUMENT)
"""What a file has to say and a single resource has not."""


def handlers(desk: Desk) -> list[Handler]:
    """The route."""
    return [Handler("POST", "/{kind}/$validate", partial(validate, desk), JSONS, needs="c")]


def validate(desk: Desk, who: Bearer, asked: Asked) -> Answered:
    """What R4 has to say of a resource, which goes nowhere."""
    return Answered(validated(asked.kind, asked.body))


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
