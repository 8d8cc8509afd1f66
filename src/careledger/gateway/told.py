"""What an answer shows of records, or who somebody is, noted in the organisation's own log of reads before it goes out.

A token that is shown the same version again within a quarter of an hour is not noted again: a line says that from its
second on, and for so long, the token was shown what it names.
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from careledger.app.tokens import Bearer
from careledger.app.world import World
from careledger.domain.questions import LONGEST_LEASE
from careledger.formats.own_reads import MOST_SHOWN, OwnRead
from careledger.gateway.http import Answer, Asked, Handler, Plain, Streamed

MOST_KEPT = 500_000
"""How many versions are remembered as noted a short time ago; beyond, the oldest are forgotten and noted again."""
ABOUT = ("subject", "patient", "beneficiary", "individual", "for")
_PATIENT = re.compile(r"(?:.*/)?Patient/([0-9a-f]{64})")
_ALIAS = re.compile(r"[0-9a-f]{64}")
Resource = Mapping[str, Any]


class Told:
    """For one gateway; used by the event loop alone."""

    def __init__(self, world: World, base: str) -> None:
        self._world, self._base = world, base
        self._noted: dict[tuple[bytes, str], int] = {}

    async def note(self, who: Bearer, handler: Handler, asked: Asked, made: Answer) -> None:
        """Durable when it returns; raises StoreUnavailable, and then nothing may be shown."""
        shown = shown_in(self._base, made, whom(handler, asked))
        await self.note_shown(who, f"{handler.method} {handler.path}", shown)

    async def note_shown(self, who: Bearer, kind: str, shown: Iterable[tuple[bytes, str]]) -> None:
        """Likewise, about whom and what a request of that kind shows."""
        now, by_patient = self._world.clock.now(), defaultdict[bytes, list[str]](list)
        for patient, named in shown:
            if self._noted.get((who.digest, named), 0) <= now:
                by_patient[patient].append(named)
        if not by_patient:
            return
        lines = [
            OwnRead(
                now, who.staff.number, who.digest, who.purpose.code, kind, patient,
                tuple(names[at : at + MOST_SHOWN]), bytes(32),
            )
            for patient, names in by_patient.items()
            for at in range(0, len(names), MOST_SHOWN)
        ]  # fmt: skip
        log = self._world.read_log(who.staff.organisation)
        await asyncio.wrap_future(log.note(lines))
        self._remember([(who.digest, each) for names in by_patient.values() for each in names], now)

    def _remember(self, noted: Iterable[tuple[bytes, str]], now: int) -> None:
        """For a quarter of an hour; the last one noted is the last to go."""
        for each in noted:
            self._noted.pop(each, None)
            self._noted[each] = now + LONGEST_LEASE
        while self._noted and (len(self._noted) > MOST_KEPT or next(iter(self._noted.values())) <= now):
            del self._noted[next(iter(self._noted))]


def shown_in(base: str, made: Answer, whom: bytes) -> Iterator[tuple[bytes, str]]:
    """About whom (empty where that is not said) and what an answer shows: records' versions, members of a Bundle, or
    what a file was made of. ``whom``: of whom all was asked."""
    if isinstance(made, Plain | Streamed):
        yield from made.shows
        return
    if made.shown is not None:
        if made.shown.resource.get("resourceType") != "OperationOutcome":
            yield (
                made.shown.about or patient_of(made.shown.resource),
                named(made.shown.path, made.shown.version),
            )
        return
    for of, part in made.parts:
        yield from shown_in(base, part, of)
    about = {f"{base}/{each.path}": each.about for each in made.lists}
    for entry in (made.resource or {}).get("entry", ()):
        resource, url = entry.get("resource"), str(entry.get("fullUrl", ""))
        if resource and url.startswith(f"{base}/"):
            version = str(resource.get("meta", {}).get("versionId", ""))
            yield about.get(url) or whom or patient_of(resource), named(url.removeprefix(f"{base}/"), version)


def whom(handler: Handler, asked: Asked) -> bytes:
    """The patient whose compartment a route is about, empty for any other."""
    given = asked.path.get("id", "") if handler.path.startswith("/Patient/{id}/") else ""
    return bytes.fromhex(given) if _ALIAS.fullmatch(given) else b""


def named(path: str, version: str) -> str:
    """A version, or what has none."""
    return f"{path}/_history/{version}" if version not in ("", "0") else path


def patient_of(resource: Resource) -> bytes:
    """The alias of whom a resource is about, as far as it says so in one of the usual places."""
    if resource.get("resourceType") == "Patient":
        found = _ALIAS.fullmatch(str(resource.get("id", "")))
        return bytes.fromhex(found[0]) if found else b""
    for name in ABOUT:
        stated = resource.get(name)
        if isinstance(stated, dict) and (found := _PATIENT.fullmatch(str(stated.get("reference", "")))):
            return bytes.fromhex(found[1])
    return b""
