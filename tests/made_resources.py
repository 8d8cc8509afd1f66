"""Resources of every type of FHIR R4, made of the published shapes and a fixed choice of values: as JSON text.

They are well typed and need not be sensible: every element of a type, every type of a choice and every depth comes up.
"""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import Any

import msgspec

from careledger.fhir.definitions.tables import definitions

LEFT_OUT = {"extension", "modifierExtension", "contained", "implicitRules"}
DEEPEST = 5
WORDS = ["Élan vital", "elan", "Rue, 5", "Ångström  x", "b"]
CODES = ["Abc", "abc", "Def", "x-1"]
SYSTEMS = ["urn:s", "http://s.example/t"]
URLS = ["http://u.example/a/b", "http://u.example/a", "http://u.example/a/b/c", "urn:oid:1.2.3"]
MOMENTS = [
    "2020-05-06T10:00:00Z",
    "2020-05-06T23:30:00.250-05:00",
    "2019-12-31T23:59:59Z",
    "2021-01-01T00:00:00+02:00",
]
DATES = ["2020-05-06", "2020-05", "2020", "2019-12-31", "2021-01-01"]
NUMBERS = ["5.4", "5.40", "100", "-3", "0", "0.0050", "1e2"]
NAMED = ["1", "2", "3"]
POOLS: dict[str, list[Any]] = {
    "boolean": [True, False],
    "code": CODES,
    "string": WORDS,
    "markdown": WORDS,
    "id": ["Abc", "abc", "x-1"],
    "uri": URLS,
    "url": URLS,
    "canonical": ["http://u.example/a/b|1", "http://u.example/a/b|2", "http://u.example/a"],
    "date": DATES,
    "dateTime": DATES + MOMENTS,
    "instant": MOMENTS,
    "time": ["10:00:00"],
    "decimal": [Decimal(each) for each in NUMBERS],
    "integer": [Decimal(each) for each in ("5", "100", "0", "-3")],
    "unsignedInt": [Decimal("5"), Decimal("0")],
    "positiveInt": [Decimal("5"), Decimal("7")],
    "base64Binary": ["eA=="],
    "oid": ["urn:oid:1.2.3"],
    "uuid": ["urn:uuid:00000000-0000-0000-0000-000000000001"],
    "xhtml": ['<div xmlns="http://www.w3.org/1999/xhtml">x</div>'],
}
ELSEWHERE = ["urn:uuid:00000000-0000-0000-0000-000000000001", "http://x.example/fhir/Group/3"]


class Maker:
    """Makes resources; ``fill`` is the share of elements that is there, ``turn`` which type of each choice."""

    def __init__(self, seed: str, fill: float, turn: int) -> None:
        self._random = Random(seed)
        self._fill = fill
        self._turn = turn

    def resource(self, kind: str) -> bytes:
        """One resource as JSON."""
        made = {"resourceType": kind, **self._elements(kind, (kind,))}
        return _ENCODER.encode(made)

    def _elements(self, shape: str, above: tuple[str, ...]) -> dict[str, Any]:
        elements = definitions().shapes[shape]["elements"]
        made: dict[str, Any] = {}
        choices = definitions().shapes[shape].get("choices", {})
        chosen = (
            {"boundsPeriod"}
            if shape == "Timing.repeat"
            else {names[self._turn % len(names)] for _, names in choices.values()}
        )
        left_out = {name for _, names in choices.values() for name in names} - chosen | LEFT_OUT
        for name, element in elements.items():
            if name in left_out or element["type"] == "Narrative" or (name == "id" and len(above) > 1):
                continue
            if self._random.random() < self._fill:
                value = self._value(element, above)
                if value not in (None, {}):
                    more = [self._value(element, above)] if element["max"] == 0 and self._fill < 1 else []
                    made[name] = [value, *(each for each in more if each)] if element["max"] == 0 else value
        return made

    def _value(self, element: dict[str, Any], above: tuple[str, ...]) -> Any:
        kind = element["type"]
        if kind == "Reference":
            return self._reference(element.get("targets", ["Patient", "Group"]), above)
        if kind == "Resource":
            return {"resourceType": self._pick(["Patient", "Composition", "MessageHeader"]), "id": "1"}
        if kind == "code" and element.get("bound", ("",))[0] == "required":
            systems = definitions().sets.get(element["bound"][1], {}).get("codes", {})
            return self._pick([each for codes in systems.values() for each in codes][:12] or CODES)
        if kind in POOLS:
            return self._pick(POOLS[kind])
        if kind in above or len(above) > DEEPEST or kind not in definitions().shapes:
            return None
        return self._shaped(kind, (*above, kind))

    def _shaped(self, kind: str, above: tuple[str, ...]) -> dict[str, Any]:
        made = self._elements(kind, above)
        if "system" in made:
            made["system"] = self._pick(["phone", "email"] if kind == "ContactPoint" else SYSTEMS)
        if kind in ("Coding", "Quantity", "SimpleQuantity", "Age", "Duration") and "code" in made:
            made["code"] = self._pick(CODES)
        if "comparator" in made:
            made["comparator"] = self._pick(["<", "<=", ">", ">="])
        if kind == "SampledData" and "data" in made:
            made["data"] = self._pick(["5.4 E 100", "U 1", "E"])
        return made

    def _reference(self, targets: list[str], above: tuple[str, ...]) -> dict[str, Any]:
        kind = targets[self._turn % len(targets)] if self._fill == 1 else self._pick(targets)
        text = self._pick([f"{kind}/{name}" for name in NAMED] + [f"{kind}/1/_history/2", *ELSEWHERE])
        identifier = {"system": self._pick(SYSTEMS), "value": self._pick(CODES)}
        made: dict[str, Any] = self._pick([{}, {}, {"identifier": identifier}])
        return {**made, "reference": text}

    def _pick(self, pool: list[Any]) -> Any:
        return self._random.choice(pool)


_ENCODER = msgspec.json.Encoder(decimal_format="number")
