"""A type of the definitions as something to ask values.

What the names of an object decide (unknown and missing elements, choices, most invariants) is decided once for each
set of names that occurs and kept as a plan; an object with the same names then costs only its values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from careledger.fhir.definitions.tables import definitions
from careledger.fhir.validation.codes import Binding, bindings, codings_of
from careledger.fhir.validation.findings import Walk
from careledger.fhir.validation.formats import EXPECTED, Format, format_of
from careledger.fhir.validation.invariants import Invariant, invariant

MOST_PLANS = 20_000  # over all shapes; what comes after them is planned each time
_BESIDE = "an object with id or extensions"
_MODIFIERS = ("modifierExtension", "implicitRules")
Check = Callable[[Any, Walk], bool]  # False: not even of the expected kind; finer findings go to the walk
Step = Callable[[dict[str, Any], Walk], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do with an object of these names: a check for each value in order, then the steps."""

    checks: tuple[Check, ...]
    expected: tuple[str, ...]
    steps: tuple[Step, ...]


class Shape:
    """The elements of one type, or of one element that has elements of its own."""

    kept = 0  # plans of all shapes

    def __init__(self, name: str) -> None:
        table = definitions().shapes[name]
        self.name = name
        self.is_resource = name in definitions().resources
        self._elements: dict[str, dict[str, Any]] = table["elements"]
        self._choices: dict[str, tuple[int, list[str]]] = table.get("choices", {})
        self._chosen = {each: base for base, (_, names) in self._choices.items() for each in names}
        self._held = tuple(found for number in table.get("held", ()) if (found := invariant(number)))
        self._plans: dict[tuple[str, ...], Plan] = {}
        self._alone: dict[str, Check] = {}
        self.check = self._checker()

    def _checker(self) -> Check:
        """Whether a value is an object; what is wrong inside goes to the walk."""
        planned, plan_for = self._plans.get, self._plan

        def check(value: Any, walk: Walk) -> bool:
            if type(value) is not dict:
                return False
            names = tuple(value)
            plan = planned(names) or plan_for(names)
            fine = True
            for one, inner in zip(plan.checks, value.values()):  # noqa: B905  made from the same names
                if not one(inner, walk):
                    fine = False
            if not fine:
                _blame(value, plan, walk)
            for step in plan.steps:
                step(value, walk)
            return True

        return check

    def check_element(self, place: int, name: str, inner: Any, value: dict[str, Any], walk: Walk) -> None:
        """Check one element by itself; what is wrong goes to the walk."""
        if not self._is_known(name):
            self._stranger(place, name)(value, walk)
            return
        if name not in self._alone:
            self._alone[name] = self._check(name, (name,))
        if not self._alone[name](inner, walk):
            walk.errors.append((value, name, self._expected(name)))

    def _plan(self, names: tuple[str, ...]) -> Plan:
        known = [name for name in names if self._is_known(name)]
        steps = [
            *self._hollow(names),
            *self._unknown(names),
            *self._missing(names),
            *self._twice(names),
            *self._notes(names),
        ]
        plan = Plan(
            checks=tuple(self._check(name, names) if name in known else _anything for name in names),
            expected=tuple(self._expected(name) if name in known else "" for name in names),
            steps=(*steps, *_asked(self._held, frozenset(names))),
        )
        if Shape.kept < MOST_PLANS and len(known) == len(names):
            Shape.kept += 1
            self._plans[names] = plan
        return plan

    def _is_known(self, name: str) -> bool:
        if name.startswith("_"):
            return name[1:] in self._elements and format_of(self._elements[name[1:]]["type"]) is not None
        return name in self._elements or (self.is_resource and name == "resourceType")

    def _hollow(self, names: tuple[str, ...]) -> Iterator[Step]:
        """ele-1; what stands beside a primitive may have an id alone."""
        alone = set() if self.name == "Element" else {"id", "_id"}
        if not self.is_resource and alone.issuperset(names):
            yield _finding(None, "ele-1: All FHIR elements must have a @value or children")

    def _unknown(self, names: tuple[str, ...]) -> Iterator[Step]:
        for place, name in enumerate(names):
            if not self._is_known(name):
                yield self._stranger(place, name)

    def _stranger(self, place: int, name: str) -> Step:
        """A name is repeated only if some type of R4 has it: what else stands there may be about somebody."""
        shown = name if name.removeprefix("_") in all_names() else None
        which = "this element" if shown else f"its element no. {place + 1}"
        return _finding(shown, f"{self.name} does not have {which}")

    def _missing(self, names: tuple[str, ...]) -> Iterator[Step]:
        there = {name.removeprefix("_") for name in names}
        for name, element in self._elements.items():
            if element["min"] and name not in there:
                yield _finding(name, f"{self.name} needs this element")
        for base, (least, listed) in self._choices.items():
            if least and there.isdisjoint(listed):
                yield _finding(f"{base}[x]", f"{self.name} needs this element")

    def _twice(self, names: tuple[str, ...]) -> Iterator[Step]:
        seen: dict[str, str] = {}
        for name in dict.fromkeys(each.removeprefix("_") for each in names):
            base = self._chosen.get(name)
            if base in seen:
                yield _finding(name, f"only one {base}[x] is allowed")
            elif base:
                seen[base] = name

    def _notes(self, names: tuple[str, ...]) -> Iterator[Step]:
        if "code" in names and format_of(self._elements.get("code", {}).get("type", "")):
            yield lambda value, walk: walk.coded.append(value)
        if "url" in names and self.name != "Extension":
            yield lambda value, walk: walk.linked.append(value)
        for name in [each for each in names if each in _MODIFIERS]:
            yield _warning(name, "can change what the rest means, by a rule that nothing here knows")
        for name in names:
            if name.startswith("_") and self._elements.get(name[1:], {}).get("max", 1) != 1:
                yield _beside_its_values(name)

    def _check(self, name: str, names: tuple[str, ...]) -> Check:
        if self.is_resource and name == "resourceType":
            return _anything
        element = self._elements[name.removeprefix("_")]
        if name.startswith("_"):
            one = shape("Element").check
            return one if element["max"] == 1 else _many(one, _BESIDE, gaps=True)
        each = check_of(element)
        if element["max"] == 1:
            return each
        return _many(each, _described(element), gaps=f"_{name}" in names)

    def _expected(self, name: str) -> str:
        if self.is_resource and name == "resourceType":
            return ""
        element = self._elements[name.removeprefix("_")]
        expected = _BESIDE if name.startswith("_") else _described(element)
        return f"not {expected}" if element["max"] == 1 else f"not an array of {expected}"


