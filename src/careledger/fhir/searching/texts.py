"""Strings, names and addresses, without regard to case and accents; and URIs, to the letter."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

from careledger.fhir.searching.elements import Element
from careledger.fhir.searching.values import Made, Test, malformed, plain

_PARTS = {
    "HumanName": ("text", "family", "given", "prefix", "suffix"),
    "Address": ("text", "line", "city", "district", "state", "postalCode", "country"),
}
_STRINGS = ("string", "markdown")
_URIS = ("uri", "url", "canonical")


def normal(text: str) -> str:
    """A text as it is compared: without case and accents, runs of white space as one space."""
    if text.isascii():
        return " ".join(text.lower().split())
    parts = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(each for each in parts if not unicodedata.combining(each))
    return " ".join(bare.casefold().split())


def strings(name: str, text: str, modifier: str) -> Made:
    """Makes the test of a string parameter's value: starts with it, ``contains`` it, or is it exactly."""
    wanted = plain(text)
    asked = wanted if modifier == "exact" else normal(wanted)
    if not asked:
        raise malformed(name, "an empty value")
    compare = _COMPARED[modifier]
    return lambda element: _string_test(element, asked, compare)


_COMPARED: dict[str, Callable[[str, str], bool]] = {
    "": lambda found, asked: normal(found).startswith(asked),
    "contains": lambda found, asked: asked in normal(found),
    "exact": str.__eq__,
}


def _string_test(element: Element, asked: str, compare: Callable[[str, str], bool]) -> Test | None:
    if element.type in _STRINGS:
        return lambda item, scope: isinstance(item, str) and compare(item, asked)
    parts = _PARTS.get(element.type)
    if parts is None:
        return None
    return lambda item, scope: any(compare(each, asked) for each in words(item, parts))


def words(item: Any, parts: tuple[str, ...]) -> Iterator[str]:
    """The strings at these names of an object, one or a list each."""
    for name in parts if isinstance(item, dict) else ():
        found = item.get(name)
        for each in found if isinstance(found, list) else (found,):
            if isinstance(each, str):
                yield each


def texts(element: Element, item: Any) -> list[str]:
    """All strings that a string parameter compares in one value."""
    if isinstance(item, str):
        return [item]
    return list(words(item, _PARTS.get(element.type, ())))


def uris(name: str, text: str, modifier: str) -> Made:
    """Makes the test of a uri parameter's value: the same, or with ``below`` and ``above`` the same on the way."""
    asked = plain(text)
    if not asked:
        raise malformed(name, "an empty value")
    if modifier and asked.startswith("urn:"):
        raise malformed(f"{name}:{modifier}", "above and below are for URLs only")
    return lambda element: _uri_test(element, asked, modifier)


def _uri_test(element: Element, asked: str, modifier: str) -> Test | None:
    if element.type not in _URIS:
        return None
    if modifier == "below":
        return lambda item, scope: isinstance(item, str) and is_above(asked, item)
    if modifier == "above":
        return lambda item, scope: isinstance(item, str) and is_above(item, asked)
    if element.type == "canonical":
        return lambda item, scope: isinstance(item, str) and is_canonical(item, asked)
    return lambda item, scope: item == asked


def is_above(upper: str, lower: str) -> bool:
    """Whether a URL is the other, or one that the other's path continues."""
    rest = lower[len(upper) :]
    return lower.startswith(upper) and (not rest or upper.endswith("/") or rest[0] in "/|?#")


def is_canonical(stored: str, asked: str) -> bool:
    """Whether a canonical is what was asked for; without a version any version is."""
    return stored == asked or ("|" not in asked and stored.partition("|")[0] == asked)
