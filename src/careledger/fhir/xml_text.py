"""FHIR's XML and JSON are two forms of one resource: from one to the other by the published shapes, nothing lost.

What R4 says of both forms: xml.html and json.html. Decimals keep their digits, a narrative its bytes; comments are not
part of a resource. XML that declares a document type, and with it entities, is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

from careledger.fhir.definitions.tables import definitions
from careledger.fhir.json_text import MOST_DEPTH, Flaw, Number, Resource

FHIR = "http://hl7.org/fhir"
XHTML = "http://www.w3.org/1999/xhtml"
_NUMBERS = ("decimal", "integer", "positiveInt", "unsignedInt")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?", re.ASCII)
NO_XML: Resource = {
    "resourceType": "OperationOutcome",
    "issue": [
        {
            "severity": "error",
            "code": "invalid",
            "diagnostics": "What stands here is not valid FHIR and has no XML form; ask for it as JSON.",
        }
    ],
}
_KEPT = {"\n": "&#10;", "\r": "&#13;", "\t": "&#9;"}


def to_xml(resource: Resource) -> bytes:
    """A resource as XML in UTF-8; where one is no valid FHIR, an OperationOutcome stands that says so: whoever wrote
    it spoils no other's place in a Bundle, and nothing of it is markup."""
    out = ['<?xml version="1.0" encoding="UTF-8"?>']
    _write_resource(resource, out, f' xmlns="{FHIR}"')
    return "".join(out).encode()


def _write_resource(resource: Resource, out: list[str], said: str = "") -> None:
    begun = len(out)
    try:
        _write_whole(resource, out, said)
    except (AttributeError, KeyError, TypeError, IndexError, Flaw, expat.ExpatError):
        del out[begun:]
        _write_whole(NO_XML, out, said)


def _write_whole(resource: Resource, out: list[str], said: str) -> None:
    kind = resource["resourceType"]
    out.append(f"<{kind}{said}>")
    _write_children(resource, kind, out)
    out.append(f"</{kind}>")


def _check_narrative(text: Any) -> None:
    """Raises Flaw or ExpatError for what is not one div of XHTML and nothing else."""
    if not isinstance(text, str) or not text.lstrip().startswith("<div"):
        raise Flaw("not a narrative")
    names: list[str] = []
    parser = expat.ParserCreate("UTF-8", " ")
    parser.StartElementHandler = lambda name, attributes: names.append(name)
    parser.Parse(text, True)
    if names[0] != f"{XHTML} div" or not all(each.startswith(f"{XHTML} ") for each in names):
        raise Flaw("a narrative of another name space than XHTML's")


def _write_children(value: Resource, shape: str, out: list[str]) -> None:
    for name, element in definitions().shapes[shape]["elements"].items():
        if _is_attribute(shape, name, element):
            continue
        for each, beside in zip_longest(_listed(value.get(name)), _listed(value.get(f"_{name}"))):
            _write(name, element["type"], each, beside or {}, out)


def _write(name: str, kind: str, value: Any, beside: Resource, out: list[str]) -> None:
    if kind == "xhtml":
        _check_narrative(value)
        out.append(value)
        return
    if kind == "Resource":
        out.append(f"<{name}>")
        _write_resource(value, out)
    elif kind in definitions().shapes:
        out.append(f"<{name}{_attributes(value, kind)}>")
        _write_children(value, kind, out)
    else:
        said = "" if value is None else f" value={_quoted(_text(value))}"
        out.append(f"<{name}{_attributes(beside, '')}{said}>")
        for each in beside.get("extension", ()):
            _write("extension", "Extension", each, {}, out)
    out.append(f"</{name}>")


def _is_attribute(shape: str, name: str, element: dict[str, Any]) -> bool:
    """An element's id, not a resource's, and an extension's url are attributes."""
    return (name == "id" and element["type"] == "string") or (name == "url" and shape == "Extension")


def _attributes(value: Resource, shape: str) -> str:
    names = ("id", "url") if shape == "Extension" else ("id",)
    return "".join(f" {name}={_quoted(value[name])}" for name in names if name in value)


def _quoted(text: str) -> str:
    return quoteattr(text, _KEPT)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.text if isinstance(value, Number) else str(value)


def _listed(found: Any) -> list[Any]:
    if found is None:
        return []
    return found if isinstance(found, list) else [found]


def from_xml(data: bytes) -> Resource:
    """The resource that an XML text in UTF-8 is; raises Flaw for what is none, with the place."""
    reader = _Reader(data)
    try:
        reader.parse()
    except expat.ExpatError:
        raise reader.placed(Flaw("not XML that can be read")) from None
    except Flaw as flaw:
        raise reader.placed(flaw) from None
    assert reader.done is not None
    return reader.done


