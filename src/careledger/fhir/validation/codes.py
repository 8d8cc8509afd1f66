"""Bindings: required ones refuse, extensible and preferred ones warn, and what nobody lists is not judged."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from careledger.fhir.definitions.tables import definitions

_SETS = "http://hl7.org/fhir/ValueSet/"
_SHOWN = 8

# Value sets that list nothing, because their code system is a grammar.
_MIME = re.compile(r"[!#$&^_.+\w-]+/[!#$&^_.+\w-]+( *;.*)?", re.ASCII), "a MIME type"
_GRAMMARS = {
    "http://www.rfc-editor.org/bcp/bcp13.txt": _MIME,
    _SETS + "mimetypes": _MIME,
    _SETS + "currencies": (re.compile(r"[A-Z]{3}", re.ASCII), "a currency code of ISO 4217"),
    _SETS + "all-languages": (
        re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*", re.ASCII),
        "a language of BCP 47",
    ),
}
Has = Callable[[str | None, str], bool]


@dataclass(frozen=True, slots=True)
class Binding:
    """Which codes an element takes.

    ``has`` is asked with a system (None: the element has none, only a code) and a code; ``refuses`` whether it is
    required; ``expected`` says it to people.
    """

    has: Has
    refuses: bool
    expected: str


def bindings(bound: list[str]) -> tuple[Binding, ...]:
    """The bindings of an element that can be judged: its own, and the largest set that it names."""
    if not bound:
        return ()
    strength, url, *largest = bound
    made = [_binding(url, strength), *(_binding(each, "required") for each in largest)]
    return tuple(each for each in made if each is not None)


def _binding(url: str, strength: str) -> Binding | None:
    refuses = strength == "required"
    has = _has(url)
    if has is None:
        return None
    said = "expected" if refuses else f"not in the {strength} value set:"
    return Binding(has, refuses, f"{said} {_shown(url)}")


@cache
def _has(url: str) -> Has | None:
    if url in _GRAMMARS:
        fits = _GRAMMARS[url][0].fullmatch
        return lambda system, code: fits(code) is not None
    listed = definitions().sets[url].get("codes")
    if listed is None:
        return None
    systems = {system: frozenset(codes) for system, codes in listed.items()}
    every = frozenset(code for codes in systems.values() for code in codes)
    nothing: frozenset[str] = frozenset()
    return lambda system, code: code in (every if system is None else systems.get(system, nothing))


def _shown(url: str) -> str:
    if url in _GRAMMARS:
        return _GRAMMARS[url][1]
    codes = [code for listed in definitions().sets[url]["codes"].values() for code in listed]
    return f"one of {', '.join(codes)}" if len(codes) <= _SHOWN else f"a code of {url}"


def not_judged() -> dict[str, str]:
    """The value sets that are bound and cannot be judged, with the reason."""
    return {
        url: table["why"]
        for url, table in definitions().sets.items()
        if "why" in table and url not in _GRAMMARS
    }


def codings_of(value: dict[str, Any]) -> list[tuple[str, str]]:
    """The codings of a Coding, a CodeableConcept or a Quantity, as (system, code)."""
    listed = value.get("coding", [] if "coding" in value else [value])
    return [(each.get("system", ""), each["code"]) for each in listed if "code" in each]
