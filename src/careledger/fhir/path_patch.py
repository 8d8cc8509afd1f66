"""FHIRPath Patch (R4 fhirpatch.html): operations on one resource, all of them or none.

Where R4 says nothing the published test cases decide: what has no elements left goes with its last one.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from careledger.domain.errors import FhirRefused
from careledger.fhir.definitions.tables import definitions
from careledger.fhir.fhirpath.places import Pair, Place, choices_of, elements_of, list_at, pairs, places, size
from careledger.fhir.fhirpath.syntax import NotUnderstood
from careledger.fhir.json_text import Number, Resource

PARTS = {
    "add": {"type", "path", "name", "value"},
    "insert": {"type", "path", "index", "value"},
    "delete": {"type", "path"},
    "replace": {"type", "path", "value"},
    "move": {"type", "path", "source", "destination"},
}
"""The parts of each operation, all of them mandatory."""
STATED = {"type": "valueCode", "path": "valueString", "name": "valueString", "index": "valueInteger",
          "source": "valueInteger", "destination": "valueInteger"}  # fmt: skip
QUANTITIES = frozenset(
    {"Quantity", "SimpleQuantity", "MoneyQuantity", "Age", "Count", "Distance", "Duration"}
)
BOOLEANS, NUMBERS = frozenset({"boolean"}), frozenset({"decimal", "integer", "positiveInt", "unsignedInt"})
RESOURCE = "Resource"
MOST_WORK = 10_000_000
"""Values of the record and the patch, times the characters of all paths: each may be asked of each."""


class _Refused(Exception):
    """Why an operation cannot be carried out."""


@dataclass(frozen=True, repr=False)
class _Value:
    """A value to put somewhere: of a type, or made of parts, whose types are those of where it comes to."""

    kind: str
    pair: Pair = (None, None)
    parts: tuple[tuple[str, _Value], ...] = ()


def patched(resource: Resource, parameters: Resource) -> Resource:
    """The resource after the operations of a valid Parameters resource, which sees the effect of each on the next.

    Raises FhirRefused (path, problem) for the first that cannot be carried out, and for more than is done at once.
    """
    made = deepcopy(resource)
    if (size(made) + size(parameters)) * _characters(parameters) > MOST_WORK:
        raise FhirRefused(
            path="Parameters", problem="more and longer paths than a record of this size takes at once"
        )
    for at, parameter in enumerate(parameters.get("parameter", ())):
        try:
            _carry_out(made, parameter)
        except (_Refused, NotUnderstood) as error:
            raise FhirRefused(path=f"Parameters.parameter[{at}]", problem=str(error)) from None
    return made


def _characters(parameters: Resource) -> int:
    parts = (part for each in parameters.get("parameter", ()) for part in each.get("part", ()))
    return sum(len(part.get("valueString", "")) for part in parts)


def _carry_out(made: Resource, parameter: Resource) -> None:
    given = _given(parameter)
    path = given["path"]
    match given["type"]:
        case "add":
            _add(_only(places(made, path)), given["name"], given["value"])
        case "delete":
            _delete(places(made, path))
        case "replace":
            _replace(_only(places(made, path)), given["value"])
        case "insert":
            _insert(made, path, given["index"], given["value"])
        case "move":
            _move(made, path, given["source"], given["destination"])


def _given(parameter: Resource) -> dict[str, Any]:
    """The parts of an operation by their names."""
    if parameter["name"] != "operation":
        raise _Refused("is no operation")
    found: dict[str, Any] = {}
    for part in parameter.get("part", ()):
        name = part["name"]
        if name in found:
            raise _Refused("has a part twice")
        found[name] = _value(part) if name == "value" else part.get(STATED.get(name, ""))
        if found[name] is None:
            raise _Refused("has a part that is unknown or of another type than R4 gives it")
    if found.get("type") not in PARTS:
        raise _Refused(f"is none of {', '.join(PARTS)}")
    if found.keys() != PARTS[found["type"]]:
        raise _Refused(f"needs the parts {', '.join(sorted(PARTS[found['type']]))} and no other")
    return {name: int(each.decimal) if isinstance(each, Number) else each for name, each in found.items()}


def _value(part: Resource) -> _Value:
    if "resource" in part:
        return _Value(RESOURCE, (part["resource"], None))
    if "part" in part:
        return _Value("", parts=tuple((each["name"], _value(each)) for each in part["part"]))
    [named] = {
        each.lstrip("_").removeprefix("value") for each in part if each.lstrip("_").startswith("value")
    }
    kind = named if named in definitions().shapes else named[0].lower() + named[1:]
    return _Value(kind, (part.get(f"value{named}"), part.get(f"_value{named}")))


def _only(found: list[Place]) -> Place:
    if len(found) != 1:
        raise _Refused(f"leads to {len(found) or 'no'} elements, not to one")
    return found[0]


def _add(place: Place, name: str, value: _Value) -> None:
    inside = _opened(place)
    named = _named(place.kind, name, value)
    others = next((names for names in choices_of(place.kind).values() if named in names), [named])
    if place.elements[named]["max"] == 0:
        _put(inside, named, [*pairs(inside, named), _fitting(place.kind, named, value)])
        return
    if any(each.removeprefix("_") in others for each in inside):
        raise _Refused("adds what is there already and does not repeat")
    _put_one(inside, named, _fitting(place.kind, named, value))


def _insert(made: Resource, path: str, index: int, value: _Value) -> None:
    place, name = _list(made, path)
    inside = place.inside
    items = pairs(inside, name)
    if not 0 <= index <= len(items):
        raise _Refused("has an index beyond the end of the list")
    items.insert(index, _fitting(place.kind, name, value))
    _put(_opened(place), name, items)


def _move(made: Resource, path: str, source: int, destination: int) -> None:
    place, name = _list(made, path)
    items = pairs(place.inside, name)
    if not (0 <= source < len(items) and 0 <= destination < len(items)):
        raise _Refused("has an index beyond the end of the list")
    items.insert(destination, items.pop(source))
    _put(place.inside, name, items)


def _delete(found: list[Place]) -> None:
    """What is not there need not be deleted."""
    if found:
        _take_away(_only(found))


def _replace(place: Place, value: _Value) -> None:
    parent = _parent(place)
    chosen = [base for base, names in choices_of(parent.kind).items() if place.name in names]
    if not chosen:
        _change(place, _fitting(parent.kind, place.name, value))
        return
    named = _named(parent.kind, chosen[0], value)
    pair, inside = _fitting(parent.kind, named, value), parent.inside
    _put_one(inside, place.name, (None, None))
    _put_one(inside, named, pair)


def _take_away(place: Place) -> None:
    parent = _parent(place)
    if place.index is None:
        _put_one(parent.inside, place.name, (None, None))
    else:
        items = pairs(parent.inside, place.name)
        del items[place.index]
        _put(parent.inside, place.name, items)
    if parent.parent is None or parent.inside:
        return
    value, _ = parent.pair
    if value in ({}, None):
        _take_away(parent)
    else:
        _change(parent, (value, None))


def _parent(place: Place) -> Place:
    if place.parent is None:
        raise _Refused("is about the record as a whole")
    return place.parent


def _list(made: Resource, path: str) -> tuple[Place, str]:
    holders, name = list_at(made, path)
    place = _only(holders)
    if place.elements.get(name, {}).get("max") != 0:
        raise _Refused("names no list")
    return place, name


def _named(kind: str, name: str, value: _Value) -> str:
    """The JSON name under which a value comes to stand: of an element of chosen type by the type."""
    if name in elements_of(kind):
        return name
    chosen = f"{name}{value.kind[:1].upper()}{value.kind[1:]}"
    if chosen in choices_of(kind).get(name, ()):
        return chosen
    raise _Refused("names an element that is not there in R4, or not of this type")


def _fitting(kind: str, name: str, value: _Value) -> Pair:
    """A value as it stands under that name."""
    wanted = str(elements_of(kind)[name]["type"])
    if value.parts:
        return _of_parts(wanted, value), None
    if "." in wanted or not _fits(wanted, value.kind):
        raise _Refused("has a value of another type than the element's")
    return value.pair


def _of_parts(kind: str, value: _Value) -> Resource:
    if kind in definitions().primitives or kind == RESOURCE:
        raise _Refused("has a value of another type than the element's")
    made: Resource = {}
    place = Place(None, "", None, kind, (made, None))
    for name, each in value.parts:
        _add(place, name, each)
    return made


def _fits(wanted: str, kind: str) -> bool:
    primitives = definitions().primitives
    if wanted in primitives and kind in primitives:
        return all((wanted in family) == (kind in family) for family in (BOOLEANS, NUMBERS))
    return wanted == kind or {wanted, kind} <= QUANTITIES


def _opened(place: Place) -> Resource:
    """What is inside an element, made where a primitive has nothing beside it yet."""
    value, beside = place.pair
    if isinstance(value, dict) or isinstance(beside, dict) or place.parent is None:
        return place.inside
    made: Resource = {}
    _change(place, (value, made))
    return made


def _change(place: Place, pair: Pair) -> None:
    """Another value where an element stands."""
    inside = _parent(place).inside
    if place.index is None:
        _put_one(inside, place.name, pair)
        return
    items = pairs(inside, place.name)
    items[place.index] = pair
    _put(inside, place.name, items)


def _put(inside: Resource, name: str, items: list[Pair]) -> None:
    """An array, in as many of its two halves as say something."""
    for named, half in ((name, [value for value, _ in items]), (f"_{name}", [beside for _, beside in items])):
        if any(each is not None for each in half):
            inside[named] = half
        else:
            inside.pop(named, None)


def _put_one(inside: Resource, name: str, pair: Pair) -> None:
    for named, half in zip((name, f"_{name}"), pair, strict=True):
        if half is None:
            inside.pop(named, None)
        else:
            inside[named] = half
