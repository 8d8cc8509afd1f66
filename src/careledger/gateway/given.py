"""What parameters say that several routes read alike."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from careledger.domain.errors import FhirRefused
from careledger.fhir.json_text import Number
from careledger.fhir.searching.moments import since_of
from careledger.gateway.http import Asked, refuse_if_strict
from careledger.gateway.sent import sent


def whole_number(asked: Asked, name: str) -> int | None:
    """The last value of a parameter that is a count; raises FhirRefused."""
    values = asked.values(name)
    if not values:
        return None
    if not (values[-1].isascii() and values[-1].isdigit() and len(values[-1]) < 9):
        raise FhirRefused(path=name, problem="not a whole number")
    return int(values[-1])


def since_when(asked: Asked) -> int:
    """The second (unix) with which ``_since`` begins, 0 where it was not given; raises FhirRefused."""
    begun = [since_of(each) for each in asked.values("_since")[-1:]] or [0]
    if begun[0] is None:
        raise FhirRefused(path="_since", problem="not an instant")
    return begun[0]


def said_in(body: bytes) -> list[tuple[str, str]]:
    """The parameters of a Parameters resource as an address would give them; raises FhirRefused for what is no simple
    value."""
    made = []
    for at, each in enumerate(sent("Parameters", body).get("parameter", ())):
        values = [value for name, value in each.items() if name.startswith("value")]
        if len(values) != 1 or not isinstance(values[0], str | bool | Number):
            raise FhirRefused(path=f"Parameters.parameter[{at}]", problem="not a simple value")
        made.append((str(each["name"]), _text(values[0])))
    return made


def said_too(asked: Asked, looked_at: Collection[str]) -> Asked:
    """The same with what a Parameters resource in the body says, as any operation may be asked (R4
    operations.html#executing); raises FhirRefused."""
    more = said_in(asked.body) if asked.body else []
    passed_over = tuple(dict.fromkeys(name for name, _ in more if name not in looked_at))
    refuse_if_strict(asked.headers, passed_over)
    return replace(asked, given=[*asked.given, *more], ignored=(*asked.ignored, *passed_over))


def _text(value: str | bool | Number) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value.decimal) if isinstance(value, Number) else value
