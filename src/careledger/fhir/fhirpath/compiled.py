"""A FHIRPath tree to a function of an element and its resource."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from careledger.fhir.fhirpath.functions import FUNCTIONS, with_condition
from careledger.fhir.fhirpath.naming import Resolve, type_of
from careledger.fhir.fhirpath.syntax import Binary, Call, Child, Literal, NotUnderstood, This, Tree, Variable
from careledger.fhir.fhirpath.values import children, compared, distinct, equal, plain, truth

Choices = Mapping[str, frozenset[str]]
Expression = Callable[[Any, "Scope"], list[Any]]

CONSTANTS = {
    "ucum": "http://unitsofmeasure.org",
    "sct": "http://snomed.info/sct",
    "loinc": "http://loinc.org",
}
"""Variables that are the same everywhere."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What an expression can ask of besides ``$this``: the element that it is asked of, the resource in which that
    stands, the outermost resource, and what a reference names."""

    context: Any
    resource: Any
    outermost: Any
    resolve: Resolve = lambda reference: None


class Compiler:
    """Compiles trees; ``choices`` gives for each element of chosen type (``value``) the names in JSON."""

    def __init__(self, choices: Choices) -> None:
        self._choices = choices

    def expression(self, tree: Tree) -> Expression:
        """The function; raises NotUnderstood for what is not built."""
        match tree:
            case Literal(value):
                constant = [] if value is None else [value]
                return lambda this, scope: constant
            case This():
                return lambda this, scope: [this]
            case Variable(name):
                return _variable(name)
            case Child(base, name):
                return self._child(base, name)
            case Call(base, name, arguments):
                return self._call(base, name, arguments)
            case Binary(sign, left, right):
                return self._binary(sign, left, right)

    def _child(self, base: Tree, name: str) -> Expression:
        choices = self._choices.get(name, frozenset())
        if isinstance(base, This):
            if name[0].isupper():
                return lambda this, scope: [this] if _is_resource(this, name) else []
            return lambda this, scope: children(this, name, choices)
        inner = self.expression(base)
        return lambda this, scope: [
            each for item in inner(this, scope) for each in children(item, name, choices)
        ]

    def _call(self, base: Tree, name: str, arguments: tuple[Tree, ...]) -> Expression:
        if name in ("is", "as", "ofType") and len(arguments) == 1:
            return self._typed("is" if name == "is" else "as", base, arguments[0])
        inner = self.expression(base)
        given = [self.expression(each) for each in arguments]
        condition = with_condition(name, given)
        if condition:
            return lambda this, scope: condition(inner(this, scope), scope)
        function = FUNCTIONS.get(name)
        if function is None:
            raise NotUnderstood(f"the function {name}")
        return lambda this, scope: function(inner(this, scope), *[each(this, scope) for each in given])

    def _binary(self, sign: str, left: Tree, right: Tree) -> Expression:
        if sign in ("is", "as"):
            return self._typed(sign, left, right)
        one, other = self.expression(left), self.expression(right)
        if sign in _LOGIC:
            logic = _LOGIC[sign]
            return lambda this, scope: _maybe(
                logic(truth(one(this, scope)), lambda: truth(other(this, scope)))
            )
        operator = _OPERATORS.get(sign)
        if operator is None:
            raise NotUnderstood(f"the operator {sign}")
        return lambda this, scope: operator(one(this, scope), other(this, scope))

    def _typed(self, sign: str, left: Tree, right: Tree) -> Expression:
        """``is`` and ``as``: of resources by their type, of chosen elements by their name in JSON."""
        kind = right.name if isinstance(right, Child) else ""
        name = left.name if isinstance(left, Child) else ""
        if not kind:
            raise NotUnderstood("a type that is no name")
        if sign == "is" and isinstance(left, Call) and (left.name, left.arguments) == ("resolve", ()):
            return self._names(left.base, kind)
        inner = self.expression(left)
        found: Expression
        chosen = f"{name}{kind[0].upper()}{kind[1:]}"
        if isinstance(left, Child) and chosen in self._choices.get(name, ()):
            found = self.expression(Child(left.base, chosen))
        elif kind[0].isupper():
            found = lambda this, scope: [each for each in inner(this, scope) if _is_resource(each, kind)]  # noqa: E731
        else:
            raise NotUnderstood(f"whether an element is a {kind}, which JSON does not say")
        if sign == "as":
            return found
        return lambda this, scope: [bool(found(this, scope))] if inner(this, scope) else []

    def _names(self, references: Tree, kind: str) -> Expression:
        """``resolve() is T``: the type can be told from most references without what they name."""
        inner = self.expression(references)
        return lambda this, scope: [
            type_of(each, scope.resource, scope.resolve) == kind for each in inner(this, scope)
        ]


def _is_resource(item: Any, kind: str) -> bool:
    return isinstance(item, dict) and item.get("resourceType") == kind


def _variable(name: str) -> Expression:
    if name in CONSTANTS:
        constant = [CONSTANTS[name]]
        return lambda this, scope: constant
    if name == "resource":
        return lambda this, scope: [scope.resource]
    if name == "context":
        return lambda this, scope: [scope.context]
    if name == "rootResource":
        return lambda this, scope: [scope.outermost]
    raise NotUnderstood(f"the variable {name}")


def _maybe(value: bool | None) -> list[Any]:
    return [] if value is None else [value]


Later = Callable[[], bool | None]


def _or(left: bool | None, right: Later) -> bool | None:
    if left is True:
        return True
    other = right()
    return True if other is True else None if left is None or other is None else False


def _and(left: bool | None, right: Later) -> bool | None:
    if left is False:
        return False
    other = right()
    return False if other is False else None if left is None or other is None else True


def _implies(left: bool | None, right: Later) -> bool | None:
    return _or(None if left is None else not left, right)


def _xor(left: bool | None, right: Later) -> bool | None:
    other = right()
    return None if left is None or other is None else left is not other


_LOGIC: dict[str, Callable[[bool | None, Later], bool | None]] = {
    "or": _or,
    "and": _and,
    "implies": _implies,
    "xor": _xor,
}


def _contains(left: list[Any], right: list[Any]) -> list[Any]:
    return [plain(right[0]) in [plain(each) for each in left]] if right else []


def _differs(left: list[Any], right: list[Any]) -> list[Any]:
    found = equal(left, right)
    return [] if found is None else [not found]


def _ordered(wanted: Callable[[int], bool]) -> Callable[[list[Any], list[Any]], list[Any]]:
    def asked(left: list[Any], right: list[Any]) -> list[Any]:
        found = compared(left, right)
        return [] if found is None else [wanted(found)]

    return asked


def _joined(left: list[Any], right: list[Any]) -> list[Any]:
    return ["".join(str(plain(side[0])) if side else "" for side in (left, right))]


def _sum(left: list[Any], right: list[Any]) -> list[Any]:
    return [plain(left[0]) + plain(right[0])] if left and right else []


_OPERATORS: dict[str, Callable[[list[Any], list[Any]], list[Any]]] = {
    "=": lambda left, right: _maybe(equal(left, right)),
    "!=": _differs,
    "in": lambda left, right: _contains(right, left),
    "contains": _contains,
    "|": lambda left, right: distinct(left + right),
    "<": _ordered(lambda found: found < 0),
    ">": _ordered(lambda found: found > 0),
    "<=": _ordered(lambda found: found <= 0),
    ">=": _ordered(lambda found: found >= 0),
    "+": _sum,
    "&": _joined,
}
