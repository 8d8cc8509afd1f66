"""Which category a resource belongs to and whether it is restricted: the first matching rule of mapping.json.

The rules are data with a version that each manifest names. What no rule knows is ``diagnosis``, restricted, and
listed in the import's report; never ``general``. A contained resource follows its container.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any

from careledger.domain.categories import Category, Compartment, Sensitivity
from careledger.domain.errors import NotExchanged
from careledger.domain.parties import Role
from careledger.fhir.json_text import Resource
from careledger.fhir.paths import all_at, codes_at, codings, objects_at
from careledger.fhir.tables import codes, shipped

Coded = AbstractSet[tuple[str, str]]
UNKNOWN = Compartment(Category.DIAGNOSIS, Sensitivity.RESTRICTED)


class Follows(Enum):
    """Whose compartment a resource shares that has none of its own."""

    REFERRERS = "referrers"
    TARGETS = "targets"


@dataclass(frozen=True, slots=True)
class Placing:
    """Where a resource belongs.

    ``row`` is the row of the mapping that matched; ``why_restricted`` the groups of codes or labels that restrict
    it; ``follows`` is set while the compartment is only UNKNOWN until others are placed; ``listed`` says that
    people should look; ``free_text`` that the resource can repeat what stands elsewhere.
    """

    row: str
    compartment: Compartment
    why_restricted: tuple[str, ...] = ()
    follows: Follows | None = None
    listed: bool = False
    free_text: bool = False

    def restricted_because(self, why: str) -> Placing:
        """The same place, restricted."""
        guarded = Compartment(self.compartment.category, Sensitivity.RESTRICTED)
        reasons = self.why_restricted if why in self.why_restricted else (*self.why_restricted, why)
        return Placing(self.row, guarded, reasons, None, self.listed, self.free_text)


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of mapping.json."""

    row: str
    types: frozenset[str]
    when: tuple[dict[str, Any], ...]
    category: Category | None
    restricted: str | None
    follows: Follows | None
    refused: str | None
    listed: bool
    free_text: bool
    may_sign: frozenset[Role]

    def matches(self, resource: Resource, coded: Coded) -> bool:
        """Whether all conditions hold; the type is already known to fit."""
        return all(_holds(condition, resource, coded) for condition in self.when)


def place(resource: Resource, coded: Coded | None = None) -> Placing:
    """Where this resource belongs, by itself; ``coded`` are all codings in it, where they are known already.

    Raises NotExchanged with the reason for what is never exchanged.
    """
    coded = codings(resource) if coded is None else coded
    rule = _first(resource, coded)
    if rule is None:
        return Placing("none", UNKNOWN, ("unmapped",), listed=True)
    if rule.refused:
        raise NotExchanged(type=str(resource.get("resourceType")), why=rule.refused)
    if rule.follows:
        return Placing(rule.row, UNKNOWN, ("unmapped",), rule.follows, listed=True)
    why = _why_restricted(resource, rule, coded)
    sensitivity = Sensitivity.RESTRICTED if why else Sensitivity.NORMAL
    compartment = Compartment(rule.category or Category.DIAGNOSIS, sensitivity)
    return Placing(rule.row, compartment, why, None, rule.listed, rule.free_text)


def signers(resource: Resource, category: Category) -> frozenset[Role]:
    """The roles that may sign this resource, filed under that category: nobody what is never exchanged.

    Where the rule has none of its own (a Binary, a Provenance) the category's count. This narrows the matrix only.
    """
    rule = _first(resource, codings(resource))
    if rule is not None and rule.refused:
        return frozenset()
    return rule.may_sign if rule is not None and rule.may_sign else signers_by_category()[category]


def is_refused(resource: Resource) -> bool:
    """Whether this resource is never exchanged."""
    rule = _first(resource, codings(resource))
    return rule is not None and rule.refused is not None


@cache
def signers_by_category() -> dict[Category, frozenset[Role]]:
    """Who may sign what no rule speaks of, by the category that it was filed under."""
    return {Category.of(code): _roles(roles) for code, roles in shipped("mapping.json")["may_sign"].items()}


@cache
def version() -> int:
    """The mapping's version, which manifests name: 1000 times the rules' plus the code tables'."""
    return int(shipped("mapping.json")["version"]) * 1000 + codes().version


@cache
def rules() -> tuple[Rule, ...]:
    """All rules in order."""
    return tuple(_rule(line) for line in shipped("mapping.json")["rules"])


@cache
def rules_by_type() -> dict[str, tuple[Rule, ...]]:
    """The rules that a type can match, in order."""
    types = {name for rule in rules() for name in rule.types}
    return {name: tuple(rule for rule in rules() if name in rule.types) for name in types}


def _rule(line: dict[str, Any]) -> Rule:
    return Rule(
        row=line["row"],
        types=frozenset(line["types"]),
        when=tuple(line.get("when", ())),
        category=Category.of(line["category"]) if "category" in line else None,
        restricted=line.get("restricted"),
        follows=Follows(line["follows"]) if "follows" in line else None,
        refused=line.get("refused"),
        listed=line.get("listed", False),
        free_text=line.get("free_text", False),
        may_sign=_roles(line.get("may_sign", ())),
    )


def _roles(codes: Iterable[str]) -> frozenset[Role]:
    return frozenset(Role[code.upper()] for code in codes)


def _first(resource: Resource, coded: Coded) -> Rule | None:
    """The first rule that matches."""
    kind = str(resource.get("resourceType"))
    return next((rule for rule in rules_by_type().get(kind, ()) if rule.matches(resource, coded)), None)


def _holds(condition: dict[str, Any], resource: Resource, coded: Coded) -> bool:
    element = condition.get("element")
    if "present" in condition:
        return bool(all_at(resource, str(element))) == bool(condition["present"])
    found = codes_at(resource, element) if element else coded
    if "table" in condition:
        return not codes().mapped[condition["table"]].isdisjoint(found)
    asked = {code.lower() for code in condition["codes"]}
    return any(code.lower() in asked for _, code in found)


def _why_restricted(resource: Resource, rule: Rule, coded: Coded) -> tuple[str, ...]:
    why = {rule.restricted} if rule.restricted else set()
    known = codes()
    for coding in coded:
        group = known.group(coding)
        if group:
            why.add(group)
    if any(is_guarded(inner) for inner in _with_contained(resource)):
        why.add("security-label")
    return tuple(sorted(why))


def is_guarded(resource: Resource) -> bool:
    """Whether a security label in ``meta`` restricts it: any that is not known to be harmless."""
    if "meta" not in resource:
        return False
    return not codes().harmless_labels.issuperset(codes_at(resource, "meta.security"))


def _with_contained(resource: Resource) -> list[Resource]:
    return [resource, *objects_at(resource, "contained")]
