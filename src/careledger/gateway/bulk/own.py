"""An organisation's own writings, patient after patient: what an export of them holds, record by record.

The order is that of alias and record id, so that a walk that broke off goes on behind the last record that is durable.
A patient is looked through before anything of it is written, because a reference is named by what it leads to.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

from careledger.app.world import World
from careledger.domain.errors import CareLedgerError, FhirRefused
from careledger.fhir.json_text import Resource
from careledger.fhir.references import rewritten
from careledger.formats.deposits import sliced
from careledger.gateway import identities
from careledger.gateway.bulk.jobs import DELETED, ERROR
from careledger.gateway.bulk.wanted import ALIAS, END, OUTCOME, Answers, Line, Step, Wanted
from careledger.gateway.outcomes import refusal
from careledger.gateway.own.showing import as_shown
from careledger.gateway.views import Shown
from careledger.workflows.actors import Organisation
from careledger.workflows.own_records import OwnRecords, next_alias
from careledger.workflows.register import next_identity

MOST_KEPT = 2**20
"""Bytes of one patient's records that are kept between the two looks at them; the others are opened again."""


@dataclass
class _Patient:
    """What is known of one patient's records after the first look."""

    own: OwnRecords
    alias: bytes
    named: dict[bytes, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    kept: dict[bytes, Shown] = field(default_factory=dict)
    failed: dict[bytes, CareLedgerError] = field(default_factory=dict)
    room: int = MOST_KEPT

    def shown(self, record_id: bytes) -> Shown | None:
        """The record as it is shown, under the names of this chart; None for what is no resource."""
        found = self.kept.get(record_id)
        return found if found is not None else self.opened(record_id)[0]

    def opened(self, record_id: bytes) -> tuple[Shown | None, int]:
        """The same opened again, and how many bytes it has."""
        entry, newest = self.own.entry(record_id), self.own.newest[record_id]
        size = len(entry.body.canonical)
        try:
            return as_shown(entry, newest.deposit.made, newest.place), size
        except FhirRefused:
            return None, size

    def look(self, record_id: bytes) -> None:
        """Learns its name, and keeps it while there is room; what cannot be opened is remembered as such."""
        try:
            shown, size = self.opened(record_id)
        except CareLedgerError as error:
            self.failed[record_id] = error
            return
        if shown is None:
            return
        self.named[record_id] = shown.path
        if self.own.newest[record_id].stands:
            self.links[f"urn:uuid:{UUID(bytes=record_id)}"] = shown.path
        if size <= self.room:
            self.kept[record_id], self.room = shown, self.room - size

    def linked(self, shown: Shown) -> Resource:
        """The resource with its references to records of this patient under the names that these have."""
        return rewritten(shown.resource, self.links.get)

    def persons(self) -> list[bytes]:
        """The Patient records, all of which are shown as the one that was written last."""
        path, newest = f"Patient/{self.alias.hex()}", self.own.newest
        found = [each for each in newest if self.named.get(each) == path]
        return sorted(
            found, key=lambda each: (newest[each].stands, newest[each].deposit.made, newest[each].place)
        )


class OwnWalk:
    """The walk through one organisation's writings for one export."""

    def __init__(self, world: World, organisation: Organisation, wanted: Wanted) -> None:
        self._world, self._organisation, self._wanted = world, organisation, wanted

    def steps(self, cursor: bytes) -> Iterator[Step | None]:
        """What comes behind the cursor, from the beginning if it is empty; None where it only took time."""
        alias, record = cursor[:ALIAS], cursor[ALIAS:]
        if alias and record != END:
            yield from self._patient(alias, record)
        following = self._next(alias)
        while following is not None:
            yield from self._patient(following, b"")
            following = self._next(following)

    def _next(self, after: bytes) -> bytes | None:
        if self._wanted.patients:
            return next((each for each in sliced(self._wanted.patients, ALIAS) if each > after), None)
        found = next_alias(self._organisation, after), next_identity(self._organisation, after)
        return min((each for each in found if each is not None), default=None)

    def _patient(self, alias: bytes, after: bytes) -> Iterator[Step | None]:
        wanted = self._wanted
        own = OwnRecords(self._world.network, self._organisation, alias, wanted.closed)
        yield from own.read()
        patient, newest = _Patient(own, alias), own.newest
        if any(wanted.changed(each.changed) for each in newest.values()):
            for record_id, each in newest.items():
                if each.stands or (wanted.since is not None and not each.moved):
                    patient.look(record_id)
                    yield None
        persons, answers = patient.persons(), self._answers(patient)
        person = persons[-1] if persons and newest[persons[-1]].stands else None
        other = any(wanted.changed(newest[each].changed) for each in persons)
        for record_id in newest:
            if record_id > after and (record_id not in persons or record_id == person):
                changed = other if record_id == person else wanted.changed(newest[record_id].changed)
                yield Step(alias + record_id, self._line(patient, record_id, answers) if changed else ())
        first = min((each.deposit.made for each in newest.values()), default=None)
        new = person is None and (other or wanted.changed(first))
        yield Step(alias + END, self._registered(alias, answers) if new else (), True)

    def _answers(self, patient: _Patient) -> Answers:
        paths = {
            path: each
            for each, path in patient.named.items()
            if patient.own.newest[each].stands and self._wanted.shows(path.partition("/")[0])
        }

        def resolve(reference: str) -> Resource | None:
            shown = patient.shown(paths[reference]) if reference in paths else None
            return None if shown is None else patient.linked(shown)

        return self._wanted.answers(patient.alias, resolve)

    def _line(self, patient: _Patient, record_id: bytes, answers: Answers) -> list[Line]:
        newest = patient.own.newest[record_id]
        if not newest.stands:
            return [] if newest.moved else self._deleted(patient, record_id)
        if record_id in patient.failed:
            return [Line(ERROR, OUTCOME, refusal(patient.failed[record_id]))]
        kind = patient.named.get(record_id, "").partition("/")[0]
        if not kind or not self._wanted.of_type(kind):
            return []
        try:
            shown = patient.shown(record_id)
        except CareLedgerError as error:
            return [Line(ERROR, OUTCOME, refusal(error))]
        return [] if shown is None else self._wanted.line(patient.linked(shown), answers)

    def _registered(self, alias: bytes, answers: Answers) -> list[Line]:
        """Who is in the identity table and has no Patient record; who is registered is so before the first record."""
        found = identities.one(self._organisation, alias)
        return [] if found is None else self._wanted.line(found.resource, answers)

    def _deleted(self, patient: _Patient, record_id: bytes) -> list[Line]:
        """That a record is no more; a patient is as long as the alias is."""
        path = patient.named.get(record_id, "")
        kind = path.partition("/")[0]
        if self._wanted.since is None or not kind or not self._wanted.of_type(kind):
            return []
        entry = {"request": {"method": "DELETE", "url": path}}
        return [Line(DELETED, "Bundle", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]})]
