"""What an export is asked for: the parameters of a kick-off, read once and for all.

What is not looked at is refused where the client wants strict handling, and named in the export otherwise. What the
implementation guide has and is not done here is refused unless the client wants lenient handling: who names patients or
searches and was given everything would have more than was asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from careledger.app.scopes import Scopes
from careledger.domain.categories import Category
from careledger.domain.errors import ExportRefused
from careledger.fhir.definitions.tables import resource_types
from careledger.fhir.searching.query import Query
from careledger.fhir.searching.subsets import Subset
from careledger.formats.exports import ExportJob
from careledger.gateway.about import about_whom
from careledger.gateway.bulk.wanted import Filter, Wanted
from careledger.gateway.http import Asked, pairs

SYSTEM, PATIENT, GROUP = "system", "patient", "group"
NDJSON = "application/fhir+ndjson"
NDJSONS = (NDJSON, "application/ndjson", "ndjson")
Given = list[tuple[str, str]]
Parsed = Callable[[str, Sequence[tuple[str, str]]], Query]
"""What a search of a type asks; raises SearchRefused."""
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_ALIAS = re.compile(r"(?:https?://\S+/)?Patient/([0-9a-f]{64})")
_ELEMENT = re.compile(r"(?:([A-Z][A-Za-z]{0,60})\.)?[a-z][A-Za-z]{0,60}", re.ASCII)
OF_THE_GUIDE = ("patient", "includeAssociatedData", "_typeFilter ")
MOST_FILTERS = 50
"""Searches of one export, each tried on every record."""
_NEXT = re.compile(r",(?=[A-Z][A-Za-z]{1,60}\?)")
_NOT_FOR_FILTERS = ("_include", "_revinclude", "_sort", "_count", "_summary", "_elements", "_total", "_has")


class _Parameter(msgspec.Struct):
    name: str
    valueString: str = ""
    valueCode: str = ""
    valueUri: str = ""
    valueInstant: str = ""
    valueBoolean: bool | None = None
    valueReference: dict[str, object] | None = None


class _Parameters(msgspec.Struct):
    resourceType: str
    parameter: list[_Parameter] = []


@dataclass(frozen=True)
class Kickoff:
    """What was asked for, in the words that are kept."""

    types: tuple[str, ...]
    since: int | None
    filters: tuple[str, ...]
    elements: tuple[str, ...]
    patients: bytes
    ignored: tuple[str, ...]


def kicked_off(parsed: Parsed, asked: Asked, scope: str) -> Kickoff:
    """Raises ExportRefused for what cannot be, and for what is not looked at under strict handling."""
    if not asked.prefers("respond-async"):
        raise ExportRefused(path="Prefer", problem="say respond-async: an export is made in the background")
    given = [each for each in [*asked.given, *_posted(asked)] if each[0] != "_format"]
    if any(value.replace(" ", "+") not in NDJSONS for value in _values(given, "_outputFormat")):
        raise ExportRefused(path="_outputFormat", problem=f"only {NDJSON} is made here")
    looked = {"_outputFormat", "_since", "_type", "_typeFilter", "_elements"}
    looked |= {"patient"} if asked.method == "POST" and scope != SYSTEM else set()
    filters = tuple(each for value in _values(given, "_typeFilter") for each in _NEXT.split(value) if each)
    if len(filters) > MOST_FILTERS:
        raise ExportRefused(path="_typeFilter", problem=f"more than {MOST_FILTERS} searches")
    ignored = [name for name, _ in given if name not in looked]
    ignored += [f"_typeFilter {name}" for each in filters for name in _filter(parsed, each)[1].query.ignored]
    if _refused(asked, ignored):
        raise ExportRefused(path=", ".join(dict.fromkeys(ignored)), problem="is not supported here")
    return Kickoff(
        _types(given),
        _since(_values(given, "_since")),
        filters,
        _elements(given),
        b"".join(sorted({_alias(value) for value in _values(given, "patient")}))
        if "patient" in looked
        else b"",
        tuple(dict.fromkeys(each[:200] for each in ignored)),
    )


def wanted(parsed: Parsed, job: ExportJob, closed: frozenset[Category], scopes: Scopes) -> Wanted:
    """What a job is to write now; raises SearchRefused."""
    filters: dict[str, list[Filter]] = {}
    for kind, made in (_filter(parsed, each) for each in job.filters):
        filters.setdefault(kind, []).append(made)
    return Wanted(
        frozenset(job.types),
        job.since,
        filters,
        _by_type(job.elements),
        job.patients,
        closed,
        scopes.shows,
    )


def group_of(request: str) -> bytes:
    """The id of the group whose export was asked for so."""
    return UUID(request.partition("?")[0].rpartition("/Group/")[2].partition("/")[0]).bytes


def _refused(asked: Asked, ignored: Sequence[str]) -> bool:
    """Whether what is not looked at ends it (Bulk Data Access 2.0, query parameters)."""
    known = any(each.startswith(OF_THE_GUIDE) for each in ignored) and not asked.prefers("handling=lenient")
    return known or bool(ignored and asked.prefers("handling=strict"))


def _by_type(elements: tuple[str, ...]) -> dict[str, Subset]:
    """How much of each type is wanted; under "" of those for which nothing else is said."""
    for_all = tuple(each for each in elements if "." not in each)
    of_types: dict[str, tuple[str, ...]] = {"": for_all}
    for kind, _, name in (each.partition(".") for each in elements if "." in each):
        of_types[kind] = (*of_types.get(kind, for_all), name)
    return {kind: Subset(elements=names) for kind, names in of_types.items()}


def _posted(asked: Asked) -> Given:
    if asked.method != "POST" or not asked.body:
        return []
    try:
        made = msgspec.json.decode(asked.body, type=_Parameters)
    except (msgspec.DecodeError, RecursionError):
        raise ExportRefused(problem="not a Parameters resource in JSON") from None
    if made.resourceType != "Parameters":
        raise ExportRefused(path="resourceType", problem="not Parameters")
    return [(each.name, _value(each)) for each in made.parameter]


def _value(each: _Parameter) -> str:
    if each.valueReference is not None:
        return str(each.valueReference.get("reference", ""))
    return each.valueString or each.valueCode or each.valueUri or each.valueInstant


def _values(given: Given, name: str) -> list[str]:
    return [value for each, value in given if each == name]


def _types(given: Given) -> tuple[str, ...]:
    named = [each for value in _values(given, "_type") for each in value.split(",") if each]
    if any(each not in resource_types() for each in named):
        raise ExportRefused(path="_type", problem="names what is no resource type of R4")
    return tuple(dict.fromkeys(named))


def _elements(given: Given) -> tuple[str, ...]:
    """Names of elements, of whatever type or with the one that they are of before a dot."""
    named = [each for value in _values(given, "_elements") for each in value.split(",") if each]
    found = [_ELEMENT.fullmatch(each) for each in named]
    if not all(each and (each[1] is None or each[1] in resource_types()) for each in found):
        raise ExportRefused(path="_elements", problem="names what is no element of a resource")
    return tuple(dict.fromkeys(named))


def _since(values: Sequence[str]) -> int | None:
    """Unix seconds; what falls into the same second is not left out. A plus that was not escaped arrives as a space."""
    if not values:
        return None
    said = values[-1].replace(" ", "+")
    try:
        if not _INSTANT.fullmatch(said):
            raise ValueError
        return max(0, int(datetime.fromisoformat(said).astimezone(UTC).timestamp()))
    except (ValueError, OverflowError):
        raise ExportRefused(path="_since", problem="not an instant") from None


def _alias(value: str) -> bytes:
    found = _ALIAS.fullmatch(value)
    if found is None:
        raise ExportRefused(path="patient", problem="not Patient/ and an alias")
    return bytes.fromhex(found[1])


def _filter(parsed: Parsed, said: str) -> tuple[str, Filter]:
    kind, mark, query = said.partition("?")
    if not mark or kind not in resource_types():
        raise ExportRefused(path="_typeFilter", problem="not a type and a search of it")
    given = pairs(query)
    if any(name.startswith(_NOT_FOR_FILTERS) for name, _ in given):
        raise ExportRefused(path="_typeFilter", problem="only chooses among resources, one by one")
    about = about_whom(kind, given)
    return kind, Filter(about.aliases, parsed(kind, about.rest))
