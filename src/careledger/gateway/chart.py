"""An organisation's own writings, read back inside its walls: asks no custodian, and needs nobody's consent.

Which record lies where is kept in memory, made once of the author's copies and continued with what is written here;
while a gateway has the directory open, nobody else writes. A post reads of it what the matrix lets its roles read, and
of that what still stands: neither what was taken back or moved, nor what was undone with its import or erased.
"""

from __future__ import annotations

from uuid import UUID

from careledger.domain.categories import Category, Compartment
from careledger.domain.errors import FhirRefused, RecordGone
from careledger.fhir.export import resource_of
from careledger.gateway.views import Shown
from careledger.workflows.actors import Organisation
from careledger.workflows.chart import ChartEntry, Fate, Kept, fate, kept, read_back
from careledger.workflows.network import Network


class Chart:
    """The charts of the organisations whose posts ask at one gateway; not to be used by two threads at once."""

    def __init__(self) -> None:
        self._filed: dict[int, dict[bytes, list[Kept]]] = {}

    def alias(self, network: Network, organisation: Organisation, record_id: bytes) -> bytes | None:
        """The patient of whom this organisation wrote that record; of several, to whom it was moved, the last."""
        filed = self._of(organisation).get(record_id, [])
        standing = [each for each in filed if fate(network, organisation, each) is Fate.STANDS]
        return next((each.copy.alias for each in reversed(standing or filed)), None)

    def versions(
        self, network: Network, organisation: Organisation, record_id: bytes, closed: frozenset[Category]
    ) -> list[Shown]:
        """Its versions that stand, the newest first; none of another's record, nor of a category that is closed.

        Raises RecordGone where all of them were taken back.
        """
        filed = self._of(organisation).get(record_id, [])
        filed = [each for each in filed if Compartment.numbered(each.copy.compartment).category not in closed]
        fates = [fate(network, organisation, each) for each in filed]
        standing = [each.copy for each, what in zip(filed, fates, strict=True) if what is Fate.STANDS]
        if not standing and Fate.RETRACTED in fates:
            raise RecordGone()
        entries = [read_back(network, organisation, copy.handle, copy.alias) for copy in standing]
        made = [as_shown(entry, at) for at, entry in enumerate(entries)]
        return [each for each in reversed(made) if each is not None]

    def forget(self, organisation: Organisation) -> None:
        """Something was written: the chart is read anew when it is next needed."""
        self._filed.pop(organisation.number, None)

    def _of(self, organisation: Organisation) -> dict[bytes, list[Kept]]:
        """By record, its versions in the order of writing."""
        if organisation.number not in self._filed:
            made: dict[bytes, list[Kept]] = {}
            for each in kept(organisation):
                made.setdefault(each.copy.record_id, []).append(each)
            self._filed[organisation.number] = made
        return self._filed[organisation.number]


def as_shown(entry: ChartEntry, place: int) -> Shown | None:
    """One's own version as a resource; None for what is none."""
    try:
        resource = resource_of(entry.body)
    except FhirRefused:
        return None
    kind, handle = str(resource["resourceType"]), entry.copy.handle.hex()
    id = entry.copy.alias.hex() if kind == "Patient" else str(UUID(bytes=entry.copy.record_id))
    stated = resource.get("meta")
    meta = {**(stated if isinstance(stated, dict) else {}), "versionId": handle}
    return Shown(kind, id, handle, 0, {**resource, "id": id, "meta": meta}, (0, place))
