"""Who answers for a record, as its file says it, and how that was found.

In this order: the record's own element; a Provenance of it; the practitioner of its encounter; the resource that
points to it; the service provider of its encounter; unknown. All but the first two are inferred.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator

from careledger.fhir import versions
from careledger.fhir.entries import Entry
from careledger.fhir.json_text import Resource
from careledger.fhir.links import Links
from careledger.fhir.paths import NPI, identifiers_of, name_of, objects_at, texts_at, there
from careledger.fhir.tables import author_paths
from careledger.fhir.versions import AuthorStatement

Lookup = Callable[[str, str], int | None]
Identifier = tuple[str, str]

_IDENTITIES = frozenset(
    ["Patient", "RelatedPerson", "Person", "Practitioner", "PractitionerRole", "Organization", "Location"]
)
_SOURCES = {
    "Patient": versions.PATIENT_REPORTED,
    "RelatedPerson": versions.PATIENT_REPORTED,
    "Device": versions.DEVICE,
}


class Authorship:
    """Answers for the entries of one file; ``lookup`` gives the registered party of an identifier, or None."""

    def __init__(self, links: Links, lookup: Lookup, home: Identifier | None = None) -> None:
        self._links = links
        self._lookup = lookup
        self._provenances: dict[int, list[Entry]] = defaultdict(list)
        for entry in links.entries:
            if entry.type == "Provenance":
                self._take_provenance(entry)
        self._statements: dict[tuple[str, str, str], AuthorStatement] = {}
        self._home = self._home_key(home)

    def _take_provenance(self, provenance: Entry) -> None:
        for text in texts_at(provenance.resource, "target.reference"):
            target = self._links.find(text)
            if target:
                self._provenances[target.index].append(provenance)

    def author(self, entry: Entry) -> AuthorStatement:
        """Who answers for this entry."""
        for resolved, found in self._candidates(entry):
            if found:
                return self._statement(found, entry.resource, resolved)
        return AuthorStatement()

    def forwarded_by(self, entry: Entry) -> str | None:
        """The name of the other organisation at whose encounter the record was made, or None."""
        provider = self._service_provider(entry)
        if provider is None or self._home is None or self._key(provider) == self._home:
            return None
        return self._name(provider, entry.resource)[:512] or "unnamed organisation"

    def _candidates(self, entry: Entry) -> Iterator[tuple[str, Resource | None]]:
        yield versions.OWN_ELEMENT, _named_by(entry.resource)
        named = [_named_by(provenance.resource) for provenance in self._provenances[entry.index]]
        yield versions.PROVENANCE, next((found for found in named if found), None)
        if entry.type in _IDENTITIES:
            return
        yield versions.ENCOUNTER, self._practitioner(entry)
        yield versions.REFERRER, self._by_referrer(entry)
        yield versions.SERVICE_PROVIDER, self._service_provider(entry)

    def _practitioner(self, entry: Entry) -> Resource | None:
        encounter = self._links.encounter_of(entry)
        return _named_by(encounter.resource) if encounter else None

    def _by_referrer(self, entry: Entry) -> Resource | None:
        for referrer in self._links.referrers(entry):
            if referrer.type != "Provenance":
                found = _named_by(referrer.resource) or self._practitioner(referrer)
                if found:
                    return found
        return None

    def _service_provider(self, entry: Entry) -> Resource | None:
        encounter = self._links.encounter_of(entry)
        provider = encounter.resource.get("serviceProvider") if encounter else None
        return provider if isinstance(provider, dict) else None

    def _statement(self, reference: Resource, inside: Resource, resolved: str) -> AuthorStatement:
        """What is said of an author; the same reference says it again, unless it names something contained."""
        text = _stated(reference, "reference")
        if not text or text.startswith("#") or "identifier" in reference:
            return self._stated_anew(reference, inside, resolved)
        key = (text, _stated(reference, "display"), resolved)
        if key not in self._statements:
            self._statements[key] = self._stated_anew(reference, inside, resolved)
        return self._statements[key]

    def _stated_anew(self, reference: Resource, inside: Resource, resolved: str) -> AuthorStatement:
        who = self._resource(reference, inside)
        known = tuple(identifiers_of(who) if who else identifiers_of(reference))
        number = next((value for system, value in known if system == NPI), "")
        name = self._name(reference, inside)
        kind = str(who.get("resourceType")) if who else ""
        return AuthorStatement(
            text=(f"{name} (NPI {number})" if number else name)[:512],
            resolved=resolved,
            source=_SOURCES.get(kind, versions.IMPORTED),
            reference=_stated(reference, "reference") or None,
            identifiers=known,
            party=next((party for pair in known if (party := self._lookup(*pair))), 0),
        )

    def _resource(self, reference: Resource, inside: Resource) -> Resource | None:
        text = _stated(reference, "reference")
        if text.startswith("#"):
            return next((r for r in objects_at(inside, "contained") if r.get("id") == text[1:]), None)
        found = self._links.find(text) if text else None
        return found.resource if found else None

    def _name(self, reference: Resource, inside: Resource) -> str:
        who = self._resource(reference, inside)
        stated = [
            name_of(who) if who else "",
            _stated(reference, "display"),
            _stated(reference, "reference"),
            *(value for _, value in identifiers_of(reference)),
        ]
        return next((text for text in stated if text), "")

    def _key(self, provider: Resource) -> str:
        """What two references to one organisation have in common."""
        found = self._links.find(_stated(provider, "reference"))
        if found:
            return f"entry {found.index}"
        text = _stated(provider, "reference") or _stated(provider, "display")
        return str(text or identifiers_of(provider))

    def _home_key(self, home: Identifier | None) -> str | None:
        if home:
            mine = [
                e
                for e in self._links.entries
                if e.type == "Organization" and home in identifiers_of(e.resource)
            ]
            return f"entry {mine[0].index}" if mine else "not in this file"
        providers = [self._service_provider(e) for e in self._links.entries if e.type == "Encounter"]
        seen = Counter(self._key(provider) for provider in providers if provider)
        return seen.most_common(1)[0][0] if seen else None


def _stated(reference: Resource, name: str) -> str:
    found = reference.get(name)
    return found if isinstance(found, str) else ""


def _named_by(resource: Resource) -> Resource | None:
    """The reference by which a resource itself names its author."""
    for path in there(resource, author_paths().get(str(resource.get("resourceType")), ())):
        for found in objects_at(resource, path):
            if any(found.get(k) for k in ("reference", "display", "identifier")):
                return found
    return None
