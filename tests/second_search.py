"""A second evaluator of FHIR R4 search for tests, of every parameter: the published expressions
evaluated by fhirpathpy, what they find compared by plain rules written from the specification and docs/fhir-search.md.

It shares no code with ``careledger.fhir.searching`` and none with ``careledger.fhir.fhirpath``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import Any

import fhirpathpy
from fhirpathpy.engine.nodes import ResourceNode
from fhirpathpy.models import models

import plain_search

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KNOWN = {"urn:uuid:00000000-0000-0000-0000-000000000001": {"resourceType": "Group", "id": "9"}}
"""What is found under a reference that says no type and id."""
Json = dict[str, Any]
Found = tuple[str, Any]
TYPED = re.compile(r"(?:.*/)?([A-Z][A-Za-z]+)/[A-Za-z0-9\-.]{1,64}(?:/_history/.+)?")
_NAMES = ("text", "family", "given", "prefix", "suffix")
_ADDRESSES = ("text", "line", "city", "district", "state", "postalCode", "country")


# What an expression finds ------------------------------------------------------------------------


def resolved(nodes: list[Any]) -> list[Any]:
    """FHIRPath's resolve(): as much of the target as its reference tells, or what is known."""
    made = []
    for node in nodes:
        value = getattr(node, "data", node)
        text = value.get("reference", "") if isinstance(value, dict) else str(value)
        typed = TYPED.fullmatch(text)
        if typed or text in KNOWN:
            target = {"resourceType": typed[1]} if typed else KNOWN[text]
            made.append(ResourceNode.create_node(target))  # type: ignore[no-untyped-call]
    return made


OPTIONS = {"userInvocationTable": {"resolve": {"fn": resolved, "arity": {0: []}}}, "returnRawData": True}


def alternatives(expression: str) -> list[str]:
    """The parts of an expression between its outermost bars, so that each says of which type it is."""
    made, depth = [""], 0
    for sign in expression:
        depth += (sign == "(") - (sign == ")")
        if sign == "|" and not depth:
            made.append("")
        else:
            made[-1] += sign
    made = [each.replace("(DateTime)", "(dateTime)") for each in made]
    return [re.sub(r"\((.+) as (\w+)\)|\.as\(", _of_type, each.strip()) for each in made]


def _of_type(cast: re.Match[str]) -> str:
    """R4's expressions cast several values at once, which FHIRPath's ``as`` refuses and ``ofType`` does; one of them
    writes DateTime for dateTime."""
    return f"{cast[1]}.ofType({cast[2]})" if cast[1] else ".ofType("


@cache
def compiled(expression: str, kind: str) -> list[Any]:
    own = []
    for each in alternatives(expression):
        text = re.sub(r"^(\(?)(Resource|DomainResource)\b", rf"\1{kind}", each)
        first = re.match(r"\(*(\w+)", text)
        assert first, expression
        if first[1][0].islower() or first[1] == kind:
            own.append(fhirpathpy.compile(text, models["r4"], OPTIONS))
    return own


def found(kind: str, resource: Json, expression: str) -> list[Found]:
    """What stands at an expression in a resource, each with its type as far as it is told."""
    made = [_typed(node) for find in compiled(expression, kind) for node in find(resource)]
    return [("id", value) for _, value in made] if expression.endswith(".id") else made


def _typed(node: Any) -> Found:
    value = getattr(node, "data", node)
    return str(getattr(node, "path", None) or ""), value


def parts_of(place: Found, resource: Json, expression: str) -> list[Found]:
    """What stands at a part of a composite parameter, seen from one element."""
    path, value = place
    if expression.startswith("%resource."):
        return found(path, resource, expression.removeprefix("%resource."))
    made = []
    for each in alternatives(expression):
        asked = (
            each
            if isinstance(value, dict) and "resourceType" in value
            else {"base": path, "expression": each}
        )
        made += fhirpathpy.evaluate(value, asked, {}, models["r4"], OPTIONS)
    return [_typed(node) for node in made]


# Whether a parameter is answered -------------------------------------------------------------------


def holds(definition: Any, kind: str, resource: Json, modifier: str, asked: str) -> bool:
    """Whether a resource answers one parameter; ``definition`` has R4's name, type, expression and parts."""
    there = found(kind, resource, definition.expression)
    if modifier == "missing":
        return (not there) == (asked == "true")
    values = re.split(r"(?<!\\),", asked)
    if definition.type == "composite":
        return any(_composed(definition, place, resource, each) for place in there for each in values)
    compare = COMPARE[definition.type]
    hit = any(compare(place, unescaped(each), modifier) for place in there for each in values)
    return not hit if modifier == "not" else hit


