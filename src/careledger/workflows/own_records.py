"""One's own writings patient by patient, for whoever goes through all of them: what each record is now, and since when.

The order is that of aliases and, within one, of record ids, whatever is written meanwhile. Asks nobody.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from careledger.domain.categories import Category, Compartment
from careledger.formats.charts import AuthorsCopies, AuthorsCopy
from careledger.sealing import versions as sealed
from careledger.workflows.actors import Organisation
from careledger.workflows.chart import ChartEntry, Fate, Kept, copy_key_of, fate, opened
from careledger.workflows.deposited import COPIES, copies_of, undone_at
from careledger.workflows.network import Network
from careledger.workflows.retract import retracted

ALIAS = 32
LAST = b"\xff" * 25  # no key of an alias's copies stands after the alias and these


@dataclass(frozen=True, repr=False)
class Newest:
    """The newest version of a record that stands, or of one that does not the newest of all; never printed.

    ``moved``: it stands at another alias. ``changed`` is when any of its versions was written, taken back or undone
    last, in unix seconds; None where that is not known.
    """

    deposit: AuthorsCopies
    place: int
    copy: AuthorsCopy
    stands: bool
    moved: bool
    changed: int | None


class OwnRecords:
    """What an organisation deposited of one patient, without closed categories; opened when it is asked for.

    ``newest`` is by record id, once ``read`` has ended. A deposit's key is opened once.
    """

    def __init__(
        self, network: Network, organisation: Organisation, alias: bytes, closed: frozenset[Category]
    ) -> None:
        self._network, self._organisation = network, organisation
        self._keys: dict[bytes, sealed.CopyKey] = {}
        self._alias, self._closed = alias, closed
        self.newest: dict[bytes, Newest] = {}

    def read(self) -> Iterator[None]:
        """Learns what there is, version by version."""
        found: dict[bytes, Newest] = {}
        for deposit in copies_of(self._organisation.books, self._alias):
            for place, copy in enumerate(deposit.rows()):
                if Compartment.numbered(copy.compartment).category not in self._closed:
                    made = self._made(deposit, place, copy)
                    found[copy.record_id] = _after(found.get(copy.record_id), made)
                yield
        self.newest = dict(sorted(found.items()))

    def entry(self, record_id: bytes) -> ChartEntry:
        """Its newest version; raises as ``chart.opened``."""
        found = self.newest[record_id]
        key = self._keys.get(found.deposit.id)
        if key is None:
            key = self._keys[found.deposit.id] = copy_key_of(self._organisation, found.deposit)
        return opened(self._network, key, found.place, found.copy)

    def _made(self, deposit: AuthorsCopies, place: int, copy: AuthorsCopy) -> Newest:
        books = self._organisation.books
        what = fate(self._network, self._organisation, Kept(deposit.id, copy))
        if what is Fate.STANDS:
            return Newest(deposit, place, copy, True, False, deposit.made)
        back = retracted(books, copy.handle)
        times = (undone_at(books, deposit.id) or 0, back.at if back else 0)
        return Newest(deposit, place, copy, False, bool(back and back.successor), max(times) or None)


def _after(before: Newest | None, made: Newest) -> Newest:
    if before is None:
        return made
    known = [each.changed for each in (before, made) if each.changed is not None]
    found = made if made.stands or not before.stands else before
    return replace(found, changed=max(known) if len(known) == 2 else None)


def next_alias(organisation: Organisation, after: bytes) -> bytes | None:
    """The first alias after that one, or of all after none, of whom this organisation deposited something."""
    found = organisation.books.keys(COPIES, after + LAST if after else b"", 1)
    return found[0][:ALIAS] if found else None
