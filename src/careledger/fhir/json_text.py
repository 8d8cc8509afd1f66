"""Strict JSON: numbers keep their digits, and what two readers could read differently is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from careledger.formats.json_nesting import nesting

Resource = dict[str, Any]

MOST_BYTES = 160 * 2**20  # of one resource: an attachment of 100 MiB in base64, and what stands around it
MOST_DEPTH = 64
MOST_DIGITS = 40
MOST_EXPONENT = 308

_BLANK = " \t\n\r"
_SPACE = re.compile(r"[ \t\n\r]*")
_NAMED = re.compile(r'[ \t\n\r]*"([A-Za-z]+)"[ \t\n\r]*:')
_NAME = re.compile(r"_?[A-Za-z][A-Za-z0-9]*")
BUNDLE_NAMES = frozenset(  # names that say nothing of a person, wherever they stand
    {
        "resourceType",
        "type",
        "entry",
        "resource",
        "fullUrl",
        "id",
        "meta",
        "request",
        "response",
        "search",
        "link",
    }
)
_ESCAPED = re.compile(r"\\[ubf]")
_NOT_IN_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


class Number:
    """A JSON number as written: FHIR's decimals mean their precision (R4 datatypes, decimal)."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    @property
    def decimal(self) -> Decimal:
        """The value; its exponent is the precision as written."""
        return Decimal(self.text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Number) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Number({self.text})"


class Flaw(Exception):
    """Why a JSON text is not taken, and where; ``place`` is filled from the inside out."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why
        self.place: list[str] = []

    @property
    def path(self) -> str:
        """Where, for example ``code.coding[0].system``; empty for the top."""
        return "".join(reversed(self.place)).lstrip(".")


class _Repeated(dict[str, Any]):
    """An object with a repeated name; found by ``check``, which knows the path."""


class _Constant:
    """NaN, Infinity or -Infinity."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    return made if len(made) == len(pairs) else _Repeated(made)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_float=Number,
    parse_int=Number,
    parse_constant=lambda _: _Constant(),
)
_AGAIN = json.JSONDecoder(parse_float=Number, parse_int=Number)


def check(value: Any, depth: int = 0) -> None:
    """Raise Flaw for what JSON allows and FHIR or a second reader does not (R4 json.html)."""
    kind = type(value)
    if kind is str:
        _check_text(value)
    elif kind is dict:
        _check_object(value, depth)
    elif kind is list:
        _check_array(value, depth)
    elif kind is Number:
        _check_number(value)
    elif kind is _Repeated:
        raise Flaw("the same name twice in one object")
    elif kind is _Constant:
        raise Flaw("not a number")


def _check_text(value: str) -> None:
    if not value:
        raise Flaw("empty text")
    if _NOT_IN_TEXT.search(value):
        raise Flaw("a character that is not allowed in text")


def _check_object(value: dict[str, Any], depth: int) -> None:
    if not value:
        raise Flaw("empty object")
    if depth >= MOST_DEPTH:
        raise Flaw(f"nested deeper than {MOST_DEPTH}")
    for name, inner in value.items():
        if not _NAME.fullmatch(name):
            raise Flaw("a name that no FHIR element has")
        if inner is None:
            raise _placed(Flaw("null"), f".{name}")
        try:
            check(inner, depth + 1)
        except Flaw as flaw:
            raise _placed(flaw, f".{name}") from None


def _check_array(value: list[Any], depth: int) -> None:
    if not value:
        raise Flaw("empty array")
    if depth >= MOST_DEPTH:
        raise Flaw(f"nested deeper than {MOST_DEPTH}")
    for index, inner in enumerate(value):
        try:
            check(inner, depth + 1)
        except Flaw as flaw:
            raise _placed(flaw, f"[{index}]") from None


def _placed(flaw: Flaw, place: str) -> Flaw:
    flaw.place.append(place)
    return flaw


def _check_number(value: Number) -> None:
    text = value.text
    if len(text) > MOST_DIGITS:
        raise Flaw(f"a number of more than {MOST_DIGITS} characters")
    _, _, exponent = text.lower().partition("e")
    if exponent and abs(int(exponent)) > MOST_EXPONENT:
        raise Flaw(f"a number beyond 10^{MOST_EXPONENT}")


