"""Records as a FHIR server shows them: under their own ids, versions and times, nothing of what they say altered.

A record's FHIR id is its record id as a UUID, its version the handle. A patient is ``Patient/`` and the alias: every
Patient record of that alias is shown under it, and what refers to one of them refers to the alias. A reference to a
record that is not shown stays what the record says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from uuid import UUID

from careledger.domain.categories import Compartment
from careledger.domain.errors import FhirRefused, StoreUnavailable
from careledger.fhir.export import resource_of
from careledger.fhir.json_text import Resource
from careledger.fhir.references import rewritten
from careledger.formats.bodies import SealedContent
from careledger.workflows.retrieve import Record, newest

ALIAS = "urn:careledger:alias"
"""The identifier system of aliases."""


@dataclass(frozen=True, repr=False)
class Seen:
    """What one look at a patient showed; ``closed`` are the compartments that the post's ground does not open,
    whether or not they hold anything; ``types`` are the only ones that an app's scopes show. Never printed."""

    alias: bytes
    records: tuple[Record, ...]
    closed: tuple[Compartment, ...]
    complete: bool
    types: tuple[str, ...] | None = None


@dataclass(frozen=True, repr=False)
class Shown:
    """One version as it is shown, ``anchored`` in unix seconds; never printed. ``place`` orders versions: the block,
    and which one in its deposit; ``beside`` is the file that lies beside it, if one does; ``about``: under which
    alias it lies, empty where it is no record."""

    type: str
    id: str
    version: str
    anchored: int
    resource: Resource
    place: tuple[int, int] = (0, 0)
    beside: SealedContent | None = None
    about: bytes = b""

    @property
    def path(self) -> str:
        """Type/id."""
        return f"{self.type}/{self.id}"

    @property
    def etag(self) -> str:
        """The version as HTTP's weak entity tag."""
        return f'W/"{self.version}"'

    @property
    def updated(self) -> str:
        """When it came to be, as a FHIR instant; empty for what is no record."""
        return str(self.resource.get("meta", {}).get("lastUpdated", ""))


@dataclass(frozen=True, repr=False)
class View:
    """One patient's records as resources; never printed. ``own`` are versions that the organisation wrote and that
    were released, of epochs whose keys have not come yet: newer than all that opened."""

    seen: Seen
    own: tuple[Shown, ...] = ()

    @cached_property
    def current(self) -> dict[str, Shown]:
        """The newest version of every record by Type/id, in the order of their anchors."""
        shown = (self.shown(record) for record in newest(self.seen.records))
        found = {each.path: each for each in shown if each is not None and each.type != "Patient"}
        return {self.patient.path: self.patient, **found, **{each.path: each for each in self._own}}

    @cached_property
    def _own(self) -> list[Shown]:
        """Oldest first, with references as records have them here."""
        linked = [replace(each, resource=rewritten(each.resource, self._names.get)) for each in self.own]
        return sorted(linked, key=lambda each: each.place)

    @cached_property
    def patient(self) -> Shown:
        """The patient: the newest Patient record that is shown, or the alias and nothing else."""
        made = [
            shown
            for record in newest(self.seen.records)
            if record.manifest.resource_type == "Patient" and (shown := self.shown(record)) is not None
        ]
        if made:
            return max(made, key=lambda each: each.place)
        alias = self.seen.alias.hex()
        return Shown("Patient", alias, "0", 0, {"resourceType": "Patient", "id": alias, "identifier": [
            {"system": ALIAS, "value": alias}
        ]}, about=self.seen.alias)  # fmt: skip

    def record(self, shown: Shown) -> Record | None:
        """The record's version that is shown so; None for a patient who is only an alias."""
        return self._records.get(shown.version)

    @cached_property
    def _records(self) -> dict[str, Record]:
        return {each.handle.hex(): each for each in self.seen.records}

    @cached_property
    def handles(self) -> frozenset[bytes]:
        """All versions that are seen."""
        return frozenset(each.handle for each in self.seen.records)

    def followed(self, shown: Shown) -> Record | None:
        """The same for whoever writes the next version; raises StoreUnavailable where its key has not come yet."""
        if any(each.version == shown.version for each in self.own):
            raise StoreUnavailable(why="the patient's new key is still on its way")
        return self.record(shown)

    def versions(self, path: str) -> list[Shown]:
        """All versions that are shown of one record, the newest first."""
        made = [shown for record in self.seen.records if (shown := self.shown(record)) is not None]
        if path == self.patient.path and not any(each.path == path for each in made):
            made.append(self.patient)
        found = [each for each in (*made, *self._own) if each.path == path]
        return sorted(found, key=lambda each: each.place, reverse=True)

    def shown(self, record: Record) -> Shown | None:
        """One version as it is shown here; None for what is not FHIR."""
        try:
            resource = resource_of(record.body)
        except FhirRefused:
            return None
        kind, time = str(resource["resourceType"]), record.found.anchor.time
        id = self._id(kind, record.manifest.record_id)
        updated = datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        stated = resource.get("meta")
        meta = {
            **(stated if isinstance(stated, dict) else {}),
            "versionId": record.handle.hex(),
            "lastUpdated": updated,
        }
        made = {**rewritten(resource, self._names.get), "id": id, "meta": meta}
        place = record.found.anchor.block, record.found.row.index
        return Shown(kind, id, record.handle.hex(), time, made, place, record.body.beside, self.seen.alias)

    @cached_property
    def _names(self) -> Mapping[str, str]:
        """What a reference to each record that is shown becomes."""
        return {
            f"urn:uuid:{UUID(bytes=each.manifest.record_id)}": f"{each.manifest.resource_type}/"
            + self._id(each.manifest.resource_type, each.manifest.record_id)
            for each in self.seen.records
        } | {f"urn:uuid:{each.id}": each.path for each in self.own if each.type != "Patient"}

    def _id(self, kind: str, record_id: bytes) -> str:
        return self.seen.alias.hex() if kind == "Patient" else str(UUID(bytes=record_id))


def everything(views: Iterable[View]) -> list[Shown]:
    """Every current resource of these patients."""
    return [shown for view in views for shown in view.current.values()]
