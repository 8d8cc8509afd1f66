"""Codes, identifiers and whatever else is equal or not: ``code``, ``system|code``, ``|code``, ``system|``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from careledger.fhir.definitions.tables import definitions
from careledger.fhir.fhirpath.compiled import Scope
from careledger.fhir.searching.elements import Element
from careledger.fhir.searching.texts import normal
from careledger.fhir.searching.values import Made, Test, malformed, plain, split

Pair = tuple[str, str]
_BOOLEANS = "http://terminology.hl7.org/CodeSystem/special-values"
_TYPES = ("code", "id", "boolean", "string", "uri", "Coding", "CodeableConcept", "Identifier", "ContactPoint")


def tokens(name: str, text: str, modifier: str) -> Made:
    """Makes the test of a token parameter's value; ``not`` is the matter of whoever asks."""
    if modifier == "text":
        return _readable(name, text)
    if modifier == "of-type":
        return _of_type(name, text)
    system, code = _asked(name, text)
    return lambda element: _test(element, system, code)


def _asked(name: str, text: str) -> tuple[str | None, str]:
    """System and code; the system is None where any will do, empty where there must be none."""
    parts = [plain(each) for each in split(text, "|")]
    if len(parts) > 2 or not any(parts):
        raise malformed(name, "not a token")
    return (None, parts[0]) if len(parts) == 1 else (parts[0], parts[1])


def _test(element: Element, system: str | None, code: str) -> Test | None:
    if element.type not in _TYPES:
        return None
    if element.type == "id":
        return lambda item, scope: not system and item == code
    wanted = code.casefold()

    def asked(item: Any, scope: Scope) -> bool:
        for its_system, its_code in pairs(item):
            if wanted and its_code.casefold() != wanted:
                continue
            if system is None or system == its_system or (system and _implies(element, system, its_code)):
                return True
        return False

    return asked


def pairs(item: Any) -> Iterator[Pair]:
    """The pairs of system and code in one value; a part that is not there is empty."""
    if isinstance(item, str):
        yield "", item
    elif isinstance(item, bool):
        yield "", "true" if item else "false"
    elif isinstance(item, dict):
        yield from _of_object(item)


def _of_object(item: dict[str, Any]) -> Iterator[Pair]:
    coding = item.get("coding")
    for each in coding if isinstance(coding, list) else (item,):
        if not isinstance(each, dict):
            continue
        system, code = each.get("system"), each.get("code") or each.get("value")
        if isinstance(system, str) or isinstance(code, str):
            yield _text(system), _text(code)


def _text(found: object) -> str:
    return found if isinstance(found, str) else ""


def _implies(element: Element, system: str, code: str) -> bool:
    """Whether a code without a system is one of this: its value set says so if the binding is required."""
    if element.type == "boolean":
        return system == _BOOLEANS
    return bool(element.value_set) and code in _codes(element.value_set).get(system, ())


def implied(element: Element, code: str) -> list[str]:
    """Every system of which a code without a system is one here."""
    systems = [_BOOLEANS] if element.type == "boolean" else list(_codes(element.value_set))
    return [each for each in systems if _implies(element, each, code)]


@cache
def _codes(value_set: str) -> dict[str, frozenset[str]]:
    found = definitions().sets.get(value_set, {}).get("codes", {})
    return {system: frozenset(codes) for system, codes in found.items()}


def _readable(name: str, text: str) -> Made:
    """``:text``: what people read of a concept, a coding or the type of an identifier begins so."""
    asked = normal(plain(text))
    if not asked:
        raise malformed(name, "an empty value")
    return lambda element: _begins(_READABLE[element.type], asked) if element.type in _READABLE else None


def _begins(read: Callable[[Any], Iterator[str]], asked: str) -> Test:
    return lambda item, scope: any(normal(each).startswith(asked) for each in read(item))


def _strings(found: object) -> Iterator[str]:
    if isinstance(found, str):
        yield found


def _concept(item: Any) -> Iterator[str]:
    if isinstance(item, dict):
        yield from _strings(item.get("text"))
        coding = item.get("coding")
        for each in coding if isinstance(coding, list) else ():
            yield from _coding(each)


def _coding(item: Any) -> Iterator[str]:
    if isinstance(item, dict):
        yield from _strings(item.get("display"))


def _identifier(item: Any) -> Iterator[str]:
    kind = item.get("type") if isinstance(item, dict) else None
    if isinstance(kind, dict):
        yield from _strings(kind.get("text"))


_READABLE: dict[str, Callable[[Any], Iterator[str]]] = {
    "CodeableConcept": _concept,
    "Coding": _coding,
    "Identifier": _identifier,
    "string": _strings,
}


def _of_type(name: str, text: str) -> Made:
    """``:of-type``: ``system|code|value`` of an identifier's type and value, all three."""
    parts = [plain(each) for each in split(text, "|")]
    if len(parts) != 3 or not all(parts):
        raise malformed(name, "not system|code|value")
    system, code, value = parts
    kind_is = _test(Element(lambda this, scope: [], "CodeableConcept"), system, code)

    def asked(item: Any, scope: Scope) -> bool:
        if not isinstance(item, dict) or kind_is is None:
            return False
        its_value = item.get("value")
        return (
            isinstance(its_value, str)
            and its_value.casefold() == value.casefold()
            and kind_is(item.get("type"), scope)
        )

    return lambda element: asked if element.type == "Identifier" else None
