"""One provision of a Consent, element by element: what it names, or a refusal that says where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from careledger.domain.categories import Category, Sensitivity
from careledger.domain.consents import Grantee, GranteeKind, Permission, Purpose
from careledger.domain.parties import PartyId
from careledger.fhir.consent import words
from careledger.fhir.consent.agreed import Known, NamedRecord, refused
from careledger.fhir.consent.times import Months, months
from careledger.fhir.json_text import Resource

ELEMENTS = frozenset(
    {
        "type",
        "period",
        "actor",
        "action",
        "securityLabel",
        "purpose",
        "class",
        "dataPeriod",
        "data",
        "provision",
    }
)
MOST = 1_000
"""No element is repeated more often."""
_ACTORS = {name: kind for kind, name in words.ACTOR_TYPES.items()}
_T = TypeVar("_T")


@dataclass(frozen=True)
class Rule:
    """A provision without its nested ones. An element that is absent is None and constrains nothing."""

    permits: bool
    path: str
    period: Resource | None
    grantees: tuple[Grantee, ...] | None
    permissions: frozenset[Permission] | None
    sensitivities: frozenset[Sensitivity] | None
    purposes: frozenset[Purpose] | None
    categories: frozenset[Category] | None
    months: Months | None
    records: tuple[NamedRecord, ...] | None
    authors: frozenset[PartyId] | None


def rule(provision: Any, path: str, known: Known) -> Rule:
    """What a provision names; raises CannotExpress for an element or a code that the ledger has no word for."""
    only(provision, ELEMENTS, path)
    kind = provision.get("type")
    if kind not in ("permit", "deny"):
        raise refused(f"{path}.type", "neither permit nor deny")
    records, authors = _data(provision, path, known)
    data_period = provision.get("dataPeriod")
    return Rule(
        kind == "permit",
        path,
        None if provision.get("period") is None else period(provision["period"], f"{path}.period"),
        _grantees(provision, path, known),
        _coded(provision, "action", path, words.ACTION_CODES, concept=True),
        _coded(provision, "securityLabel", path, words.LABEL_CODES),
        _coded(provision, "purpose", path, words.PURPOSE_CODES),
        _coded(provision, "class", path, words.CATEGORY_CODES),
        None
        if data_period is None
        else months(period(data_period, f"{path}.dataPeriod"), f"{path}.dataPeriod"),
        records,
        authors,
    )


def only(value: Any, elements: frozenset[str], path: str) -> None:
    """Raises CannotExpress unless it is an object of these elements alone: what is not known is never dropped."""
    if not isinstance(value, dict):
        raise refused(path, "not an object")
    for name in value:
        if name not in elements:
            raise refused(f"{path}.{name}", "the ledger has no word for this element")


def items(value: Resource, name: str, path: str) -> list[Any]:
    """The repetitions of an element; raises CannotExpress where it is no list of at least one."""
    found = value.get(name)
    if found is None:
        return []
    if not isinstance(found, list) or not 0 < len(found) <= MOST:
        raise refused(f"{path}.{name}", f"no list of up to {MOST}")
    return found


def period(value: Any, path: str) -> Resource:
    """A Period; raises CannotExpress for anything beside its ends."""
    only(value, frozenset({"start", "end"}), path)
    made: Resource = value
    return made


def codes(concept: Any, path: str) -> set[words.Code]:
    """The codings of a CodeableConcept; raises CannotExpress if it has none."""
    only(concept, frozenset({"coding", "text"}), path)
    return {_code(each, f"{path}.coding[{at}]") for at, each in enumerate(items(concept, "coding", path))}


def _code(coding: Any, path: str) -> words.Code:
    only(coding, frozenset({"system", "code", "display", "version"}), path)
    return str(coding.get("system")), str(coding.get("code"))


def _coded(
    provision: Resource, name: str, path: str, table: Mapping[_T, words.Code], concept: bool = False
) -> frozenset[_T] | None:
    """The values whose codes stand there; a concept's codings say one thing, so one of them is enough."""
    meant = {code: value for value, code in table.items()}
    found = set()
    for at, each in enumerate(items(provision, name, path)):
        where = f"{path}.{name}[{at}]"
        stated = codes(each, where) if concept else {_code(each, where)}
        values = {meant[code] for code in stated if code in meant}
        if len(values) != 1:
            raise refused(where, "no code that the ledger carries exactly")
        found |= values
    return frozenset(found) or None


def name_of(reference: Any, path: str) -> tuple[str, str]:
    """The type that a reference states, and its name: the literal, or ``system|value``. Raises CannotExpress."""
    only(reference, frozenset({"reference", "type", "identifier", "display"}), path)
    literal, identifier = reference.get("reference"), reference.get("identifier")
    if (literal is None) == (identifier is None):
        raise refused(path, "one of a literal reference and an identifier")
    if identifier is None:
        return str(reference.get("type") or str(literal).split("/", maxsplit=1)[0]), str(literal)
    only(identifier, frozenset({"use", "type", "system", "value"}), f"{path}.identifier")
    return str(reference.get("type")), f"{identifier.get('system')}|{identifier.get('value')}"


def party(reference: Any, path: str, known: Known) -> Grantee:
    """The post, team or organisation that is referred to; raises CannotExpress for anybody else."""
    kind, name = name_of(reference, path)
    found = known.party(name) if kind in _ACTORS else None
    if found is None or found.kind is not _ACTORS[kind]:
        raise refused(path, "no registered post, team or organisation")
    return found


def _grantees(provision: Resource, path: str, known: Known) -> tuple[Grantee, ...] | None:
    found = []
    for at, actor in enumerate(items(provision, "actor", path)):
        where = f"{path}.actor[{at}]"
        only(actor, frozenset({"role", "reference"}), where)
        if codes(actor.get("role"), f"{where}.role") != {words.RECIPIENT}:
            raise refused(f"{where}.role", "another role than who receives the information")
        found.append(party(actor.get("reference"), f"{where}.reference", known))
    return tuple(dict.fromkeys(found)) or None


def _data(
    provision: Resource, path: str, known: Known
) -> tuple[tuple[NamedRecord, ...] | None, frozenset[PartyId] | None]:
    """The single records, or the authors, that ``data`` names; both at once would be either, not both."""
    records, authors = [], set()
    for at, each in enumerate(items(provision, "data", path)):
        where = f"{path}.data[{at}]"
        only(each, frozenset({"meaning", "reference"}), where)
        match each.get("meaning"):
            case "instance":
                found = known.record(name_of(each.get("reference"), f"{where}.reference")[1])
                if found is None:
                    raise refused(f"{where}.reference", "no record of this patient")
                records.append(found)
            case "authoredby":
                author = party(each.get("reference"), f"{where}.reference", known)
                if author.kind is GranteeKind.TEAM:
                    raise refused(f"{where}.reference", "a team writes nothing")
                authors.add(PartyId(author.number))
            case _:
                raise refused(f"{where}.meaning", "the ledger knows no records by their relations")
    if records and authors:
        raise refused(f"{path}.data", "single records or authors, not either")
    return tuple(dict.fromkeys(records)) or None, frozenset(authors) or None
