"""Which elements a search parameter compares: its expression with every chosen type spelled out, and their types."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from careledger.fhir.definitions.tables import choices, definitions
from careledger.fhir.fhirpath.compiled import Compiler, Expression
from careledger.fhir.fhirpath.syntax import Binary, Call, Child, NotUnderstood, This, Tree, Variable, tree

_SAME = {"SimpleQuantity": "Quantity", "MoneyQuantity": "Quantity"}
_KINDS_OF = {
    "uri": ("canonical", "oid", "url", "uuid"),
    "string": ("code", "id", "markdown"),
    "integer": ("positiveInt", "unsignedInt"),
    "Quantity": ("Age", "Count", "Distance", "Duration"),
}
"""The types that R4 derives from one, as far as elements of chosen type have them: a cast takes them too."""
_ROOTS = ("Resource", "DomainResource")
_KEEPING = ("where", "first", "skip")


@dataclass(frozen=True, slots=True)
class Element:
    """One path of a parameter: ``find`` gives what stands there, ``type`` is its type, ``value_set`` the value set
    that a code is bound to. Where ``root`` is not in a resource, with or without ``_``, it finds nothing;
    empty: it may all the same."""

    find: Expression
    type: str
    value_set: str = ""
    root: str = ""


@dataclass(frozen=True, slots=True)
class _Place:
    tree: Tree
    type: str
    value_set: str = ""


@cache
def elements(base: str, expression: str, outermost: str = "") -> tuple[Element, ...]:
    """What an expression finds in a resource of type ``base``, or in an element of that path (``Bundle.entry``).

    Parts of the expression that begin with another resource type are left out. ``outermost`` is the type of
    ``%resource``. Raises NotUnderstood for what is not built.
    """
    compiler = Compiler(choices())
    places = _Reader(base, outermost or base).places(tree(expression))
    return tuple(
        Element(compiler.expression(each.tree), each.type, each.value_set, _root(each.tree))
        for each in places
    )


def _root(node: Tree) -> str:
    """The element of the resource in which everything stands that a path finds; empty where that is not sure."""
    match node:
        case Child(This(), name):
            return name
        case Child(inner, _):
            return _root(inner)
        case Call(inner, name, _) if name in _KEEPING:
            return _root(inner)
    return ""


class _Reader:
    def __init__(self, base: str, outermost: str) -> None:
        self._base = base
        self._outermost = outermost

    def places(self, node: Tree) -> list[_Place]:
        match node:
            case This():
                return [_Place(node, self._base)]
            case Variable("resource"):
                return [_Place(node, self._outermost)]
            case Child(This(), name) if name[0].isupper():
                return [_Place(This(), self._base)] if name in (self._base, *_ROOTS) else []
            case Child(base, name):
                return [made for each in self.places(base) for made in _children(each, name)]
            case Binary("|", left, right):
                return self.places(left) + self.places(right)
            case Binary("as", base, Child(This(), kind)) | Call(base, "as", (Child(This(), kind),)):
                return [each for each in self.places(base) if _is(each, kind)]
            case Call(base, name, arguments) if name in _KEEPING:
                return self._each(base, lambda tree: Call(tree, name, arguments))
            case Binary("and" | "!=", left, _) | Call(left, "exists", ()):
                return [_Place(node, "boolean")] if self.places(left) else []
        raise NotUnderstood("a search parameter of this form")

    def _each(self, base: Tree, made: Callable[[Tree], Tree]) -> list[_Place]:
        return [_Place(made(each.tree), each.type, each.value_set) for each in self.places(base)]


def _is(place: _Place, kind: str) -> bool:
    """Whether a cast leaves what stands there: it is of that type, or of one derived from it (FHIRPath N1, 6.3)."""
    names = (kind, kind[0].lower() + kind[1:])
    return place.type in names or any(place.type in _KINDS_OF.get(each, ()) for each in names)


def _children(parent: _Place, name: str) -> list[_Place]:
    shape: dict[str, Any] = definitions().shapes.get(parent.type, {"elements": {}})
    names = [name] if name in shape["elements"] else shape.get("choices", {}).get(name, (0, []))[1]
    return [_child(parent, each, shape["elements"][each]) for each in names]


def _child(parent: _Place, name: str, element: dict[str, Any]) -> _Place:
    kind = element["type"]
    bound = element.get("bound", ("", ""))
    return _Place(Child(parent.tree, name), _SAME.get(kind, kind), bound[1] if bound[0] == "required" else "")
