"""``OperationDefinition/NAME``: what each operation here is, from the table that the CapabilityStatement is made of."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from careledger.app.tokens import Bearer
from careledger.domain.errors import RecordNotFound
from careledger.fhir.json_text import Number, Resource
from careledger.gateway.desk import Desk
from careledger.gateway.http import Answered, Asked, Handler


@dataclass(frozen=True)
class Operation:
    """``base`` is the published definition that it follows, ``on`` the type that it is asked of, ``instance`` whether
    of one resource or of the type; ``takes`` are its parameters as (name, type, least), ``gives`` what it answers."""

    code: str
    base: str
    on: str
    instance: bool
    takes: tuple[tuple[str, str, int], ...]
    gives: str


OPERATIONS = (
    Operation(
        "everything",
        "http://hl7.org/fhir/OperationDefinition/Patient-everything",
        "Patient",
        True,
        (("_count", "integer", 0),),
        "Bundle",
    ),
    Operation(
        "summary", "http://hl7.org/fhir/uv/ips/OperationDefinition/summary", "Patient", True, (), "Bundle"
    ),
    Operation(
        "match",
        "http://hl7.org/fhir/OperationDefinition/Patient-match",
        "Patient",
        False,
        (("resource", "Resource", 1), ("onlyCertainMatches", "boolean", 0), ("count", "integer", 0)),
        "Bundle",
    ),
    Operation(
        "validate",
        "http://hl7.org/fhir/OperationDefinition/Resource-validate",
        "Resource",
        False,
        (("resource", "Resource", 1),),
        "OperationOutcome",
    ),
)
"""Every operation that there is a route of."""


def handlers(desk: Desk) -> list[Handler]:
    """The route."""
    return [Handler("GET", "/OperationDefinition/{id}", partial(definition, desk))]


def definition(desk: Desk, who: Bearer, asked: Asked) -> Answered:
    """The definition of that name; raises RecordNotFound."""
    for operation in OPERATIONS:
        if operation.code == asked.path["id"]:
            return Answered(_resource(desk.base, operation))
    raise RecordNotFound()


def operations_of(kind: str) -> list[Resource]:
    """What a CapabilityStatement says of a type's operations."""
    found = [each for each in OPERATIONS if each.on in (kind, "Resource")]
    return [{"name": each.code, "definition": each.base} for each in found]


def _resource(base: str, operation: Operation) -> Resource:
    takes = [_parameter(name, "in", least, kind) for name, kind, least in operation.takes]
    return {
        "resourceType": "OperationDefinition",
        "id": operation.code,
        "url": f"{base}/OperationDefinition/{operation.code}",
        "name": operation.code.capitalize(),
        "status": "active",
        "kind": "operation",
        "affectsState": False,
        "code": operation.code,
        "base": operation.base,
        "resource": [operation.on],
        "system": False,
        "type": not operation.instance,
        "instance": operation.instance,
        "parameter": [*takes, _parameter("return", "out", 1, operation.gives)],
    }


def _parameter(name: str, use: str, least: int, kind: str) -> Resource:
    return {"name": name, "use": use, "min": Number(str(least)), "max": "1", "type": kind}
