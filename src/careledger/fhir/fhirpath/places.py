"""Where the elements stand that a FHIRPath leads to, for who changes them: step by step inside one resource.

What computes a value, or leaves the resource, leads to no place and is refused, and so is what could take long.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from careledger.fhir.definitions.tables import choices, definitions
from careledger.fhir.fhirpath.compiled import CONSTANTS, Compiler, Scope
from careledger.fhir.fhirpath.syntax import (
    Binary,
    Call,
    Child,
    Literal,
    NotUnderstood,
    This,
    Tree,
    Variable,
    parsed,
)
from careledger.fhir.fhirpath.values import Bare, truth
from careledger.fhir.json_text import Resource

MOST_CHARACTERS, MOST_BRACKETS = 500, 20
QUICK = frozenset(
    {"where", "all", "exists", "empty", "not", "hasValue", "first", "skip", "tail", "count", "ofType", "as", "is",
     "startsWith", "contains", "length", "substring", "toInteger", "toString"}
)  # fmt: skip
"""Functions that a condition may have: asked of an element they look at what is in it, at each thing once."""
SLOW = frozenset({"|", "+", "&"})
"""Operators that put together more than there is, or what does not fit together."""
Pair = tuple[Any, Any]
"""A value and what stands beside it (``_name``): of a primitive its id and extensions."""


@dataclass(frozen=True, eq=False)
class Place:
    """An element of type ``kind``: under ``name`` of what is ``inside`` its parent, there the ``index``-th if it is an
    array. The resource itself has no parent."""

    parent: Place | None
    name: str
    index: int | None
    kind: str
    pair: Pair
    """Its value and what stands beside it, as they were when it was found."""

    @property
    def inside(self) -> Resource:
        """Its elements; of a primitive those beside it."""
        value, beside = self.pair
        return value if isinstance(value, dict) else beside if isinstance(beside, dict) else {}

    @property
    def value(self) -> Any:
        """As FHIRPath sees it."""
        value, beside = self.pair
        return value if value is not None else Bare(beside)

    @property
    def elements(self) -> Mapping[str, Any]:
        """What the definitions let stand in it, by JSON name."""
        return elements_of(self.kind)


def elements_of(kind: str) -> Mapping[str, Any]:
    """The elements of a type, of a primitive those beside it."""
    found: Mapping[str, Any] = _shape(kind)["elements"]
    return found


def choices_of(kind: str) -> Mapping[str, list[str]]:
    """The elements of chosen type of a type, with their names in JSON."""
    return {name: names for name, (_, names) in _shape(kind).get("choices", {}).items()}


def pairs(inside: Resource, name: str) -> list[Pair]:
    """The items of an array, as long as the longer of its two."""
    values, beside = inside.get(name) or [], inside.get(f"_{name}") or []
    longest = max(len(values), len(beside))
    return list(zip(_padded(values, longest), _padded(beside, longest), strict=True))


def places(resource: Resource, path: str) -> list[Place]:
    """The elements to which a path leads; raises NotUnderstood."""
    return _walk(_tree(path), _whole(resource))


def list_at(resource: Resource, path: str) -> tuple[list[Place], str]:
    """The elements that hold the list which a path names, and its name; raises NotUnderstood."""
    tree = _tree(path)
    if not isinstance(tree, Child) or tree.name[0].isupper():
        raise NotUnderstood("names no list")
    return _walk(tree.base, _whole(resource)), tree.name


def size(item: Any) -> int:
    """How many values there are in what JSON says."""
    inner = item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
    return 1 + sum(map(size, inner))


def _whole(resource: Resource) -> Place:
    return Place(None, "", None, str(resource["resourceType"]), (resource, None))


def _tree(path: str) -> Tree:
    if len(path) > MOST_CHARACTERS or sum(map(path.count, "([{")) > MOST_BRACKETS:
        raise NotUnderstood(f"has more than {MOST_CHARACTERS} characters or {MOST_BRACKETS} brackets")
    return parsed(path)


def _walk(tree: Tree, root: Place) -> list[Place]:
    match tree:
        case This():
            return [root]
        case Child(This(), name) if name[0].isupper():
            if name != root.kind:
                raise NotUnderstood("begins with another type than the record's")
            return [root]
        case Child(base, name):
            return [each for place in _walk(base, root) for each in _children(place, name)]
        case Call(base, "where", (condition,)):
            return _holding(_walk(base, root), condition, root)
        case Call(base, "extension", (Literal(str() as url),)):
            found = [each for place in _walk(base, root) for each in _children(place, "extension")]
            return [each for each in found if each.inside.get("url") == url]
        case Call(base, "ofType" | "as", (Child(This(), kind),)) | Binary("as", base, Child(This(), kind)):
            return [each for each in _walk(base, root) if _is(each, kind)]
        case Call(base, name, arguments):
            return _sliced(_walk(base, root), name, arguments)
    raise NotUnderstood("leads to no place in the record")


def _children(place: Place, name: str) -> Iterator[Place]:
    there = {each.removeprefix("_"): None for each in place.inside}
    chosen = [name] if name in there else [each for each in there if each in choices().get(name, ())]
    for each in chosen:
        yield from map(_typed, _items(place, each))


def _items(place: Place, name: str) -> list[Place]:
    """What stands under one name in JSON."""
    inside, kind = place.inside, str(place.elements.get(name, {}).get("type", "Element"))
    if not any(isinstance(inside.get(each), list) for each in (name, f"_{name}")):
        return [Place(place, name, None, kind, (inside.get(name), inside.get(f"_{name}")))]
    there = [(at, pair) for at, pair in enumerate(pairs(inside, name)) if pair != (None, None)]
    return [Place(place, name, at, kind, pair) for at, pair in there]


def _typed(place: Place) -> Place:
    """A resource inside another one by its own type."""
    if place.kind != "Resource":
        return place
    kind = str(place.inside.get("resourceType", "Resource"))
    return replace(place, kind=kind)


def _is(place: Place, kind: str) -> bool:
    """Whether a chosen element or a resource is of that type."""
    stated = place.inside.get("resourceType")
    return stated == kind if stated is not None else place.name.endswith(kind[0].upper() + kind[1:])


def _sliced(found: list[Place], name: str, arguments: tuple[Tree, ...]) -> list[Place]:
    match name, arguments:
        case "first", ():
            return found[:1]
        case "last", ():
            return found[-1:]
        case "tail", ():
            return found[1:]
        case "single", ():
            if len(found) > 1:
                raise NotUnderstood("leads to several elements where single() stands")
            return found
        case "skip", (Literal(Decimal() as number),):
            return found[int(number) :]
        case "take", (Literal(Decimal() as number),):
            return found[: int(number)]
    raise NotUnderstood("has a step that leads to no place in the record")


def _holding(found: list[Place], condition: Tree, root: Place) -> list[Place]:
    _check_quick(condition)
    whole = root.value
    try:
        holds = Compiler(choices()).expression(condition)
        return [each for each in found if truth(holds(each.value, Scope(each.value, whole, whole))) is True]
    except (TypeError, ValueError, ArithmeticError, RecursionError):
        raise NotUnderstood("has a condition that does not fit what it is asked of") from None


def _check_quick(tree: Tree) -> None:
    inner: tuple[Tree, ...] = ()
    match tree:
        case Call(base, name, arguments):
            if name not in QUICK:
                raise NotUnderstood("has a function in its condition that is not taken there")
            inner = (base, *arguments)
        case Child(base, _):
            inner = (base,)
        case Binary(sign, left, right):
            if sign in SLOW:
                raise NotUnderstood("has an operator in its condition that is not taken there")
            inner = (left, right)
        case Variable(name) if name not in CONSTANTS:
            raise NotUnderstood("looks beyond the element that its condition is asked of")
    for each in inner:
        _check_quick(each)


def _shape(kind: str) -> Mapping[str, Any]:
    shapes: Mapping[str, Mapping[str, Any]] = definitions().shapes
    return shapes.get(kind, shapes["Element"])


def _padded(items: list[Any], length: int) -> list[Any]:
    return [*items, *[None] * (length - len(items))]