def _composed(definition: Any, place: Found, resource: Json, asked: str) -> bool:
    if not place[0]:
        place = (resource["resourceType"], place[1])
    for (_, kind, expression), value in zip(definition.parts, asked.split("$"), strict=True):
        there = parts_of(place, resource, expression)
        if not any(COMPARE[kind](each, unescaped(value), "") for each in there):
            return False
    return True


def unescaped(text: str) -> str:
    return re.sub(r"\\([,$|\\])", r"\1", text)


# Values -----------------------------------------------------------------------------------------------


def prefix(text: str) -> tuple[str, str]:
    return (text[:2], text[2:]) if text[:2].isalpha() else ("eq", text)


def bare(text: str) -> str:
    """Without case, accents and runs of spaces."""
    letters = unicodedata.normalize("NFD", text.lower())
    return " ".join("".join(each for each in letters if unicodedata.category(each) != "Mn").split())


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name in dict.fromkeys(_NAMES + _ADDRESSES):
            each = value.get(name, [])
            yield from [each] if isinstance(each, str) else each


def string(place: Found, asked: str, modifier: str) -> bool:
    if modifier == "exact":
        return asked in strings(place[1])
    if modifier == "contains":
        return any(bare(asked) in bare(each) for each in strings(place[1]))
    return any(bare(each).startswith(bare(asked)) for each in strings(place[1]))


def codings(value: Any) -> list[tuple[str, str]]:
    if isinstance(value, bool):
        return [("", str(value).lower())]
    if isinstance(value, str):
        return [("", value)]
    listed = value.get("coding", [value])
    pairs = [(each.get("system", ""), each.get("code") or each.get("value") or "") for each in listed]
    return [each for each in pairs if any(each)]


TOKENS = ("CodeableConcept", "Coding", "Identifier", "ContactPoint")


def token(place: Found, asked: str, modifier: str) -> bool:
    kind, value = place
    if isinstance(value, dict) and kind not in TOKENS:
        return False
    if modifier == "text":
        return any(bare(each).startswith(bare(asked)) for each in readable(kind, value))
    if modifier == "of-type":
        system, code, number = asked.split("|")
        return (
            kind == "Identifier"
            and (system, code.lower())
            in [(one, other.lower()) for one, other in codings(value.get("type", {}))]
            and value.get("value", "").lower() == number.lower()
        )
    system, bar, code = asked.rpartition("|")
    if kind == "id":
        return bool(value == code and not system)
    for its_system, its_code in codings(value):
        if (not code or its_code.lower() == code.lower()) and (not bar or its_system == system):
            return True
    return False


def readable(kind: str, value: Any) -> list[str]:
    """R4: CodeableConcept.text, Coding.display or Identifier.type.text; a string is its own text."""
    if kind == "CodeableConcept":
        return [value.get("text", ""), *(each.get("display", "") for each in value.get("coding", []))]
    if kind == "Coding":
        return [value.get("display", "")]
    if kind == "Identifier":
        return [value.get("type", {}).get("text", "")]
    return [value] if kind == "string" else []


def reference(place: Found, asked: str, modifier: str) -> bool:
    value = place[1]
    if modifier == "identifier":
        return isinstance(value, dict) and token(("Identifier", value.get("identifier", {})), asked, "")
    if isinstance(value, dict) and "resourceType" in value:
        text = f"{value['resourceType']}/{value.get('id')}"
    else:
        text = value.get("reference", "") if isinstance(value, dict) else value
    if modifier and "/" not in asked:
        asked = f"{modifier}/{asked}"
    known = KNOWN.get(text)
    return _named(text, asked) or (
        known is not None and _named(f"{known['resourceType']}/{known['id']}", asked)
    )


def _named(text: str, asked: str) -> bool:
    """Itself; without the version that it pins; its id alone."""
    whole = re.fullmatch(r"([A-Za-z]+)/([^/]+)(?:/_history/.+)?", text)
    same = text == asked or text.split("|")[0] == asked or text.split("/_history/")[0] == asked
    return same or bool(whole and whole[2] == asked)


def uri(place: Found, asked: str, modifier: str) -> bool:
    value = place[1]
    if modifier == "below":
        return _is_below(value, asked)
    if modifier == "above":
        return _is_below(asked, value)
    return bool(value == asked or (place[0] == "canonical" and value.split("|")[0] == asked))


def _is_below(lower: str, upper: str) -> bool:
    parts, above = re.split("[/|#?]", lower), re.split("[/|#?]", upper.removesuffix("/"))
    return parts[: len(above)] == above and (len(parts) > len(above) or not upper.endswith("/"))


