"""What this gateway can do, as a CapabilityStatement made from the tables that it works by."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import version

from careledger.fhir.definitions.tables import patient_compartment, resource_types
from careledger.fhir.json_text import Resource
from careledger.fhir.searching.parameters import (
    EVERY_TYPE,
    MODIFIERS,
    PREFIXES,
    WITH_PREFIX,
    parameters_of,
)
from careledger.fhir.searching.subsets import Subset
from careledger.gateway.forms import JSON, XML
from careledger.gateway.http import PATCH
from careledger.gateway.oauth.metadata import security
from careledger.gateway.operations import groups, subscriptions
from careledger.gateway.operations.definitions import BULK, operations_of, operations_of_all

INTERACTIONS = (
    "read", "vread", "history-instance", "history-type", "search-type", "create", "update", "patch", "delete",
)  # fmt: skip
"""What every type but Group and Subscription has; the routes of ``application`` are these."""
SYSTEM_INTERACTIONS = ("transaction", "batch", "history-system", "search-system")


def capability(base: str, origin: str, started: str) -> Resource:
    """The CapabilityStatement; ``origin`` is where people sign in, ``started`` a FHIR dateTime."""
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": started,
        "kind": "instance",
        "software": {"name": "CareLedger", "version": version("careledger")},
        "implementation": {
            "description": "Records that their patients share, decided by consent",
            "url": base,
        },
        "instantiates": [BULK.replace("OperationDefinition", "CapabilityStatement/bulk-data")],
        "fhirVersion": "4.0.1",
        "format": [JSON, XML, "json", "xml"],
        "patchFormat": [PATCH, JSON, XML],
        "rest": [
            {
                "mode": "server",
                "security": security(base, origin),
                "operation": operations_of_all(),
                "documentation": _comparing(),
                "interaction": [{"code": code} for code in SYSTEM_INTERACTIONS],
                "resource": [_type(name, base) for name in sorted(resource_types())],
                "searchParam": _parameters(EVERY_TYPE),
                "compartment": [patient_compartment().url],
            }
        ],
    }


def part_of(said: Resource, wanted: Subset) -> Resource:
    """As much of it as is wanted, with what makes it one of a server (R4, cpb-1 and cpb-15)."""
    made = wanted.of(said)
    if "rest" not in made:
        made["rest"] = [{"mode": each["mode"]} for each in said["rest"]]
    return {**made, "implementation": said["implementation"]}


def _comparing() -> str:
    """Which modifiers and prefixes parameters take, by their type; R4 has no element for it."""
    said = [
        f"{kind}: " + ", ".join([*(f":{each}" for each in found), *(PREFIXES if kind in WITH_PREFIX else ())])
        for kind, found in MODIFIERS.items()
        if found
    ]
    return (
        "Search parameters take, by type: " + "; ".join(said) + "; reference also : and a type; chains, _has."
    )


def _parameters(name: str) -> list[Resource]:
    return [
        {"name": parameter, "definition": each.url, "type": each.type}
        for parameter, each in sorted(parameters_of(name).items())
    ]


def _references(name: str) -> list[str]:
    return sorted(code for code, each in parameters_of(name).items() if each.type == "reference")


@cache
def _referring() -> Mapping[str, Sequence[str]]:
    """By type, the parameters of all types that may refer to it."""
    found = defaultdict[str, list[str]](list)
    for name in sorted(set(resource_types()) - {groups.KIND, subscriptions.KIND}):
        for code, each in sorted(parameters_of(name).items()):
            for target in each.targets if each.type == "reference" else ():
                found[target].append(f"{name}:{code}")
    return found


def _type(name: str, base: str) -> Resource:
    if name == groups.KIND:
        return {
            "type": name,
            "documentation": "Lists of the organisation's own patients, kept by it alone; they open no record.",
            "interaction": [{"code": code} for code in groups.INTERACTIONS],
            "versioning": "versioned",
            "readHistory": False,
            "updateCreate": False,
            "operation": operations_of(name, base),
        }
    if name == subscriptions.KIND:
        return {
            "type": name,
            "documentation": "rest-hook alone, of the consents that name the post (criteria Consent) or of own "
            "writings that answer a search of one type; payload none, or empty or id-only by backport-payload-content. "
            "For posts of machines and operators.",
            "interaction": [{"code": code} for code in subscriptions.INTERACTIONS],
            "versioning": "no-version",
            "readHistory": False,
            "updateCreate": False,
            "operation": operations_of(name, base),
        }
    made: Resource = {
        "type": name,
        "interaction": [{"code": code} for code in INTERACTIONS],
        "versioning": "versioned",
        "readHistory": True,
        "updateCreate": False,
        "conditionalCreate": True,
        "conditionalUpdate": True,
        "conditionalDelete": "single",
        "conditionalRead": "full-support",
        "searchParam": _parameters(name),
        "searchInclude": [f"{name}:{parameter}" for parameter in _references(name)],
        "searchRevInclude": list(_referring().get(name, ())),
        "operation": operations_of(name, base),
    }
    if name == "Binary":
        made["documentation"] = (
            "Read as the content itself, whole or by Range, unless application/fhir+json is asked for. Created of any "
            "file as it is, of up to 2,147,483,647 bytes, with X-Security-Context: Patient/ALIAS or a document."
        )
    return {name: each for name, each in made.items() if each != []}  # FHIR has no empty arrays
