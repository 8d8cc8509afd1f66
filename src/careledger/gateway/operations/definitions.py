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
    """``base`` is the published definition that it follows, empty if none is, ``on`` the type that it is asked of,
    empty for one of the whole system, ``instance`` whether of one resource or of the type, ``both`` if of either;
    ``takes`` are its parameters as (name, type, least), ``gives`` what it answers, if that is a resource; ``id`` is
    what its definition is called where several have one code."""

    code: str
    base: str
    on: str
    instance: bool
    takes: tuple[tuple[str, str, int], ...]
    gives: str
    id: str = ""
    both: bool = False

    @property
    def name(self) -> str:
        """What its definition is called."""
        return self.id or self.code


NO_RECORDS = ("Group", "Subscription")
"""What has routes of its own."""
REPEATED = ("_type", "_elements", "_typeFilter", "patient")
BULK = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition"
EXPORTED: tuple[tuple[str, str, int], ...] = (
    ("_outputFormat", "string", 0),
    ("_since", "instant", 0),
    ("_type", "string", 0),
    ("_elements", "string", 0),
    ("_typeFilter", "string", 0),
)

OPERATIONS = (
    Operation(
        "everything",
        "http://hl7.org/fhir/OperationDefinition/Patient-everything",
        "Patient",
        True,
        (
            ("start", "date", 0),
            ("end", "date", 0),
            ("_count", "integer", 0),
            ("_since", "instant", 0),
            ("_type", "code", 0),
        ),
        "Bundle",
    ),
    Operation(
        "summary",
        "http://hl7.org/fhir/uv/ips/OperationDefinition/summary",
        "Patient",
        True,
        (("identifier", "string", 0),),
        "Bundle",
        both=True,
    ),
    Operation("pdf", "", "Patient", True, (), "Binary"),
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
    Operation("meta", "http://hl7.org/fhir/OperationDefinition/Resource-meta", "Resource", True, (), "Meta"),
    Operation("export", f"{BULK}/export", "", False, EXPORTED, ""),
    Operation(
        "export",
        f"{BULK}/patient-export",
        "Patient",
        False,
        (*EXPORTED, ("patient", "Reference", 0)),
        "",
        "patient-export",
    ),
    Operation(
        "export",
        f"{BULK}/group-export",
        "Group",
        True,
        (*EXPORTED, ("patient", "Reference", 0)),
        "",
        "group-export",
    ),
)
"""Every operation that there is a route of."""


def handlers(desk: Desk) -> list[Handler]:
    """The route."""
    return [
        Handler(
            "GET", "/OperationDefinition/{id}", partial(definition, desk), needs="r", of="OperationDefinition"
        )
    ]


def definition(desk: Desk, who: Bearer, asked: Asked) -> Answered:
    """The definition of that name; raises RecordNotFound."""
    for operation in OPERATIONS:
        if operation.name == asked.path["id"]:
            return Answered(_resource(desk.base, operation))
    raise RecordNotFound()


def operations_of(kind: str, base: str) -> list[Resource]:
    """What a CapabilityStatement says of a type's operations."""
    found = [each for each in OPERATIONS if each.on == kind or (each.on == "Resource" and _is_of(each, kind))]
    here = f"{base}/OperationDefinition"
    return [{"name": each.code, "definition": each.base or f"{here}/{each.name}"} for each in found]


def _is_of(operation: Operation, kind: str) -> bool:
    """Whether what is asked of every resource is asked of that type's: of one that is a record."""
    return not operation.instance or kind not in NO_RECORDS


def operations_of_all() -> list[Resource]:
    """What it says of the operations of the whole system."""
    return [{"name": each.code, "definition": each.base} for each in OPERATIONS if not each.on]


def _resource(base: str, operation: Operation) -> Resource:
    takes = [_parameter(name, "in", least, kind) for name, kind, least in operation.takes]
    gives = [_parameter("return", "out", 1, operation.gives)] if operation.gives else []
    on = {"resource": [operation.on]} if operation.on else {}
    return {
        "resourceType": "OperationDefinition",
        "id": operation.name,
        "url": f"{base}/OperationDefinition/{operation.name}",
        "name": operation.name.title().replace("-", ""),
        "status": "active",
        "kind": "operation",
        "affectsState": False,
        "code": operation.code,
        **({"base": operation.base} if operation.base else {}),
        **on,
        "system": not operation.on,
        "type": bool(operation.on) and (operation.both or not operation.instance),
        "instance": operation.instance,
        "parameter": [*takes, *gives],
    }


def _parameter(name: str, use: str, least: int, kind: str) -> Resource:
    most = "*" if name in REPEATED else "1"
    return {"name": name, "use": use, "min": Number(str(least)), "max": most, "type": kind}
