"""The formats of FHIR's primitive types in JSON: patterns from the definitions, and what patterns cannot say."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable
from functools import cache
from typing import Any

from careledger.fhir.definitions.tables import definitions
from careledger.fhir.json_text import MOST_DIGITS, MOST_EXPONENT, Number
from careledger.fhir.validation.narrative import is_narrative

MOST_TEXT = 2**20  # R4 datatypes, string: at most 1 MB
Format = Callable[..., bool]  # of a value; what else it is given it does not look at

EXPECTED = {
    "base64Binary": "base64",
    "boolean": "true or false",
    "canonical": "a canonical URL without white space",
    "code": "a code without leading, trailing or double white space",
    "date": "a date of a day that exists",
    "dateTime": "a date of a day that exists, with seconds and a time zone if it has a time",
    "decimal": "a number",
    "id": "an id of at most 64 letters, digits, - and .",
    "instant": "a moment of a day that exists, with seconds and a time zone",
    "integer": "a whole number of 32 bits",
    "markdown": "text of at most 1 MB",
    "oid": "an OID as urn:oid:",
    "positiveInt": "a whole number from 1 to 2147483647",
    "string": "text of at most 1 MB",
    "time": "a time of day with seconds",
    "unsignedInt": "a whole number from 0 to 2147483647",
    "uri": "a URI without white space",
    "url": "a URL without white space",
    "uuid": "a UUID as urn:uuid:",
    "xhtml": "XHTML of the elements and attributes that FHIR allows in a narrative, with some content",
}
_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}", re.ASCII)
_SPACES = re.compile(r"[ \t\r\n]+")
_SMALLEST = {"integer": -(2**31), "unsignedInt": 0, "positiveInt": 1}
_LARGEST = 2**31 - 1
_REPEATED = ("code", "uri")
MOST_KNOWN, MOST_NAME = 10_000, 200  # values, characters
_DATES = ("date", "dateTime", "instant")


@cache
def format_of(kind: str) -> Format | None:
    """The check of a primitive type; None for what is no primitive."""
    if kind not in definitions().primitives:
        return None
    if kind in _SMALLEST:
        return _whole(kind)
    if kind in _DATES:
        return _day(kind)
    special = _SPECIAL.get(kind)
    return special or _pattern(kind)


def _pattern(kind: str) -> Format:
    fits = re.compile(definitions().primitives[kind], re.ASCII).fullmatch
    known: set[str] = set()

    def is_repeated(value: Any, walk: object = None) -> bool:
        """Systems and codes come again and again: a set knows them faster than a pattern does."""
        if type(value) is not str:
            return False
        if value in known:
            return True
        if not value or fits(value) is None:
            return False
        if len(known) < MOST_KNOWN and len(value) < MOST_NAME:
            known.add(value)
        return True

    if kind in _REPEATED:
        return is_repeated
    return lambda value, walk=None: type(value) is str and value != "" and fits(value) is not None


def _text(value: Any, walk: object = None) -> bool:
    return type(value) is str and 0 < len(value) <= MOST_TEXT


def _day(kind: str) -> Format:
    """Dates by the pattern of their type; days from the 29th on are looked up, in the Gregorian calendar."""
    fits = re.compile(definitions().primitives[kind], re.ASCII).fullmatch

    def is_day(value: Any, walk: object = None) -> bool:
        if type(value) is not str or fits(value) is None:
            return False
        day = value[8:10]
        return day < "29" or int(day) <= monthrange(int(value[:4]), int(value[5:7]))[1]

    return is_day


def _whole(kind: str) -> Format:
    fits = re.compile(definitions().primitives[kind], re.ASCII).fullmatch
    smallest = _SMALLEST[kind]

    def is_whole(value: Any, walk: object = None) -> bool:
        if type(value) is not Number or len(value.text) > 11 or fits(value.text) is None:
            return False
        return smallest <= int(value.text) <= _LARGEST

    return is_whole


def _decimal(value: Any, walk: object = None) -> bool:
    """JSON's own grammar has been held by the reader; here only the size."""
    if type(value) is not Number or len(value.text) > MOST_DIGITS:
        return False
    _, _, exponent = value.text.lower().partition("e")
    return not exponent or abs(int(exponent)) <= MOST_EXPONENT


def _base64(value: Any, walk: object = None) -> bool:
    if type(value) is not str:
        return False
    dense = _SPACES.sub("", value)
    return len(dense) % 4 == 0 and _BASE64.fullmatch(dense) is not None and bool(dense)


_SPECIAL: dict[str, Format] = {
    "base64Binary": _base64,
    "boolean": lambda value, walk=None: type(value) is bool,
    "decimal": _decimal,
    "markdown": _text,
    "string": _text,
    "xhtml": is_narrative,
}