@cache
def shape(name: str) -> Shape:
    """The shape of a type or of a path such as ``Patient.contact``."""
    return Shape(name)


@cache
def all_names() -> frozenset[str]:
    """Every element name that some type of R4 has."""
    return frozenset(name for each in definitions().shapes.values() for name in each["elements"])


def check_of(element: dict[str, Any]) -> Check:
    """The check of one value of an element of the definitions."""
    kind = element["type"]
    found = bindings(element.get("bound", []))
    held = tuple(each for number in element.get("held", ()) if (each := invariant(number)))
    fits = format_of(kind)
    if fits is not None:
        return _primitive(fits, found, held)
    if kind == "Resource":
        return any_resource
    inner: Check = shape(kind).check
    if kind == "Reference":
        inner = _reference(inner, frozenset(element.get("targets", ())))
    return _judged(inner, found, held) if found or held else inner


def any_resource(value: Any, walk: Walk) -> bool:
    """A resource of any type inside another one."""
    kind = value.get("resourceType") if type(value) is dict else None
    if not isinstance(kind, str) or kind not in definitions().resources:
        return False
    around, walk.resource = walk.resource, value
    made = shape(kind).check(value, walk)
    walk.resource = around
    return made


def _anything(value: Any, walk: Walk) -> bool:
    return True


def _primitive(fits: Format, found: tuple[Binding, ...], held: tuple[Invariant, ...]) -> Check:
    refusing = tuple(each.has for each in found if each.refuses)
    if not refusing and not held:
        return fits
    if len(refusing) == 1 and not held:
        has = refusing[0]
        return lambda value, walk: fits(value) and has(None, value)

    def checked(value: Any, walk: Walk) -> bool:
        if not fits(value) or not all(has(None, value) for has in refusing):
            return False
        return not any(each.constraint.refuses and each.broken(value, walk) for each in held)

    return checked