@dataclass
class _Frame:
    """One open element: its name, its type or "Resource" for what holds one, and what was found in it by name."""

    name: str
    type: str
    many: bool
    said: dict[str, str]
    found: dict[str, list[Any]] = field(default_factory=dict)
    beside: dict[str, list[Any]] = field(default_factory=dict)
    many_of: set[str] = field(default_factory=set)

    def add(self, name: str, value: Any, beside: Any, many: bool) -> None:
        values = self.found.setdefault(name, [])
        if values and not many:
            raise Flaw(f"more than one {name}")
        values.append(value)
        self.beside.setdefault(name, []).append(beside)
        if many:
            self.many_of.add(name)

    def made(self) -> Resource:
        made: Resource = dict(self.said)
        for name, values in self.found.items():
            for key, each in ((name, values), (f"_{name}", self.beside[name])):
                if any(one is not None for one in each):
                    made[key] = each if name in self.many_of else each[0]
        return made


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.done: Resource | None = None
        self._data = data
        self._open: list[_Frame] = []
        self._narrative = 0  # how many elements of one are open
        self._began = 0
        self._parser = expat.ParserCreate("UTF-8", " ")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.StartDoctypeDeclHandler = self._doctype

    def parse(self) -> None:
        self._parser.Parse(self._data, True)

    def placed(self, flaw: Flaw) -> Flaw:
        flaw.place = [f".{each.name}" for each in reversed(self._open)]
        return flaw

    def _doctype(self, *declared: object) -> None:
        raise Flaw("a document type")

    def _characters(self, text: str) -> None:
        if not self._narrative and text.strip():
            raise Flaw("text that is in no narrative")

    def _start(self, named: str, said: dict[str, str]) -> None:
        space, _, name = named.rpartition(" ")
        if self._narrative or (space, name) == (XHTML, "div"):
            self._start_narrative()
            return
        if space != FHIR:
            raise Flaw("an element of another name space than FHIR's")
        if len(self._open) >= MOST_DEPTH:
            raise Flaw(f"nested deeper than {MOST_DEPTH}")
        self._open.append(self._frame(name, said))

    def _start_narrative(self) -> None:
        if not self._narrative:
            if not self._open or self._open[-1].type != "Narrative":
                raise Flaw("a narrative where none belongs")
            self._began = self._parser.CurrentByteIndex
        self._narrative += 1

    def _frame(self, name: str, said: dict[str, str]) -> _Frame:
        above = self._open[-1] if self._open else None
        if above is None or above.type == "Resource":
            if name not in definitions().resources or said:
                raise Flaw("not a resource of R4")
            return _Frame(name, name, False, {"resourceType": name})
        element = _child(above.type, name)
        if element is None:
            raise Flaw(f"{name} is no element of this")
        kind = element["type"]
        allowed = {"Extension": {"id", "url"}, "Resource": set()}.get(kind, {"id"})
        if not said.keys() <= (allowed if kind in definitions().shapes else allowed | {"value"}):
            raise Flaw(f"an attribute that {name} does not have")
        return _Frame(name, kind, not element["max"], said)

    def _end(self, named: str) -> None:
        if self._narrative:
            self._narrative -= 1
            if not self._narrative:
                self._open[-1].add("div", self._sliced(), None, False)
            return
        frame = self._open[-1]
        value, beside = _closed(frame)
        self._open.pop()
        if not self._open:
            self.done = value
        elif self._open[-1].type == "Resource":
            self._open[-1].add("", value, None, False)
        else:
            self._open[-1].add(frame.name, value, beside, frame.many)

    def _sliced(self) -> str:
        """The narrative's bytes; it has to name its name space itself, as it does in JSON."""
        end = self._data.index(b">", self._parser.CurrentByteIndex) + 1
        text = self._data[self._began : end].decode()
        alone = expat.ParserCreate("UTF-8", " ")
        names: list[str] = []
        alone.StartElementHandler = lambda name, said: names.append(name)
        alone.Parse(text, True)
        if any(not name.startswith(f"{XHTML} ") for name in names):
            raise Flaw("a narrative that does not name its name space itself")
        return text


def _child(shape: str, name: str) -> dict[str, Any] | None:
    """An element of a type; a primitive one has extensions only."""
    found = definitions().shapes.get(shape)
    if found is None:
        return {"type": "Extension", "max": 0} if name == "extension" else None
    element: dict[str, Any] | None = found["elements"].get(name)
    if element is None or element["type"] == "xhtml" or _is_attribute(shape, name, element):
        return None
    return element


def _closed(frame: _Frame) -> tuple[Any, Any]:
    """What an element is in JSON, and what stands beside it where it is a primitive one."""
    if frame.type == "Resource":
        inner = frame.found.get("")
        if inner is None:
            raise Flaw("no resource in it")
        return inner[0], None
    made = frame.made()
    if frame.type in definitions().shapes:
        if not made:
            raise Flaw("an element with nothing in it")
        return made, None
    text = made.pop("value", None)
    if text is None and not made:
        raise Flaw("an element with nothing in it")
    read: Callable[[str], Any] = _READ.get(frame.type, str)
    return None if text is None else read(text), made or None


def _number(text: str) -> Number:
    if not _NUMBER.fullmatch(text):
        raise Flaw("not a number")
    return Number(text)


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise Flaw("neither true nor false")
    return text == "true"


_READ: dict[str, Callable[[str], Any]] = {"boolean": _boolean, **dict.fromkeys(_NUMBERS, _number)}
