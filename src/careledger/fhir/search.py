"""Looking for resources by what they say: words, codes, dates; and what an Observation measured, for trends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from careledger.fhir.dates import clinical_date
from careledger.fhir.json_text import Number, Resource
from careledger.fhir.paths import concept_text


@dataclass(frozen=True, slots=True, repr=False)
class Query:
    """All of these have to hold; empty means: whatever it is.

    ``words`` stand anywhere in the resource's text values, in any case and order; ``code`` is a code, or
    ``system|code``; ``first`` and ``last`` are dates (``2024``, ``2024-05``, ``2024-05-31``), both included.
    """

    words: tuple[str, ...] = ()
    code: str = ""
    first: str = ""
    last: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class Measured:
    """One number that an Observation states, with the digits of its source."""

    what: str
    unit: str
    date: str
    value: Decimal


def matches(resource: Resource, query: Query) -> bool:
    """Whether a resource holds what is looked for; one without a date is in no period."""
    if query.code and not any(_is_code(system, code, query.code) for system, code in codes(resource)):
        return False
    if (query.first or query.last) and not _in_period(clinical_date(resource) or "", query):
        return False
    if not query.words:
        return True
    text = "\n".join(_texts(resource)).casefold()
    return all(word.casefold() in text for word in query.words)


def codes(resource: Any) -> Iterator[tuple[str, str]]:
    """Every coding in a resource as (system, code), wherever it stands."""
    if isinstance(resource, dict):
        if isinstance(resource.get("code"), str):
            yield str(resource.get("system", "")), resource["code"]
        for value in resource.values():
            yield from codes(value)
    elif isinstance(resource, list):
        for value in resource:
            yield from codes(value)


def measured(resource: Resource) -> Iterator[Measured]:
    """The numbers of an Observation and of its components."""
    if resource.get("resourceType") != "Observation":
        return
    date = (clinical_date(resource) or "")[:10]
    for part in (resource, *resource.get("component", ())):
        quantity = part.get("valueQuantity")
        number = quantity.get("value") if isinstance(quantity, dict) else None
        if isinstance(number, Number) and date:
            unit = str(quantity.get("unit") or quantity.get("code") or "")
            yield Measured(concept_text(part.get("code")), unit, date, number.decimal)


def _is_code(system: str, code: str, wanted: str) -> bool:
    named, bar, rest = wanted.rpartition("|")
    return code == rest and (not bar or system == named)


def _in_period(date: str, query: Query) -> bool:
    if not date:
        return False
    return (not query.first or date >= query.first) and (
        not query.last or date[: len(query.last)] <= query.last
    )


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Number):
        yield value.text
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
