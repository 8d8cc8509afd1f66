"""FHIR's two forms over HTTP, JSON and XML: which one is asked for, and from one to the other.

Inside there is JSON alone: what comes as XML is turned into it before anything else looks at it, so that what is
signed and kept is the JSON form.
"""

from __future__ import annotations

import msgspec

from careledger.domain.errors import FhirRefused
from careledger.fhir.canonical import canonical
from careledger.fhir.json_text import Flaw, Resource
from careledger.fhir.xml_text import from_xml, to_xml

JSON, XML = "application/fhir+json", "application/fhir+xml"
XMLS = (XML, "application/xml", "text/xml")
MOST_XML = 4 * 2**20
"""Bytes of one body in XML: reading it takes many times as long as reading JSON."""
_NAMES = {
    **dict.fromkeys((JSON, "application/json", "text/json", "json", "*/*", "application/*"), JSON),
    **dict.fromkeys((*XMLS, "xml"), XML),
}


def wanted(accept: str, named: str | None) -> str | None:
    """The form that ``_format`` names, else the one that the Accept header likes best (RFC 9110, 12.5.1); None if it
    is not made here. A plus that was not escaped in an address arrives as a space."""
    if named:
        return _NAMES.get(_kind(named.replace(" ", "+")))
    liked = sorted((_weighed(each) for each in accept.split(",")), key=lambda each: -each[0])
    return next((_NAMES[kind] for weight, kind in liked if weight > 0 and kind in _NAMES), None)


def _kind(text: str) -> str:
    return text.partition(";")[0].strip().lower()


def _weighed(text: str) -> tuple[float, str]:
    stated = [each.strip().lower() for each in text.split(";")[1:]]
    weight = next((each.removeprefix("q=") for each in stated if each.startswith("q=")), "1")
    try:
        return float(weight), _kind(text)
    except ValueError:
        return 0.0, _kind(text)


def written(resource: Resource, form: str, pretty: bool = False) -> bytes:
    """A resource in that form; ``pretty``, of JSON, in lines that people can read, its numbers untouched."""
    if form == XML:
        return to_xml(resource)
    text = canonical(resource)
    return msgspec.json.format(text, indent=2) if pretty else text


def in_json(body: bytes) -> bytes:
    """A resource that came as XML; raises FhirRefused."""
    if len(body) > MOST_XML:
        raise FhirRefused(problem=f"more than {MOST_XML // 2**20} MiB of XML: send it as JSON")
    try:
        return canonical(from_xml(body))
    except Flaw as flaw:
        raise FhirRefused(path=flaw.path, problem=flaw.why) from None
