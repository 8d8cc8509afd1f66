"""FHIR R4 search: every parameter that is advertised, with each modifier and prefix, beside a second evaluator, over
resources made of each type. ``--every-search`` makes more of them and asks more."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from itertools import pairwise, product
from typing import Any

import msgspec
import pytest

import second_search as second
from careledger.domain.errors import SearchRefused
from careledger.fhir.definitions.tables import SearchDefinition, search_definitions
from careledger.fhir.json_text import Resource, read
from careledger.fhir.sample import sample_file, sample_names
from careledger.fhir.searching.parameters import MODIFIERS, PREFIXES, WITH_PREFIX
from careledger.fhir.searching.parse import parse
from careledger.gateway.capability import capability
from made_resources import Maker

Pair = tuple[Resource, Any]
MOST_TURNS = 60
ASKED: Counter[tuple[str, str]] = Counter()
MATCHED: Counter[tuple[str, str]] = Counter()
FOUND: Counter[tuple[str, str]] = Counter()


@cache
def advertised() -> dict[str, list[SearchDefinition]]:
    """What the CapabilityStatement says that there is, by type, with R4's definition of each."""
    known = {(base, each.name): each for each in search_definitions() for base in each.bases}
    made: dict[str, list[SearchDefinition]] = {}
    for each in capability("http://here.example/fhir", "http://here.example", "2026-01-01T00:00:00Z")["rest"][
        0
    ]["resource"]:
        for named in each.get("searchParam", ()):
            found = known.get((each["type"], named["name"])) or known["Resource", named["name"]]
            assert found.type == named["type"]
            made.setdefault(each["type"], []).append(found)
    return {kind: found for kind, found in made.items() if kind not in ("Resource", "DomainResource")}


def pair(text: bytes) -> Pair:
    """One resource for both evaluators."""
    return read(text), json.loads(text, parse_float=Decimal, parse_int=Decimal)


def made(kind: str, more: int) -> list[Pair]:
    """Resources of one type: some with half of their elements, and whole ones until each parameter has a value."""
    whole: list[Pair] = []
    lacking = list(advertised()[kind])
    for turn in range(MOST_TURNS):
        candidate = pair(Maker(f"{kind} whole {turn}", 1.0, turn).resource(kind))
        still = [each for each in lacking if not _has(each, kind, candidate[1])]
        if len(still) < len(lacking) or turn < 2:
            whole.append(candidate)
            lacking = still
        if not lacking and turn:
            return whole + [
                pair(Maker(f"{kind} {turn}", 0.5, turn).resource(kind)) for turn in range(3 * more)
            ]
    raise AssertionError((kind, [each.name for each in lacking]))


def _has(definition: SearchDefinition, kind: str, plain: Any) -> bool:
    if definition.type == "composite":
        return bool(_whole(definition, kind, plain))
    return bool(second.found(kind, plain, definition.expression))


def escaped(text: str) -> str:
    return "".join(f"\\{sign}" if sign in ",$|\\" else sign for sign in text)


def queries(definition: Any, kind: str, pairs: list[Pair], more: int) -> list[tuple[str, str]]:
    if definition.type == "composite":
        return [("", each) for each in composites(definition, kind, pairs)]
    return list(dict.fromkeys(asked(definition, kind, pairs, more)))


def asked(definition: Any, kind: str, pairs: list[Pair], more: int) -> Iterator[tuple[str, str]]:
    """Modifiers and values to ask for, made from what is there and from what is not."""
    yield from (("missing", "true"), ("missing", "false"))
    places = {
        repr(each): each for _, plain in pairs for each in second.found(kind, plain, definition.expression)
    }
    for place in list(places.values())[: 3 * more]:
        yield from asks(definition.type, place, definition)


