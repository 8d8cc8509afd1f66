"""What refines a scope: search parameters that a record has to match, as in ``Observation.rs?category=laboratory``.

After SMART App Launch 2.2 (finer-grained resource constraints using search parameters). They are tried by what searches
are, on what the record itself says: no parameter is taken whose answer lies with another record, with the time, or with
what this server adds, nor one of a type that is shown from elsewhere than records.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import parse_qsl

from careledger.domain.errors import ScopeRefused, SearchRefused
from careledger.fhir.json_text import Resource
from careledger.fhir.mapping import rules_by_type
from careledger.fhir.searching.indexing import narrowed
from careledger.fhir.searching.parameters import Parameter, parameters_of
from careledger.fhir.searching.parse import parse
from careledger.fhir.searching.query import nothing
from careledger.formats.indexing import Demand

MOST, MOST_PARAMETERS = 400, 8
"""Characters and parameters that refine one scope."""
ELSEWHERE = frozenset({"Patient", "Practitioner", "Consent"})
"""Types of which something is shown that is no record."""
ADDED = frozenset({"_id", "_lastUpdated"})
"""Parameters of what this server gives a record."""
_OWN = frozenset({"token", "string", "date", "number", "quantity", "uri"})
_SAID = re.compile(r"[!#-\[\]-~]+", re.ASCII)
"""What a scope can hold (RFC 6749, 3.3)."""
_ANY_TIME = datetime(2000, 1, 1, tzinfo=UTC)
Pairs = tuple[tuple[str, str], ...]


@lru_cache(1_024)
def refining(kind: str, said: str) -> Callable[[Resource], bool]:
    """Whether a resource is of that type and matches; ``said`` is what follows the question mark. Raises
    ScopeRefused."""
    if kind in ELSEWHERE or not any(each.category is not None for each in rules_by_type().get(kind, ())):
        raise ScopeRefused(why=f"a scope of {kind if kind.isalpha() else 'every type'} cannot be refined")
    given = pairs(said)
    for name, value in given:
        _check(parameters_of(kind).get(name.partition(":")[0]), value)
    try:
        query = parse(kind, given)
    except SearchRefused:
        raise ScopeRefused(why="a scope is refined by what is no search") from None
    if query.ignored or len(query.criteria) != len(given):
        raise ScopeRefused(why="a scope is refined by a parameter that is not known here")
    return query.within(nothing)


@lru_cache(1_024)
def demanding(kind: str, said: str) -> tuple[Demand, ...] | None:
    """What an index can say of it; None where it cannot say all."""
    given = pairs(said)
    demands = narrowed(kind, given, "", _ANY_TIME).demands
    return demands if len(demands) == len(given) else None


def pairs(said: str) -> Pairs:
    """Names and values as they are meant; raises ScopeRefused."""
    try:
        if len(said) > MOST or not _SAID.fullmatch(said):
            raise ValueError
        found = parse_qsl(
            said, keep_blank_values=True, strict_parsing=True, errors="strict",
            max_num_fields=MOST_PARAMETERS,
        )  # fmt: skip
    except ValueError:
        raise ScopeRefused(why="a scope is refined by what is no query, or a long one") from None
    if not all(name and value and value.isprintable() for name, value in found):
        raise ScopeRefused(why="a scope is refined by a parameter without a name or a value")
    return tuple(found)


def both(queries: Iterable[str]) -> str:
    """What matches all of these, each parameter said once; empty where none refines."""
    return "&".join(dict.fromkeys(part for each in queries if each for part in each.split("&")))


def readable(said: str) -> str:
    """The same for people; raises ScopeRefused."""
    return " and ".join(_told(name, value) for name, value in pairs(said))


def _told(name: str, value: str) -> str:
    code, _, modifier = name.partition(":")
    values = " or ".join(value.split(","))
    if modifier == "missing":
        return f"{code} is {'not there' if value == 'true' else 'there'}"
    how = {"": "is", "not": "is not"}.get(modifier, f"({modifier}) is")
    return f"{code} {how} {values}"


def _check(parameter: Parameter | None, value: str) -> None:
    if parameter is None or parameter.name in ADDED:
        raise ScopeRefused(why="a scope is refined by a parameter that is not known here")
    types = {each.type for each in parameter.parts} if parameter.type == "composite" else {parameter.type}
    if not types <= _OWN or "resolve(" in parameter.expression or (parameter.parts and "date" in types):
        raise ScopeRefused(why=f"{parameter.name} is answered by more than the record, and refines no scope")
    if "date" in types and any(each.startswith("ap") for each in value.split(",")):
        raise ScopeRefused(why="a scope is refined by a time that is not fixed")
