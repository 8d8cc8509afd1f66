"""FHIR's two forms over HTTP, JSON and XML: which one is asked for, and from one to the other.

Inside there is JSON alone: what comes as XML is turned into it before anything else looks at it, so that what is
signed and kept is the JSON form.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from careledger.domain.errors import FhirRefused
from careledger.fhir.canonical import canonical
from careledger.fhir.json_text import Flaw, Resource
from careledger.fhir.xml_text import from_xml, to_xml

JSON, XML = "application/fhir+json", "application/fhir+xml"
XMLS = (XML, "application/xml", "text/xml")
UTF_8 = "; charset=utf-8"
"""Said with either (R4, http.html#mime-type)."""
SANDBOX = "sandbox; default-src 'none'; base-uri 'none'; frame-ancestors 'none'"
"""The Content-Security-Policy of what is not ours: if a browser shows it at all, it does nothing."""
MOST_XML = 4 * 2**20
"""Bytes of one body in XML: reading it takes many times as long as reading JSON."""
ENCODINGS = ("utf-8", "utf8", "us-ascii")
"""What a body may say that it is encoded in."""
_NAMES = {
    **dict.fromkeys((JSON, "application/json", "text/json", "json"), JSON),
    **dict.fromkeys((*XMLS, "xml"), XML),
}
_CALLED = {JSON: (JSON, "application/json", "text/json"), XML: XMLS}
"""The names of each form, FHIR's own first."""
_ANY = ("application/*", "*/*")
R4 = ("4.0", "4.0.1")
"""What is made and taken of the MIME type's parameter ``fhirVersion`` (R4, http.html#version-parameter)."""


def wanted(accept: str, named: str | None) -> str | None:
    """The form that ``_format`` names, else the one that the Accept header likes best (RFC 9110, 12.5.1), under its
    generic name where that is liked better (R4, http.html#mime-type); None if it is not made here. A plus that was not
    escaped in an address arrives as a space."""
    if named:
        said = named.replace(" ", "+")
        return _NAMES.get(_kind(said)) if is_r4(said) else None
    said_of: dict[str, tuple[float, int]] = {}
    for place, each in enumerate(accept.split(",")):
        weight, kind = _weighed(each)
        name = _NAMES.get(kind, kind)
        said_of[name] = max(said_of.get(name, (0.0, 0)), (weight, -place))
    liked = {form: _liked(said_of, form) for form in (JSON, XML)}
    best = max(liked, key=lambda form: liked[form])
    return _called(best, accept) if liked[best][0] > 0 else None


def _called(form: str, accept: str) -> str:
    """What an answer in that form is called: as FHIR has it, unless the client likes a generic name better."""
    weights: dict[str, float] = {}
    for weight, kind in map(_weighed, accept.split(",")):
        weights[kind] = max(weight, weights.get(kind, 0.0))
    own = next((weights[each] for each in (form, *_ANY) if each in weights), 0.0)
    return max(_CALLED[form], key=lambda name: own if name == form else weights.get(name, 0.0))


def is_r4(stated: str) -> bool:
    """Whether a media type asks for this version of FHIR, or for whichever there is."""
    return all(value in R4 for value in _stated(stated, "fhirversion"))


def is_read(stated: str) -> bool:
    """Whether a body of this media type is of this version of FHIR and in its one encoding: what says that it is in
    another one is not read as if it were in UTF-8 (R4, http.html#mime-type; RFC 8259, 8.1)."""
    return is_r4(stated) and all(value.lower() in ENCODINGS for value in _stated(stated, "charset"))


def _stated(media_type: str, parameter: str) -> list[str]:
    """The values of one of its parameters."""
    named = (each.strip().partition("=") for each in media_type.split(";")[1:])
    return [value.strip('" ') for name, _, value in named if name.strip().lower() == parameter]


def _liked(said_of: Mapping[str, tuple[float, int]], form: str) -> tuple[float, int]:
    """How much a form is wanted, and how early that is said: the most specific range counts."""
    return next((said_of[each] for each in (form, *_ANY) if each in said_of), (0.0, 0))


def _kind(text: str) -> str:
    return text.partition(";")[0].strip().lower()


def _weighed(text: str) -> tuple[float, str]:
    stated = [each.strip().lower() for each in text.split(";")[1:]]
    weight = next((each.removeprefix("q=") for each in stated if each.startswith("q=")), "1")
    try:
        return float(weight) if is_r4(text) else 0.0, _kind(text)
    except ValueError:
        return 0.0, _kind(text)


def told_with(form: str) -> dict[str, str]:
    """What is said with an answer in that form: browsers show XML, and narratives in it as a page."""
    return {"Content-Security-Policy": SANDBOX} if form in XMLS else {}


def written(resource: Resource, form: str, pretty: bool = False) -> bytes:
    """A resource in that form; ``pretty``, of JSON, in lines that people can read, its numbers untouched."""
    if form in XMLS:
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