def asks(kind: str, place: second.Found, definition: Any) -> Iterator[tuple[str, str]]:
    match kind:
        case "token":
            yield from tokens(place[1])
        case "string":
            for text in list(second.strings(place[1]))[:2]:
                yield from (
                    ("", escaped(text)),
                    ("", escaped(text[:2].upper())),
                    ("", escaped(text[1:]) or "x"),
                )
                yield from (
                    ("", escaped(" ".join(text.split()))),
                    ("contains", escaped(text[1:3]) or "x"),
                    ("exact", escaped(text)),
                    ("exact", "no"),
                )
        case "date":
            yield from (("", prefix + each) for each in dates(place[1]) for prefix in ("", *PREFIXES))
        case "number" | "quantity":
            yield from (("", prefix + each) for each in numbers(place[1], kind) for prefix in ("", *PREFIXES))
        case "reference":
            yield from references(place[1], definition.targets)
        case "uri":
            text = str(place[1])
            yield from (("", text), ("", f"{text}/x"), ("", text.rpartition("/")[0] or "x"))
            if not text.startswith("urn:"):
                yield from (("below", text), ("below", text.rpartition("/")[0]), ("below", text[:-1]))
                yield from (("above", text), ("above", f"{text}/x"), ("above", f"{text}x"))


def tokens(value: Any) -> Iterator[tuple[str, str]]:
    for system, code in [*second.codings(value), ("urn:s", "none")][:3]:
        plain = escaped(code)
        if plain:
            yield from (
                ("", plain),
                ("", plain.swapcase()),
                ("", f"|{plain}"),
                ("not", plain),
                ("not", f"{plain},Def"),
            )
            yield ("", f"urn:none|{plain}")
        if system and isinstance(value, dict):
            yield from (("", f"{system}|{plain}"), ("", f"{system}|"))
    yield from (("text", "elan"), ("text", "vital"))
    if isinstance(value, dict):
        for system, code in (
            second.codings(value.get("type", {})) if isinstance(value.get("type"), dict) else []
        ):
            if system and code and value.get("value"):
                yield from (
                    ("of-type", f"{system}|{code}|{escaped(value['value'])}"),
                    ("of-type", f"{system}|{code}|no"),
                )
    yield ("of-type", "urn:s|Abc|Abc")


def dates(value: Any) -> list[str]:
    texts = (
        [value] if isinstance(value, str) else [value.get("start"), value.get("end"), *value.get("event", ())]
    )
    if isinstance(value, dict) and "repeat" in value:
        texts += value["repeat"].get("boundsPeriod", {}).values()
    told = [each for each in texts if isinstance(each, str) and each[:1].isdigit()]
    return list(
        dict.fromkeys([*told, *(each[:10] for each in told), "2020-05", "2019", "2020-05-06T10:00:00.5Z"])
    )[:6]


def numbers(value: Any, kind: str) -> list[str]:
    held = value.get("value", Decimal("5.4")) if isinstance(value, dict) else value
    number = str(held) if isinstance(held, Decimal) else "5.4"
    found = [number, "5", "100.00", "1e2"]
    if kind == "quantity" and isinstance(value, dict):
        found += [
            f"{number}|{value.get('system', '')}|{value.get('code', '')}",
            f"{number}||{escaped(value.get('unit', 'x'))}",
        ]
        found += ["5.4|urn:s|Abc", "5.4||Abc", "5.4|urn:iso:std:iso:4217|Abc"]
    return found