def span(value: Any) -> tuple[datetime, datetime] | None:
    """From the first moment to the first after; what is missing is open."""
    if isinstance(value, str):
        return plain_search.interval(value) if re.match(r"\d{4}(-|$)", value) else None
    if not isinstance(value, dict):
        return None
    if "start" in value or "end" in value:
        low = (
            plain_search.interval(value["start"])[0] if "start" in value else datetime.min.replace(tzinfo=UTC)
        )
        high = plain_search.interval(value["end"])[1] if "end" in value else datetime.max.replace(tzinfo=UTC)
        return low, high
    limits = value["repeat"].get("boundsPeriod") if isinstance(value.get("repeat"), dict) else None
    spans = [one for each in [*value.get("event", []), limits] if (one := span(each))]
    return (min(one for one, _ in spans), max(other for _, other in spans)) if spans else None


def date(place: Found, asked: str, modifier: str) -> bool:
    sign, text = prefix(asked)
    low, high = plain_search.interval(text)
    there = span(place[1])
    if there is None:
        return False
    if sign == "ap":
        tenth = abs(NOW - low) / 10
        low, high = low - tenth, high + tenth
    return _compared(
        sign, (low, high - timedelta(microseconds=1)), (there[0], there[1] - timedelta(microseconds=1))
    )


def _compared(sign: str, asked: tuple[Any, Any], there: tuple[Any, Any]) -> bool:
    """R4's table of prefixes over ranges with both their ends."""
    (low, high), (start, end) = asked, there
    inside = low <= start and end <= high
    return bool(
        {
            "eq": inside,
            "ne": not inside,
            "gt": end > high,
            "lt": start < low,
            "ge": end >= low,
            "le": start <= high,
            "sa": start > high,
            "eb": end < low,
            "ap": start <= high and end >= low,
        }[sign]
    )


LEAST, ENDLESS = Fraction(1, 10**40), Fraction(10**40)


def amount(value: Any, unit: tuple[str, str] | None) -> tuple[Fraction, Fraction] | None:
    """The least and the greatest number that a value stands for."""
    if isinstance(value, Decimal):
        return Fraction(value), Fraction(value)
    if not isinstance(value, dict):
        return None
    if "low" in value or "high" in value:
        low, high = amount(value.get("low"), unit), amount(value.get("high"), unit)
        return (low[0] if low else -ENDLESS, high[1] if high else ENDLESS) if low or high else None
    if "data" in value or "origin" in value:
        return _sampled(value, unit)
    if not isinstance(value.get("value"), Decimal) or (unit and not _in_unit(value, *unit)):
        return None
    number, sign = Fraction(value["value"]), str(value.get("comparator", ""))
    return {
        "<": (-ENDLESS, number - LEAST),
        "<=": (-ENDLESS, number),
        ">": (number + LEAST, ENDLESS),
        ">=": (number, ENDLESS),
    }.get(sign, (number, number))


def _sampled(value: Json, unit: tuple[str, str] | None) -> tuple[Fraction, Fraction] | None:
    origin = amount(value.get("origin"), unit)
    numbers = [Fraction(each) for each in value.get("data", "").split() if re.fullmatch(r"-?[\d.]+", each)]
    if origin is None or not numbers:
        return None
    found = [origin[0] + each * Fraction(value.get("factor", 1)) for each in numbers]
    return min(found), max(found)


def _in_unit(value: Json, system: str, code: str) -> bool:
    if "currency" in value:
        return system in ("", "urn:iso:std:iso:4217") and code in ("", value["currency"])
    if system:
        return value.get("system") == system and code in ("", value.get("code"))
    return code in (value.get("code"), value.get("unit"))


def quantity(place: Found, asked: str, modifier: str) -> bool:
    number, *unit = asked.split("|")
    sign, text = prefix(number)
    there = amount(place[1], (unit[0], unit[1]) if any(unit) else None)
    if there is None:
        return False
    value = Fraction(Decimal(text))
    if sign == "ap":
        return _compared(sign, (value - abs(value) / 10, value + abs(value) / 10), there)
    if sign in ("eq", "ne"):
        mantissa, _, exponent = text.lower().partition("e")
        decimals = len(mantissa.partition(".")[2]) or (1 if exponent else 0)
        half = Fraction(1, 2 * 10**decimals) * Fraction(Decimal(f"1e{exponent or 0}"))
        return _compared(sign, (value - half, value + half - LEAST), there)
    return _compared(sign, (value, value), there)


COMPARE: dict[str, Callable[[Found, str, str], bool]] = {
    "string": string,
    "token": token,
    "reference": reference,
    "uri": uri,
    "date": date,
    "number": quantity,
    "quantity": quantity,
}
