"""An organisation's own writings, read back inside its walls: asks no custodian, and needs nobody's consent.

Which record lies where is kept in memory, made once of the author's copies and continued with what is written here;
while a gateway has the directory open, nobody else writes. A post reads of it what the matrix lets its roles read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from careledger.domain.categories import Category, Compartment
from careledger.domain.errors import FhirRefused
from careledger.fhir.export import resource_of
from careledger.gateway.views import Shown
from careledger.workflows.actors import Organisation
from careledger.workflows.chart import ChartEntry, copies, read_back
from careledger.workflows.network import Network


@dataclass
class _Filed:
    """Where the versions of one record are: whose, which category, handles in the order of writing."""

    alias: bytes
    compartment: int
    handles: list[bytes] = field(default_factory=list)


class Chart:
    """The charts of the organisations whose posts ask at one gateway; not to be used by two threads at once."""

    def __init__(self) -> None:
        self._filed: dict[int, dict[bytes, _Filed]] = {}

    def alias(self, organisation: Organisation, record_id: bytes) -> bytes | None:
        """The patient of whom this organisation wrote that record."""
        filed = self._of(organisation).get(record_id)
        return filed.alias if filed is not None else None

    def versions(
        self, network: Network, organisation: Organisation, record_id: bytes, closed: frozenset[Category]
    ) -> list[Shown]:
        """Its versions, the newest first; none of another's record, nor of one in a category that is closed."""
        filed = self._of(organisation).get(record_id)
        if filed is None or Compartment.numbered(filed.compartment).category in closed:
            return []
        entries = [read_back(network, organisation, handle, filed.alias) for handle in filed.handles]
        made = [_shown(entry, at) for at, entry in enumerate(entries)]
        return [each for each in reversed(made) if each is not None]

    def forget(self, organisation: Organisation) -> None:
        """Something was written: the chart is read anew when it is next needed."""
        self._filed.pop(organisation.number, None)

    def _of(self, organisation: Organisation) -> dict[bytes, _Filed]:
        if organisation.number not in self._filed:
            made: dict[bytes, _Filed] = {}
            for copy in copies(organisation):
                filed = made.setdefault(copy.record_id, _Filed(copy.alias, copy.compartment))
                filed.handles.append(copy.handle)
            self._filed[organisation.number] = made
        return self._filed[organisation.number]


def _shown(entry: ChartEntry, place: int) -> Shown | None:
    try:
        resource = resource_of(entry.body)
    except FhirRefused:
        return None
    kind, handle = str(resource["resourceType"]), entry.copy.handle.hex()
    id = entry.copy.alias.hex() if kind == "Patient" else str(UUID(bytes=entry.copy.record_id))
    stated = resource.get("meta")
    meta = {**(stated if isinstance(stated, dict) else {}), "versionId": handle}
    return Shown(kind, id, handle, 0, {**resource, "id": id, "meta": meta}, (0, place))
