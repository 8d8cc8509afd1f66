"""An International Patient Summary (HL7 IPS 2.0, FHIR R4) made of records that a reader may see, as a document Bundle.

What is hidden never looks like health: a section of a class that is not shared says ``withheld`` whether or not there
is anything in it, and one that is shared and empty says ``unavailable``; that nothing is wrong is said by records only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid5

from careledger.domain.categories import Category
from careledger.fhir.dates import clinical_date
from careledger.fhir.json_text import Resource
from careledger.fhir.paths import name_of
from careledger.fhir.summary_sections import SECTIONS, Section, is_error
from careledger.fhir.summary_text import INCOMPLETE, Lines, lines, one_line, table, words

LOINC = "http://loinc.org"
EMPTY = "http://terminology.hl7.org/CodeSystem/list-empty-reason"
TITLE = "International Patient Summary"
FEW = "Too few custodians answered; what is shown may not be all."
NOTHING = "No record is shown here. This does not say that there is none."


@dataclass(frozen=True, repr=False)
class Summarised:
    """What a summary is made of; never printed. ``patient`` and the keys of ``resources`` are full URLs, ``closed``
    the classes that are not shared, ``made`` a FHIR instant, ``number`` what this document is called by."""

    patient: str
    resources: Mapping[str, Resource]
    closed: frozenset[Category]
    complete: bool
    made: str
    number: UUID


@dataclass(frozen=True, repr=False)
class Part:
    """One section as people read it, with the full URLs of its records and the classes in it that are not shared."""

    title: str
    code: str
    urls: tuple[str, ...]
    closed: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    said: tuple[str, ...]


@dataclass(frozen=True, repr=False)
class Readable:
    """All that a summary says to people; ``patient`` is what to call the record by, never printed."""

    title: str
    patient: str
    made: str
    said: tuple[str, ...]
    parts: tuple[Part, ...]


def readable(given: Summarised) -> Readable:
    """The words and tables of the document, for pages and screens."""
    patient = "/".join(given.patient.rsplit("/", 2)[-2:])
    said = tuple(one_line(each) for each in _said(given))
    return Readable(TITLE, patient, given.made, said, tuple(_parts(given, _shown(given))))


def patient_summary(given: Summarised) -> Resource:
    """The document: Composition, patient, the device that made it, records of the sections, and what these refer to."""
    shown = _shown(given)
    parts = _parts(given, shown)
    composition, device = _composition(given, parts), _device(given.number)
    named = [given.patient, *(url for part in parts for url in part.urls)]
    entries = [(_urn(composition), composition), (given.patient, given.resources[given.patient])]
    entries.append((_urn(device), device))
    entries += [(url, given.resources[url]) for url in _reached(named, shown) if url != given.patient]
    return {
        "resourceType": "Bundle",
        "identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{given.number}"},
        "type": "document",
        "timestamp": given.made,
        "entry": [{"fullUrl": url, "resource": each} for url, each in entries],
    }


def _shown(given: Summarised) -> dict[str, Resource]:
    return {url: each for url, each in given.resources.items() if not is_error(each)}


def _parts(given: Summarised, shown: Mapping[str, Resource]) -> list[Part]:
    filled = [(section, _filling(section, shown)) for section in SECTIONS]
    return [
        _part(section, urls, given)
        for section, urls in filled
        if urls or section.required or section.categories & given.closed
    ]


def _part(section: Section, urls: Sequence[str], given: Summarised) -> Part:
    closed = tuple(each.code for each in sorted(section.categories & given.closed))
    notes = [NOTHING] if not urls and not closed else []
    if closed:
        notes.append(f"Not shared, whether or not it holds anything: {', '.join(closed)}.")
    told = lines([given.resources[url] for url in urls], [*notes, INCOMPLETE])
    return Part(section.title, section.code, tuple(urls), closed, told.rows, told.said)


def _filling(section: Section, shown: Mapping[str, Resource]) -> list[str]:
    """The full URLs of what stands in a section, the newest first."""
    urls = [url for url, resource in shown.items() if section.takes(resource)]
    return sorted(urls, key=lambda url: clinical_date(shown[url]) or "", reverse=True)


def _composition(given: Summarised, parts: Sequence[Part]) -> Resource:
    id = uuid5(given.number, "Composition")
    author = {"reference": f"urn:uuid:{uuid5(given.number, 'Device')}", "display": "CareLedger"}
    return {
        "resourceType": "Composition",
        "id": str(id),
        "text": words(TITLE, _said(given)),
        "status": "final",
        "type": {"coding": [{"system": LOINC, "code": "60591-5", "display": "Patient summary Document"}]},
        "subject": {"reference": given.patient},
        "date": given.made,
        "author": [author],
        "title": TITLE,
        "section": [_section(part) for part in parts],
    }


def _said(given: Summarised) -> list[str]:
    patient = given.resources[given.patient]
    name, born = name_of(patient), patient.get("birthDate")
    said = [
        f"Patient: {name}" if name else "The patient's name is not shown.",
        *([f"Born: {born}"] if isinstance(born, str) else []),
        f"Made: {given.made}",
        INCOMPLETE,
    ]
    if given.closed:
        said.append("These classes of records are not shared, whether or not they hold anything:")
        said += [each.code for each in sorted(given.closed)]
    return said if given.complete else [*said, FEW]


def _section(part: Part) -> Resource:
    made: Resource = {
        "title": part.title,
        "code": {"coding": [{"system": LOINC, "code": part.code}]},
        "text": table(Lines(part.rows, part.said)),
    }
    if part.urls:
        return {**made, "entry": [{"reference": url} for url in part.urls]}
    reason = "withheld" if part.closed else "unavailable"
    return {**made, "emptyReason": {"coding": [{"system": EMPTY, "code": reason}]}}


def _device(number: UUID) -> Resource:
    named = [{"name": "CareLedger", "type": "user-friendly-name"}]
    return {"resourceType": "Device", "id": str(uuid5(number, "Device")), "deviceName": named}


def _urn(resource: Resource) -> str:
    return f"urn:uuid:{resource['id']}"


def _reached(named: Iterable[str], shown: Mapping[str, Resource]) -> list[str]:
    """These and all that they refer to among what is shown, each once; nothing that merely refers to them."""
    by_name = {name: url for url in shown for name in (url, "/".join(url.rsplit("/", 2)[-2:]))}
    reached: dict[str, None] = {}
    waiting = list(dict.fromkeys(named))[::-1]
    while waiting:
        url = waiting.pop()
        if url in reached or url not in shown:
            continue
        reached[url] = None
        waiting += [by_name[each] for each in _references(shown[url]) if each in by_name][::-1]
    return list(reached)


def _references(value: object) -> list[str]:
    if isinstance(value, list):
        return [found for each in value for found in _references(each)]
    if not isinstance(value, dict):
        return []
    own = value.get("reference")
    inner = [found for each in value.values() for found in _references(each)]
    return [own, *inner] if isinstance(own, str) else inner
