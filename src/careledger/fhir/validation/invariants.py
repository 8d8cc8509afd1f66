"""The invariants of the definitions: compiled, settled by the names of an element where that is enough, else run."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cache
from typing import Any

from careledger.fhir.definitions.tables import Constraint, choices, definitions
from careledger.fhir.fhirpath.compiled import Compiler, Expression, Scope
from careledger.fhir.fhirpath.syntax import Binary, Call, Child, Literal, NotUnderstood, This, Tree, tree
from careledger.fhir.fhirpath.values import truth
from careledger.fhir.validation.findings import Walk

# Held by code of ours, because they ask what JSON does not say or what a pattern cannot.
HELD_ELSEWHERE = {
    "txt-1": "the format of xhtml",
    "txt-2": "the format of xhtml",
    "dom-3": "contained resources that nothing refers to",
    "ref-1": "references to contained resources",
}


@dataclass(frozen=True, slots=True)
class Invariant:
    """One constraint, ready to be asked."""

    constraint: Constraint
    tree: Tree
    run: Expression

    def broken(self, value: Any, walk: Walk) -> bool:
        """Whether this element breaks it; what cannot be told (an unknown order of dates) does not."""
        return truth(self.run(value, Scope(value, walk.resource, walk.outermost))) is False

    def settled(self, names: AbstractSet[str]) -> bool | None:
        """Its answer for every element with just these names; None if it depends on their values."""
        return _settled(self.tree, names)

    @property
    def said(self) -> str:
        """What HL7 says of it."""
        return f"{self.constraint.key}: {self.constraint.human}"


@cache
def invariant(number: int) -> Invariant | None:
    """A constraint by its number; None if other code holds it or it cannot be evaluated."""
    constraint = definitions().constraints[number]
    if constraint.key in HELD_ELSEWHERE:
        return None
    try:
        parsed = tree(constraint.expression)
        return Invariant(constraint, parsed, Compiler(choices()).expression(parsed))
    except NotUnderstood:
        return None


def not_evaluated() -> dict[str, str]:
    """The constraints that nothing here holds, with the reason."""
    made = {}
    for constraint in definitions().constraints:
        try:
            Compiler(choices()).expression(tree(constraint.expression))
        except NotUnderstood as why:
            if constraint.key not in HELD_ELSEWHERE:
                made[constraint.key] = str(why)
    return made


def _settled(node: Tree, names: AbstractSet[str]) -> bool | None:
    """Three-valued: what the names alone decide."""
    match node:
        case Literal(bool() as value):
            return value
        case Call(Child(This(), name), "exists" | "empty" | "hasValue" as asked, ()):
            return _present(name, asked, names)
        case Call(base, "not", ()):
            inner = _settled(base, names)
            return None if inner is None else not inner
        case Call(base, "empty" | "exists" as asked, ()):
            return (asked == "empty") if _is_nothing(base, names) else None
        case Binary(sign, left, right) if sign in _TABLES:
            return _TABLES[sign](_settled(left, names), _settled(right, names))
    return None


def _present(name: str, asked: str, names: AbstractSet[str]) -> bool | None:
    valued = not choices().get(name, frozenset((name,))).isdisjoint(names) or name in names
    beside = f"_{name}" in names or any(f"_{each}" in names for each in choices().get(name, ()))
    if asked == "hasValue":
        return None if valued else False  # a list of two has no value either
    return (valued or beside) == (asked == "exists")


def _is_nothing(node: Tree, names: AbstractSet[str]) -> bool:
    """Whether a path is certainly empty: it begins with an element that is not there."""
    while isinstance(node, (Child, Call)):
        if isinstance(node, Call) and node.name not in ("where", "first", "tail", "select", "trace"):
            return False
        if isinstance(node, Child) and isinstance(node.base, This):
            return _present(node.name, "exists", names) is False and not node.name[0].isupper()
        node = node.base
    return False


def _or(left: bool | None, right: bool | None) -> bool | None:
    if left is True or right is True:
        return True
    return None if left is None or right is None else False


def _negated(value: bool | None) -> bool | None:
    return None if value is None else not value


_TABLES: dict[str, Callable[[bool | None, bool | None], bool | None]] = {
    "or": _or,
    "and": lambda left, right: _negated(_or(_negated(left), _negated(right))),
    "implies": lambda left, right: _or(_negated(left), right),
    "xor": lambda left, right: None if left is None or right is None else left is not right,
    "!=": lambda left, right: None if left is None or right is None else left is not right,
    "=": lambda left, right: None if left is None or right is None else left is right,
}
