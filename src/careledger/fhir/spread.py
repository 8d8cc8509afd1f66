"""Spreads one patient's bundle over several organisations, for a story that no single real file tells.

The encounters are real, the organisations are not: each encounter is given to one of the organisations, and
everything attached to it follows. Encounters whose records refer to each other stay together. The same bundle
and organisations give the same bytes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from careledger.domain.errors import FhirRefused
from careledger.fhir.canonical import canonical
from careledger.fhir.dates import clinical_date
from careledger.fhir.entries import Entry
from careledger.fhir.json_text import Resource
from careledger.fhir.links import Links
from careledger.fhir.parse import parse_file
from careledger.fhir.paths import texts_at
from careledger.formats.digests import digest

_SHARED = frozenset(["Patient", "Practitioner", "Organization"])


@dataclass(frozen=True, slots=True)
class Place:
    """An organisation of the story: its name and a business identifier (system, value)."""

    name: str
    system: str
    value: str

    @property
    def url(self) -> str:
        """The fullUrl of its Organization resource, always the same."""
        number = digest("story-organisation", self.system.encode(), self.value.encode())[:16]
        return f"urn:uuid:{UUID(bytes=number, version=4)}"

    @property
    def resource(self) -> Resource:
        """Its Organization resource."""
        return {
            "resourceType": "Organization",
            "id": self.url.removeprefix("urn:uuid:"),
            "identifier": [{"system": self.system, "value": self.value}],
            "active": True,
            "name": self.name,
        }


def spread(data: bytes, file_name: str, places: Sequence[Place]) -> tuple[bytes, ...]:
    """One transaction bundle per place, with the patient in each.

    Raises FhirRefused if the file cannot be read, an entry of it is rejected, or it has fewer separate encounters
    than places.
    """
    parsed = parse_file(data, file_name)
    if parsed.rejects:
        raise FhirRefused(file=file_name, entry=parsed.rejects[0].index, problem=parsed.rejects[0].why)
    links = Links(parsed.entries)
    groups = _groups(links)
    if len(groups) < len(places):
        raise FhirRefused(file=file_name, problem=f"fewer than {len(places)} separate encounters")
    shares: list[list[Entry]] = [[] for _ in places]
    for group in groups:
        min(shares, key=len).extend(group)
    return tuple(_bundle(links, place, share) for place, share in zip(places, shares, strict=True))


def _groups(links: Links) -> list[list[Entry]]:
    """The encounters that can be told apart, each with all that is attached to it, by date of the first one."""
    root = {entry.index: entry.index for entry in links.entries}

    def leader(index: int) -> int:
        while root[index] != index:
            root[index] = root[root[index]]
            index = root[index]
        return index

    clinical = [entry for entry in links.entries if entry.type not in _SHARED]
    for entry in clinical:
        for target in [*links.targets(entry), *_encounters(links, entry)]:
            if target.type not in _SHARED:
                root[leader(entry.index)] = leader(target.index)
    groups: dict[int, list[Entry]] = defaultdict(list)
    for entry in clinical:
        groups[leader(entry.index)].append(entry)
    return sorted(_with_encounter(list(groups.values())), key=_first_date)


def _with_encounter(groups: list[list[Entry]]) -> list[list[Entry]]:
    """The groups that have an encounter; what belongs to none goes with the first of them."""
    homes = [group for group in groups if any(entry.type == "Encounter" for entry in group)]
    rest = [entry for group in groups if group not in homes for entry in group]
    if homes:
        min(homes, key=_first_date).extend(rest)
    return homes


def _encounters(links: Links, entry: Entry) -> list[Entry]:
    named = texts_at(entry.resource, "item.encounter.reference")
    return [found for text in named if (found := links.find(text))]


def _first_date(group: list[Entry]) -> tuple[str, int]:
    dates = [clinical_date(entry.resource) or "9" for entry in group if entry.type == "Encounter"]
    return min(dates), group[0].index


def _bundle(links: Links, place: Place, share: list[Entry]) -> bytes:
    listed = sorted(share, key=lambda entry: entry.index)
    people = {
        target.index: target
        for entry in listed
        for target in links.targets(entry)
        if target.type in ("Patient", "Practitioner")
    }
    shared = [_entry(each.full_url, each.resource) for _, each in sorted(people.items())]
    own = [_entry(place.url, place.resource)]
    moved = [_entry(entry.full_url, _at(links, place, entry.resource)) for entry in listed]
    return canonical({"resourceType": "Bundle", "type": "transaction", "entry": shared + own + moved})


def _entry(full_url: str | None, resource: Resource) -> Resource:
    request = {"method": "POST", "url": resource["resourceType"]}
    named = {"fullUrl": full_url} if full_url else {}
    return {**named, "resource": resource, "request": request}


def _at(links: Links, place: Place, value: Any) -> Any:
    """The value with every reference to an organisation of the file turned to the place."""
    if isinstance(value, list):
        return [_at(links, place, item) for item in value]
    if not isinstance(value, dict):
        return value
    target = value.get("reference")
    found = links.find(target) if isinstance(target, str) else None
    if found and found.type == "Organization":
        return {"reference": place.url, "display": place.name}
    return {name: _at(links, place, inner) for name, inner in value.items()}