def references(value: Any, targets: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    text = value.get("reference", "") if isinstance(value, dict) else value
    typed = second.TYPED.fullmatch(text)
    yield from (("", "1"), ("", "Group/9"), ("", "9"), ("", "Patient/1"))
    if text and not text.startswith("#"):
        yield from (("", escaped(text)), ("", text.partition("|")[0]), ("", text.partition("/_history")[0]))
    if typed and not text.startswith("http"):
        own = text.split("/")[1]
        yield ("", own)
        yield from ((each, own) for each in targets[:3])
        if typed[1] in targets:
            yield from ((typed[1], own), (typed[1], f"{typed[1]}/{own}"), (typed[1], "none"))
    yield from (("identifier", "urn:s|Abc"), ("identifier", "def"), ("identifier", "urn:none|Abc"))


def composites(definition: Any, kind: str, pairs: list[Pair]) -> Iterator[str]:
    """Values of a composite parameter: of parts in one element, of parts that stand in several, and of none."""
    whole = [each for _, plain in pairs for each in _whole(definition, kind, plain)]
    yield from ("$".join(each) for each in whole[:4])
    yield from ("$".join([one[0], *other[1:]]) for one, other in pairwise(whole))
    none = {"date": "2020", "quantity": "5.4", "number": "5"}
    yield "$".join(none.get(part, "no") for _, part, _ in definition.parts)


def _whole(definition: Any, kind: str, plain: Any) -> list[list[str]]:
    """For each element that has all parts, a value of each part."""
    places = second.found(kind, plain, definition.expression)[:2]
    made = [
        [_part(place if place[0] else (kind, place[1]), plain, each) for each in definition.parts]
        for place in places
    ]
    return [each for each in made if all(each)]


def _part(place: second.Found, plain: Any, part: tuple[str, str, str]) -> str:
    """A value that the first of a part's values has."""
    _, kind, expression = part
    for each in second.parts_of(place, plain, expression)[:1]:
        for modifier, value in asks(kind, each, UNTARGETED):
            if not modifier and second.COMPARE[kind](each, second.unescaped(value), ""):
                return value
    return ""


UNTARGETED = search_definitions()[0]


@pytest.mark.parametrize("kind", sorted(advertised()))
def test_what_is_advertised_finds_what_a_second_evaluator_finds(
    kind: str, pytestconfig: pytest.Config
) -> None:
    more = 6 if pytestconfig.getoption("--every-search") else 1
    pairs = made(kind, more)
    for definition in advertised()[kind]:
        for modifier, value in queries(definition, kind, pairs, more):
            compare(kind, definition, modifier, value, pairs)
        assert FOUND[kind, definition.name], f"nothing is ever found by {definition.name}"


def compare(kind: str, definition: SearchDefinition, modifier: str, value: str, pairs: list[Pair]) -> None:
    name = f"{definition.name}:{modifier}" if modifier else definition.name
    query = parse(kind, [(name, value)], now=second.NOW)
    assert query.ignored == ()
    answers = query.within(second.KNOWN.get)
    said = modifier if modifier in MODIFIERS[definition.type] or not modifier else "type"
    if definition.type in WITH_PREFIX and not modifier:
        said = second.prefix(value)[0]
    for resource, plain in pairs:
        expected = second.holds(definition, kind, plain, modifier, value)
        assert answers(resource) is expected, (
            name,
            value,
            expected,
            second.found(kind, plain, definition.expression),
        )
        ASKED[definition.type, said] += 1
        MATCHED[definition.type, said] += expected
        FOUND[kind, definition.name] += expected and said not in ("missing", "not", "ne")


def test_records_of_people_are_found_alike() -> None:
    """The second evaluator and the first over the sample, whose values nobody chose for this."""
    by_kind: dict[str, list[Pair]] = {}
    for name in sample_names()[:3]:
        for entry in json.loads(sample_file(name), parse_float=Decimal, parse_int=Decimal)["entry"]:
            text = msgspec.json.Encoder(decimal_format="number").encode(entry["resource"])
            by_kind.setdefault(entry["resource"]["resourceType"], []).append(pair(text))
    assert len(by_kind) > 12
    for kind, found in by_kind.items():
        pairs = found[:: len(found) // 5 + 1]
        for definition in advertised()[kind]:
            for modifier, value in queries(definition, kind, pairs, 1):
                compare(kind, definition, modifier, value, pairs)


SEVERAL = (
    ("Condition", "Encounter", "Observation"),
    ("Patient", "Person", "RelatedPerson"),
    ("CodeSystem", "Questionnaire", "ValueSet"),
    ("Appointment", "Immunization", "Task"),
)


@pytest.mark.parametrize("kinds", SEVERAL, ids=",".join)
def test_what_several_types_have_finds_in_all_of_them_what_a_second_evaluator_finds(
    kinds: tuple[str, ...],
) -> None:
    of = {kind: {each.name: each for each in advertised()[kind]} for kind in kinds}
    pairs = {kind: made(kind, 1)[:4] for kind in kinds}
    common = set.intersection(*(set(each) for each in of.values()))
    assert common > {each.name for each in of_every_type()}
    asked, found = Counter[str](), Counter[str]()
    for name, kind in product(sorted(common), kinds):
        for modifier, value in queries(of[kind][name], kind, pairs[kind], 1)[:12]:
            whole = f"{name}:{modifier}" if modifier else name
            try:
                query = parse("Resource", [("_type", ",".join(kinds)), (whole, value)], now=second.NOW)
            except SearchRefused:
                assert any(refuses(each, whole, value) for each in kinds), (whole, value)
                continue
            assert query.ignored == ()
            answers = query.within(second.KNOWN.get)
            for other in kinds:
                for resource, plain in pairs[other]:
                    expected = second.holds(of[other][name], other, plain, modifier, value)
                    assert answers(resource) is expected, (whole, value, other, expected)
                    asked[other] += 1
                    found[other] += expected
    assert all(0 < found[kind] < asked[kind] for kind in kinds)
    for kind in kinds:
        for name in sorted(of[kind].keys() - common):
            asked_for = [("_type", ",".join(kinds)), (f"{name}:missing", "true")]
            assert parse("Resource", asked_for).ignored == (f"{name}:missing",)


def refuses(kind: str, name: str, value: str) -> bool:
    try:
        parse(kind, [(name, value)], now=second.NOW)
    except SearchRefused:
        return True
    return False


def of_every_type() -> list[SearchDefinition]:
    """What the CapabilityStatement says that all types have."""
    told = capability("http://here.example/fhir", "http://here.example", "2026-01-01T00:00:00Z")["rest"][0]
    known = {each.name: each for each in search_definitions() if "Resource" in each.bases}
    return [known[each["name"]] for each in told["searchParam"]]


def test_what_all_types_have_finds_in_every_type_what_a_second_evaluator_finds() -> None:
    pairs = {
        kind: [pair(Maker(f"{kind} of all {at}", 1.0 - at / 2, at).resource(kind)) for at in range(2)]
        for kind in sorted(advertised())
    }
    asked = matched = 0
    for definition in of_every_type():
        some = [each for kind in ("Basic", "Condition", "Patient") for each in pairs[kind]]
        for modifier, value in queries(definition, "Basic", some, 1):
            whole = f"{definition.name}:{modifier}" if modifier else definition.name
            query = parse("Resource", [(whole, value)], now=second.NOW)
            assert query.ignored == ()
            answers = query.within(second.KNOWN.get)
            for kind, both in pairs.items():
                for resource, plain in both:
                    expected = second.holds(definition, kind, plain, modifier, value)
                    assert answers(resource) is expected, (whole, value, kind, expected)
                    asked, matched = asked + 1, matched + expected
    assert {each.name for each in of_every_type()} >= {"_id", "_lastUpdated", "_tag", "_profile", "_security"}
    assert 0 < matched < asked


def test_each_modifier_and_prefix_was_answered_both_ways() -> None:
    if sum(ASKED.values()) < 100_000:
        pytest.skip("the comparisons ran elsewhere")
    every = {
        (kind, each) for kind, found in MODIFIERS.items() for each in ("", *found) if kind not in WITH_PREFIX
    }
    every |= {(kind, each) for kind in WITH_PREFIX for each in ("missing", *PREFIXES)} | {
        ("reference", "type")
    }
    assert {one for one in every if not 0 < MATCHED[one] < ASKED[one]} == set()