def decoded(data: bytes) -> tuple[str, int]:
    """The text of UTF-8 bytes, and how deep its brackets are nested.

    Raises Flaw for other bytes, a byte order mark, too many bytes, or absurd nesting.
    """
    if len(data) > MOST_BYTES:
        raise Flaw(f"more than {MOST_BYTES} bytes")
    if data.startswith(b"\xef\xbb\xbf"):
        raise Flaw("a byte order mark before the text")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Flaw(f"not UTF-8 at byte {error.start}") from None
    depth = nesting(data)
    if depth > 2 * MOST_DEPTH:
        raise Flaw(f"nested deeper than {MOST_DEPTH}")
    return text, depth


def is_plain(text: str, depth: int) -> bool:
    """Whether no text in it holds a character that ``check`` refuses, and it is nowhere too deep.

    What is left for ``check`` is then what no resource of R4 has either: whoever holds a resource against the
    definitions need not walk through it twice.
    """
    suspect = "\ufffe" in text or "\uffff" in text or _ESCAPED.search(text)
    return not suspect and depth <= MOST_DEPTH


def read(data: bytes) -> Any:
    """The value of a JSON text, checked; raises Flaw."""
    text, _ = decoded(data)
    cursor = Cursor(text)
    value = cursor.value()
    cursor.end()
    check(value)
    return value


def read_again(text: str) -> Any:
    """The value of a text that ``read`` has taken before, not checked another time; raises Flaw."""
    try:
        return _AGAIN.decode(text)
    except json.JSONDecodeError as error:
        raise Flaw(error.msg) from None


class Cursor:
    """A place in a JSON text; reads values and knows where each began and ended."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def value(self) -> Any:
        """The value here, unchecked; raises Flaw."""
        self._space()
        try:
            made, self.at = _DECODER.raw_decode(self.text, self.at)
        except json.JSONDecodeError as error:
            raise self.flaw(error.msg, error.pos) from None
        return made

    def original(self) -> tuple[Any, bytes]:
        """The value here, and its bytes as they stand in the text."""
        self._space()
        start = self.at
        value = self.value()
        return value, self.text[start : self.at].encode()

    def members(self, inner: Callable[[str], Any]) -> dict[str, Any]:
        """The object here; ``inner`` reads the value of the name that it is given."""
        return {name: inner(name) for name in self.names()}

    def names(self) -> Iterator[str]:
        """The names of the object here; whoever asks reads the value of each before the next."""
        seen: set[str] = set()
        self._take("{")
        while not seen or self._more("}"):
            name = self._name()
            if name in seen:
                shown = f"the name {name!r}" if name in BUNDLE_NAMES else "a name"
                raise Flaw(f"{shown} twice in one object")
            seen.add(name)
            yield name

    def items(self, inner: Callable[[int], Any]) -> list[Any]:
        """The array here; ``inner`` reads the item of the index that it is given."""
        return [inner(index) for index in self.indices()]

    def indices(self) -> Iterator[int]:
        """The indices of the array here; whoever asks reads the item of each before the next."""
        index = 0
        self._take("[")
        while not index or self._more("]"):
            yield index
            index += 1

    def _name(self) -> str:
        """The name here, and the colon after it."""
        found = _NAMED.match(self.text, self.at)
        if found:
            self.at = found.end()
            return found[1]
        name = self.value()
        if not isinstance(name, str):
            raise self.flaw("expected a name", self.at)
        self._take(":")
        return name

    def looks_at(self, character: str) -> bool:
        """Whether the next value begins so."""
        self._space()
        return self.text.startswith(character, self.at)

    def end(self) -> None:
        """Raise Flaw unless only white space follows."""
        self._space()
        if self.at != len(self.text):
            raise self.flaw("text after the end of the value", self.at)

    def flaw(self, why: str, at: int) -> Flaw:
        """A flaw that names line and column."""
        line = self.text.count("\n", 0, at) + 1
        column = at - self.text.rfind("\n", 0, at)
        return Flaw(f"{why} at line {line} column {column}")

    def _space(self) -> None:
        if self.text[self.at : self.at + 1] in _BLANK:
            found = _SPACE.match(self.text, self.at)
            self.at = found.end() if found else self.at

    def _take(self, character: str) -> None:
        self._space()
        if not self.text.startswith(character, self.at):
            raise self.flaw(f"expected {character!r}", self.at)
        self.at += 1

    def _more(self, closing: str) -> bool:
        self._space()
        if self.text.startswith(closing, self.at):
            self.at += 1
            return False
        self._take(",")
        return True