def _reference(inner: Check, targets: frozenset[str]) -> Check:
    def checked(value: Any, walk: Walk) -> bool:
        if not inner(value, walk):
            return False
        walk.references.append((value, targets))
        return True

    return checked


def _judged(inner: Check, found: tuple[Binding, ...], held: tuple[Invariant, ...]) -> Check:
    """An object whose codes are bound, or of which its place demands more than its type."""

    def checked(value: Any, walk: Walk) -> bool:
        before = len(walk.errors)
        if not inner(value, walk):
            return False
        if len(walk.errors) == before:
            for binding in found:
                _judge(binding, value, walk)
            for each in held:
                _ask(each, value, walk)
        return True

    return checked


def _judge(binding: Binding, value: dict[str, Any], walk: Walk) -> None:
    codings = codings_of(value)
    if any(binding.has(system, code) for system, code in codings):
        return
    if binding.refuses:
        walk.errors.append((value, None, binding.expected))
    elif codings:
        walk.warnings.append((value, None, binding.expected))


def _many(one: Check, expected: str, *, gaps: bool) -> Check:
    """An array; ``gaps`` allows null where the array beside it has something."""

    def checked(value: Any, walk: Walk) -> bool:
        if type(value) is not list or not value:
            return False
        for item in value:
            if not one(item, walk) and not (gaps and item is None):
                walk.errors.append((value, _place(item, value), f"not {expected}"))
        return True

    return checked


def _place(item: Any, value: list[Any]) -> int:
    """Where in an array this very item stands first."""
    return next(index for index, each in enumerate(value) if each is item)


def _beside_its_values(name: str) -> Step:
    def step(value: dict[str, Any], walk: Walk) -> None:
        values, beside = value.get(name[1:]), value[name]
        if values is not None and not _are_pairs(values, beside):
            walk.errors.append((value, name, "not one item, or null, for each value beside it"))

    return step


def _are_pairs(values: Any, beside: Any) -> bool:
    if not (isinstance(values, list) and isinstance(beside, list) and len(values) == len(beside)):
        return False
    return all(one is not None or other is not None for one, other in zip(values, beside, strict=True))


def _described(element: dict[str, Any]) -> str:
    kind = element["type"]
    required = [
        each.expected.removeprefix("expected ") for each in bindings(element.get("bound", [])) if each.refuses
    ]
    if kind in EXPECTED:
        return required[0] if required else EXPECTED[kind]
    return f"a {kind}" if kind == "Resource" or "." not in kind else f"an object of {kind}"


def _blame(value: dict[str, Any], plan: Plan, walk: Walk) -> None:
    """Say of every value of an object that it is not of the expected kind; what is finer has been said."""
    for (name, inner), check, expected in zip(value.items(), plan.checks, plan.expected, strict=True):
        if not check(inner, Walk(walk.outermost)):
            walk.errors.append((value, name, expected))


def _finding(name: str | None, what: str) -> Step:
    return lambda value, walk: walk.errors.append((value, name, what))


def _warning(name: str, what: str) -> Step:
    return lambda value, walk: walk.warnings.append((value, name, what))


def _asked(held: tuple[Invariant, ...], names: frozenset[str]) -> Iterator[Step]:
    for each in held:
        settled = each.settled(names)
        if settled is None:
            yield _asking(each)
        elif settled is False:
            yield _broken(each)


def _asking(each: Invariant) -> Step:
    return lambda value, walk: _ask(each, value, walk)


def _broken(each: Invariant) -> Step:
    return lambda value, walk: _say(each, value, walk)


def _ask(each: Invariant, value: Any, walk: Walk) -> None:
    if not walk.errors and each.broken(value, walk):
        _say(each, value, walk)


def _say(each: Invariant, value: Any, walk: Walk) -> None:
    if each.constraint.advice:
        walk.advice.append(each.constraint.key)
    else:
        (walk.errors if each.constraint.refuses else walk.warnings).append((value, None, each.said))
