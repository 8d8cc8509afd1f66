"""What of a resource stands in an index, and which part of the index a search has to look at.

For every criterion: whatever resource the evaluator would let pass has an entry in the ranges that ``narrowed`` names,
or the criterion names none (Missing, ``:not``, ``:contains``, composites, chains). So the index may give too much and
never too little, and the evaluator has the last word. What it has in order is the order of the sort in memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from types import MappingProxyType
from typing import Any

from careledger.fhir.fhirpath.compiled import Scope
from careledger.fhir.fhirpath.naming import text_of
from careledger.fhir.json_text import Resource
from careledger.fhir.references import taken_apart
from careledger.fhir.searching.elements import Element, elements
from careledger.fhir.searching.links import key_of, local
from careledger.fhir.searching.moments import SPANS, asked_span
from careledger.fhir.searching.parameters import Parameter, parameters_of
from careledger.fhir.searching.quantities import RANGES
from careledger.fhir.searching.sorting import Key, ends, values_in_order
from careledger.fhir.searching.texts import normal, texts
from careledger.fhir.searching.tokens import implied, pairs
from careledger.fhir.searching.values import number_bounds, plain, prefix_of, split
from careledger.formats.indexing import (
    ASCENDING,
    DESCENDING,
    ORDERED,
    Demand,
    Entry,
    Order,
    Range,
    Value,
)

MOST_RANGES = 400
"""Of one criterion; with more it does not narrow, because a store takes only so many."""
MOST_TEXT = 40
MOST_ORDERED = 100
"""Characters of a text by which it is put in order."""
IN_ORDER = frozenset({"date", "number", "quantity", "string", "token", "reference", "uri"})
"""Types of parameters that an index has in order."""
_YEAR = 367 * 24 * 3_600 * 10**6
_WIDE = "~"
"""Beside a parameter's name: its values that are wider than a year, or than one number."""
_INFINITE = float("inf")
_IS_PATIENT, _A_PATIENT = "resolve() is Patient", {"resourceType": "Patient"}
_LAST = "\U0010ffff" * MOST_TEXT


@dataclass(frozen=True, repr=False)
class Narrowed:
    """What an index can say of a search: every one of the demands, and whether they are all that is asked but for
    values that are not wanted (``:not``), of which most resources have none."""

    demands: tuple[Demand, ...]
    whole: bool


def entries_of(
    resource: Resource, alias: str, patients: Mapping[str, str] = MappingProxyType({})
) -> list[Entry]:
    """The values of a resource, each once; ``alias`` is what its patient is called, whatever it says itself.
    ``patients`` are the references in it that lead to a Patient, with those under which they are put in order."""
    made: dict[Entry, None] = {}
    names = {name.removeprefix("_") for name in resource}
    for parameter, read, roots in _indexed(str(resource["resourceType"])):
        if roots and roots.isdisjoint(names):
            continue
        resolves = "resolve()" in parameter.expression
        values, ordered = [], _is_ordered(parameter)
        for element, item in _items(resource, parameter):
            if ordered and not resolves:
                values += values_in_order(parameter.type, element, _led(parameter, item, patients))
            made.update(
                {
                    Entry(parameter.name + tail, low, high): None
                    for tail, low, high in read(element, item, alias)
                }
            )
        if ordered and resolves:
            values = _of_patients(resource, parameter, patients)
        if values:
            made.update(dict.fromkeys(_in_order(parameter, values)))
    return list(made)


def order_of(kind: str, keys: Sequence[Key], sees_patients: bool) -> tuple[Order, ...] | None:
    """The order of ``_sort`` as an index has it; None where it has it not: that of references only for who sees what
    leads to which patient."""
    known = parameters_of(kind)
    if not sees_patients and any(each.kind == "reference" for each in keys):
        return None
    if all(each.name in known and _is_ordered(known[each.name]) for each in keys):
        return tuple(Order(each.name, each.descending) for each in keys)
    return None


def _is_ordered(parameter: Parameter) -> bool:
    """Not what is read differently by what its references lead to, unless that is a Patient."""
    expression = parameter.expression
    return parameter.type in IN_ORDER and expression.count("resolve()") == expression.count(_IS_PATIENT)


def _led(parameter: Parameter, item: Any, patients: Mapping[str, str]) -> Any:
    """What stands there, a reference to a Patient as one to the patient."""
    led = patients.get(text_of(item)) if patients and parameter.type == "reference" else None
    return item if led is None else {"reference": led}


def _of_patients(resource: Resource, parameter: Parameter, patients: Mapping[str, str]) -> list[Any]:
    """What a parameter is ordered by that compares only references to a Patient."""
    scope = Scope(resource, resource, resource, lambda text: _A_PATIENT if text in patients else None)
    return [
        value
        for element in elements(str(resource["resourceType"]), parameter.expression)
        for item in element.find(resource, scope)
        for value in values_in_order(parameter.type, element, _led(parameter, item, patients))
    ]


def _in_order(parameter: Parameter, values: list[Any]) -> Iterator[Entry]:
    first, last = (_ordered(parameter.type, each) for each in ends(values))
    name = parameter.name + ORDERED
    if first == last:
        yield Entry(name, first, ASCENDING | DESCENDING)
    else:
        yield Entry(name, first, ASCENDING)
        yield Entry(name, last, DESCENDING)


def _ordered(kind: str, value: Any) -> Value:
    if kind == "date":
        return int(value // 1_000)
    return _storable(value[:MOST_ORDERED]) if isinstance(value, str) else float(value[0])


@cache
def _indexed(kind: str) -> tuple[tuple[Parameter, Reading, frozenset[str]], ...]:
    """The parameters of a type that are indexed, how each is read, and in which elements of a resource its values
    stand; none where that is not sure."""
    made = []
    for parameter in parameters_of(kind).values():
        if (read := _READ.get(parameter.type)) is not None:
            roots = frozenset(each.root for each in elements(kind, parameter.expression))
            made.append((parameter, read, frozenset() if "" in roots else roots))
    return tuple(made)


def _items(resource: Resource, parameter: Parameter) -> Iterator[tuple[Element, Any]]:
    """What a parameter compares, whatever its references lead to."""
    for resolved in _resolutions(parameter):
        scope = Scope(resource, resource, resource, resolved)
        for element in elements(str(resource["resourceType"]), parameter.expression):
            for item in element.find(resource, scope):
                yield element, item


def narrowed(kind: str, given: Sequence[tuple[str, str]], base: str, now: datetime) -> Narrowed:
    """The part of an index in which everything is that answers a search that ``parse`` takes."""
    demands, whole = [], True
    base = base if not base or base.endswith("/") else f"{base}/"
    for name, value in given:
        code, _, modifier = name.partition(":")
        parameter = parameters_of(kind).get(code)
        made = None if parameter is None else _demand(parameter, modifier, value, base, now)
        if made is None:
            negated = parameter is not None and (parameter.type, modifier) == ("token", "not")
            whole = whole and (negated or not _demands(kind, name))
        else:
            demands.append(made)
    return Narrowed(tuple(demands), whole)


def naming(reference: str) -> int:
    """The value of whatever has that text as a reference, under any parameter."""
    return _key("r", reference)


def referring(kind: str, parameter: str, path: str) -> Demand:
    """Entries of whatever of that type may refer to ``Type/id`` under a parameter, under any of them for ``*``."""
    found = parameters_of(kind).values()
    names = [each.name for each in found if each.type == "reference" and parameter in ("*", each.name)]
    return tuple(
        Range(name, wanted, wanted) for name in names for wanted in (_key("i", path.partition("/")[2]),)
    )


def _demands(kind: str, name: str) -> bool:
    """Whether a name is one of a criterion: not one of a result parameter, nor unknown."""
    return name.startswith("_has:") or _first(name) in parameters_of(kind)


def _first(name: str) -> str:
    return name.partition(".")[0].partition(":")[0]


Triple = tuple[str, Value, Value]
Reading = Callable[[Element, Any, str], Iterator[Triple]]


def _demand(parameter: Parameter, modifier: str, text: str, base: str, now: datetime) -> Demand | None:
    read = _ASKED.get((parameter.type, modifier)) or (
        _reference if parameter.type == "reference" and modifier in parameter.targets else None
    )
    if read is None:
        return None
    made: list[Range] = []
    for each in split(text, ","):
        ranges = read(each, base, now)
        if ranges is None:
            return None
        made += [Range(parameter.name + tail, *bounds) for tail, *bounds in ranges]
    return tuple(made) if sum(not each.exact for each in made) <= MOST_RANGES else None


def _resolutions(parameter: Parameter) -> list[Callable[[str], Any]]:
    """What a reference may lead to, where an expression asks: everything that the parameter may refer to."""
    if "resolve()" not in parameter.expression:
        return [lambda text: None]
    return [lambda text, kind=each: {"resourceType": kind} for each in parameter.targets]  # type: ignore[misc]


def _key(form: str, text: str) -> int:
    """8 bytes for a text in one of its forms."""
    hashed = hashlib.blake2b(f"{form} {text}".encode("utf-8", "surrogatepass"), digest_size=8)
    return int.from_bytes(hashed.digest(), "big", signed=True)


def _storable(text: str) -> str:
    """A text as a table can hold it; half of a surrogate pair is a question mark."""
    return text.encode("utf-8", "replace").decode()


def _point(form: str, text: str) -> Triple:
    return "", _key(form, text), 0


# What stands in a resource -------------------------------------------------------------------------


def _tokens(element: Element, item: Any, alias: str) -> Iterator[Triple]:
    for system, code in pairs(item):
        if code:
            yield _point("c", code.casefold())
        for each in {system, *implied(element, code)} - {""}:
            yield _point("s", each)


def _references(element: Element, item: Any, alias: str) -> Iterator[Triple]:
    text = key_of(item) if element.type == "Resource" else text_of(item)
    if not text:
        return
    for form in {text, text.partition("|")[0], text.partition("/_history/")[0]}:
        yield _point("r", form)
    kind, _, rest = text.partition("/")
    if kind.isalpha():
        yield _point("i", rest.partition("/")[0])
    taken = taken_apart(text)
    if taken and taken.id:
        yield _point("i", taken.id)
    if text.startswith("urn:uuid:"):
        yield _point("i", text.removeprefix("urn:uuid:"))
        yield _point("i", alias)


def _strings(element: Element, item: Any, alias: str) -> Iterator[Triple]:
    for text in texts(element, item):
        yield "", _storable(normal(text)[:MOST_TEXT]), 0


def _uris(element: Element, item: Any, alias: str) -> Iterator[Triple]:
    if isinstance(item, str):
        for form in {item, item.partition("|")[0]}:
            yield "", _storable(form), 0


def _dates(element: Element, item: Any, alias: str) -> Iterator[Triple]:
    read = SPANS.get(element.type)
    found = read(item) if read else None
    if found:
        low, high = found[0] // 1_000, found[1] // 1_000
        yield _WIDE if high - low > _YEAR else "", low, high


def _numbers(element: Element, item: Any, alias: str) -> Iterator[Triple]:
    read = RANGES.get(element.type)
    found = read(item, None) if read else None
    if found is None:
        return
    low, high = float(found[0][0]), float(found[1][0])
    ends = {(low, high)}
    if element.type == "Range":  # a unit that is asked for may leave out one end
        ends |= {(low, _INFINITE), (-_INFINITE, high)}
    for each in ends:
        yield _WIDE if each[0] < each[1] else "", *each


_READ: dict[str, Reading] = {
    "token": _tokens,
    "reference": _references,
    "string": _strings,
    "uri": _uris,
    "date": _dates,
    "number": _numbers,
    "quantity": _numbers,
}

# What is asked for ---------------------------------------------------------------------------------

Asked = list[tuple[Any, ...]] | None
"""For a parameter's name or its name and a sign: the four bounds of a range."""


def _exactly(key: Value) -> tuple[Any, ...]:
    return "", key, key


def _token(text: str, base: str, now: datetime) -> Asked:
    parts = [plain(each) for each in split(text, "|")]
    if parts[-1]:
        return [_exactly(_key("c", parts[-1].casefold()))]
    return [_exactly(_key("s", parts[0]))]


def _reference(text: str, base: str, now: datetime) -> Asked:
    asked = local(plain(text), base)
    named = asked.partition("/_history/")[0].rpartition("/")[2]
    return [_exactly(_key("r", asked)), _exactly(_key("i", named))]


def _begins(text: str) -> Asked:
    text = _storable(text)
    return [("", text, text + _LAST)] if text else None


def _string(text: str, base: str, now: datetime) -> Asked:
    return _begins(normal(plain(text))[:MOST_TEXT])


def _uri(text: str, base: str, now: datetime) -> Asked:
    return [_exactly(_storable(plain(text)))]


def _below(text: str, base: str, now: datetime) -> Asked:
    return _begins(plain(text))


def _date(text: str, base: str, now: datetime) -> Asked:
    prefix, stated = prefix_of(text)
    found = asked_span(prefix, stated, now)
    return None if found is None else _ends(prefix, found[0] // 1_000, found[1] // 1_000, _YEAR)


def _number(text: str, base: str, now: datetime) -> Asked:
    prefix, stated = prefix_of(plain(split(text, "|")[0]))
    found = number_bounds(prefix, stated)
    return None if found is None else _ends(prefix, float(found[0]), float(found[1]), 0)


def _ends(prefix: str, low: Any, high: Any, widest: Any) -> Asked:
    """The ranges of a prefix: of what is no wider than ``widest``, whose other end is not far, and of what is wider."""
    match prefix:
        case "eq":
            return [("", low, high, None, high), (_WIDE, low, high, None, high)]
        case "gt" | "ge":
            end = high if prefix == "gt" else low
            return [("", end - widest, None, end), (_WIDE, None, None, end)]
        case "lt" | "le":
            end = low if prefix == "lt" else high
            return [("", None, end), (_WIDE, None, end)]
        case "sa":
            return [("", high), (_WIDE, high)]
        case "eb":
            return [("", None, low, None, low), (_WIDE, None, low, None, low)]
        case "ap":
            return [("", low - widest, high, low), (_WIDE, None, high, low)]
    return None


_ASKED: dict[tuple[str, str], Callable[[str, str, datetime], Asked]] = {
    ("token", ""): _token,
    ("reference", ""): _reference,
    ("string", ""): _string,
    ("string", "exact"): _string,
    ("uri", ""): _uri,
    ("uri", "below"): _below,
    ("date", ""): _date,
    ("number", ""): _number,
    ("quantity", ""): _number,
}
