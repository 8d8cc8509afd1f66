"""The own charts that a gateway reads: each organisation's index, kept level with its author's copies.

What is written here is in it at once. What a crash, an import or a command left is found by comparing names, alias by
alias, in slices between which requests are answered. Nothing in the index is believed: what became of a version is
asked of the books and the ledger when it is shown, and its bytes are verified as everywhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple, TypeVar
from uuid import UUID

from careledger.adapters.index.file import WritingsFile, remove
from careledger.app.own_index import open_or_remake, place
from careledger.app.world import World
from careledger.domain.errors import CareLedgerError, FhirRefused, StoreCorrupt, StoreUnavailable
from careledger.fhir.json_text import Resource
from careledger.fhir.searching.indexing import entries_of, naming
from careledger.formats.charts import AuthorsCopies
from careledger.formats.indexing import Entry, Filed
from careledger.gateway.own.showing import as_shown, named_in, uuid_text
from careledger.sealing.versions import CopyKey
from careledger.workflows.actors import Organisation
from careledger.workflows.chart import ChartEntry, Fate, Kept, fate, opened
from careledger.workflows.deposited import COPIES, UNDONE
from careledger.workflows.network import Network
from careledger.workflows.retract import RETRACTED, retracted

SLICE, OPENING = 0.01, 0.25
"""Seconds for which the index is brought level before the next request gets its turn, and when it is opened."""
AT_ONCE = 16
MOST_KEYS, MOST_ASKED = 4_096, 500
T = TypeVar("T")


class Writings:
    """One organisation's own writings; not to be used by two threads at once."""

    def __init__(self, world: World, organisation: Organisation) -> None:
        self._world, self.organisation = world, organisation
        self._file = open_or_remake(world, organisation)
        self._keys: dict[bytes, CopyKey] = {}
        self._written: dict[bytes, None] = {}
        self._part: Iterator[None] | None = None
        self._work: Iterator[None] | None = self._everything()
        self.lacking = False

    @property
    def level(self) -> bool:
        """Whether everything that was written is in the index."""
        return self._work is None and self._part is None and not self._written

    def wrote(self, aliases: Iterable[bytes]) -> None:
        """Something was written about these."""
        self._written.update(dict.fromkeys(aliases))
        with suppress(CareLedgerError):  # what is anchored is written, whatever becomes of the index now
            self.catch_up(SLICE)

    def look_again(self) -> None:
        """Compares everything once more, in slices."""
        self._work = self._everything()

    def catch_up(self, seconds: float) -> bool:
        """Works for that long at most, but for one part; returns whether the index is level."""
        until = time.monotonic() + seconds
        while not self.level and time.monotonic() < until:
            try:
                self._one_part()
            except StoreCorrupt:
                self._remake()
            except BaseException:
                # its part is over: what it left is looked for again, and is lacking until then
                self._part, self._work = None, self._everything()
                raise
        return self.level

    def ask(self, question: Callable[..., T], *given: object) -> T:
        """What the file's method answers; a damaged one is made again, and raises StoreUnavailable until it is."""
        try:
            return question(self._file, *given)
        except StoreCorrupt:
            self._remake()
            raise StoreUnavailable(why="the index of own writings is made again") from None

    def open(self, network: Network, each: Filed) -> ChartEntry:
        """That version's content; raises CannotOpen, BlockNotFound, BlockMismatch, DigestMismatch."""
        return opened(network, self._key(each), each.place, each.copy)

    def fate(self, network: Network, each: Filed) -> Fate:
        """What became of that version."""
        return fate(network, self.organisation, Kept(each.deposit, each.copy))

    def forget(self, network: Network, name: bytes) -> None:
        """Forgets what versions of a record say that do not stand any more."""
        found = self.ask(WritingsFile.versions, name)
        gone = [each.copy.handle for each in found if self.fate(network, each) is not Fate.STANDS]
        if gone:
            self.ask(WritingsFile.take_back, self._times(gone))

    def versions(self, name: bytes) -> list[Filed]:
        """All versions of a record that the organisation wrote, in the order of writing, as the index has them; until
        it is level, as the copies do."""
        self.catch_up(SLICE)
        return self.ask(WritingsFile.versions, name) if self.level else [*self._by_copies(name)]

    def alias(self, network: Network, kind: str, name: bytes) -> bytes | None:
        """The patient of whom that record of that type was written; of several, to whom it was moved, the last."""
        found = self.versions(name)
        standing = [each for each in found if self.fate(network, each) is Fate.STANDS]
        last = next(reversed(standing or found), None)
        if last is None:
            return None
        said = last.kind or (self._kind(network, last) if standing else kind)
        return last.copy.alias if said == kind else None

    def _kind(self, network: Network, each: Filed) -> str:
        """The type of a version that is not indexed yet; nothing for what cannot be shown."""
        try:
            return as_shown(self.open(network, each), each.made, each.place).type
        except CareLedgerError:
            return ""

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
        self._keys.clear()

    def _by_copies(self, name: bytes) -> Iterator[Filed]:
        for _, row in self.organisation.books.rows(COPIES):
            deposit = AuthorsCopies.decode(row)
            if name in deposit.record_ids:
                yield from [each for each in _filed(deposit) if each.name == name]

    def _key(self, each: Filed) -> CopyKey:
        found = self._keys.get(each.deposit)
        if found is None:
            if len(self._keys) >= MOST_KEYS:
                self._keys.clear()
            sealed = self.ask(WritingsFile.key, each.deposit) or self._deposit(each.copies).key
            found = self._keys[each.deposit] = CopyKey.opened(self.organisation.chart, each.deposit, sealed)
        return found

    def _deposit(self, name: bytes) -> AuthorsCopies:
        row = self.organisation.books.get(COPIES, name)
        if row is None:
            raise StoreUnavailable(why="an author's copy is missing")
        return AuthorsCopies.decode(row)

    def _one_part(self) -> None:
        """The next part: first of what was just written."""
        if self._part is None and self._written:
            alias = next(iter(self._written))
            del self._written[alias]
            self._part = self._missing(alias)
        if self._part is not None:
            self._part = None if next(self._part, self) is self else self._part
        elif self._work is not None:
            self._work = None if next(self._work, self) is self else self._work

    def _everything(self) -> Iterator[None]:
        """Compares the whole: what is there and not in the index, what is in it and does not stand any more."""
        self.lacking = False
        yield from self._missing(b"")
        for part in self._names(RETRACTED):
            self._file.take_back(self._times(part))
            yield
        for part in self._names(UNDONE):
            self._file.drop("deposit", part)
            yield
        self._drop_erased()

    def _missing(self, prefix: bytes) -> Iterator[None]:
        """Takes in deposits whose names begin so, in parts."""
        for names in self._names(COPIES, prefix):
            there = self._file.taken(names[0], names[-1])
            for name in names:
                if name not in there:
                    yield from self._take(name)
            yield

    def _names(self, kind: str, prefix: bytes = b"") -> Iterator[list[bytes]]:
        """The names in the books that begin so, some at once."""
        after = prefix
        while found := self.organisation.books.keys(kind, after, MOST_ASKED):
            names = [each for each in found if each.startswith(prefix)]
            if names:
                yield names
            if len(names) < len(found):
                return
            after = found[-1]

    def _take(self, name: bytes) -> Iterator[None]:
        """A deposit, part by part, and at last its name; what cannot be opened now is tried again."""
        network, deposit = self._world.network, self._deposit(name)
        self._file.keep_key(deposit.id, deposit.key)
        copies, whole = _filed(deposit), True
        for first in range(0, len(copies), AT_ONCE):
            part = []
            for each in copies[first : first + AT_ONCE]:
                try:
                    part += self._said(network, each)
                except CareLedgerError:
                    whole, self.lacking = False, True
            patients = self._patients(part)
            yield from self._led_anew(network, patients)
            self._file.add(_valued(part, patients))
            yield
        if whole:
            self._file.take(name)

    def _said(self, network: Network, each: Filed) -> list[_Said]:
        """What a version says; nothing of it where it was taken back, none where it is gone or no FHIR."""
        what = self.fate(network, each)
        if what is Fate.RETRACTED:
            [at] = self._times([each.copy.handle]).values()
            return [_Said(each._replace(kind=self._kind(network, each), back=at), {}, [])]
        if what is Fate.GONE:
            return []
        try:
            entry = self.open(network, each)
            shown = as_shown(entry, each.made, each.place)
        except FhirRefused:
            return []
        name = each.copy.alias if shown.type == "Patient" else each.name
        return [_Said(each._replace(kind=shown.type, name=name), shown.resource, named_in(entry))]

    def _patients(self, part: Sequence[_Said]) -> dict[str, str]:
        """What in these refers to a Patient record that is filed, or is one of these, each with the patient."""
        urns = {urn for each in part for urn in each.named}
        records = self._file.of_records([UUID(urn).bytes for urn in urns])
        found = [*records.values(), *(each.filed for each in part if not each.filed.back)]
        return {_urn(each): f"Patient/{each.name.hex()}" for each in found if each.kind == "Patient"}

    def _led_anew(self, network: Network, patients: Mapping[str, str]) -> Iterator[None]:
        """What refers to a Patient record that is filed only now gets its place under the patient, before it is."""
        there = self._file.of_records([UUID(urn).bytes for urn in patients])
        for urn in patients.keys() - {_urn(each) for each in there.values()}:
            after = 0
            while found := self._file.naming(naming(urn), after, AT_ONCE):
                part = [said for each in found for said in self._standing(network, each)]
                self._file.value_again(_valued(part, {**self._patients(part), **patients}))
                after = found[-1].row
                yield

    def _standing(self, network: Network, each: Filed) -> list[_Said]:
        """The same, none where it cannot be opened now or was taken back."""
        try:
            return [said for said in self._said(network, each) if not said.filed.back]
        except CareLedgerError:
            return []

    def _times(self, handles: Iterable[bytes]) -> dict[bytes, int]:
        """When these versions were taken back."""
        books = self.organisation.books
        found = {each: retracted(books, each) for each in handles}
        return {handle: max(1, back.at) if back else 1 for handle, back in found.items()}

    def _drop_erased(self) -> None:
        """What as many custodians attested as can open a record, since the last look."""
        view, opening = self._world.network.ledger.fresh_head(), self._world.network.thresholds.opening
        for each in view.custodians():
            name = f"erased {each.number}"
            reached = self._file.reached(name)
            leaves = view.erasures(each.number, reached)
            gone = [leaf for leaf in leaves if len(view.erased_by(leaf)) >= opening]
            for first in range(0, len(gone), MOST_ASKED):
                self._file.drop("leaf", gone[first : first + MOST_ASKED])
            if leaves:
                self._file.reach(name, reached + len(leaves))

    def _remake(self) -> None:
        """An empty file in place of a damaged one, to be filled again."""
        self._file.close()
        remove(place(self._world, self.organisation))
        self._file = open_or_remake(self._world, self.organisation)
        self._part, self._work = None, self._everything()
        self._written.clear()


class Charts:
    """The own writings of every organisation whose posts ask at one gateway; not to be used by two threads at once."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._open: dict[int, Writings] = {}

    def of(self, organisation: Organisation) -> Writings:
        """One organisation's; raises StoreUnavailable."""
        if organisation.number not in self._open:
            made = self._open[organisation.number] = Writings(self._world, organisation)
            made.catch_up(OPENING)
        return self._open[organisation.number]

    def wrote(self, organisation: Organisation, aliases: Iterable[bytes]) -> None:
        """Something was written about these; an index that is not open yet finds it when it is."""
        if organisation.number in self._open:
            self._open[organisation.number].wrote(aliases)

    def look_again(self) -> None:
        """Compares everything of everybody who wrote something, in the slices of ``catch_up``."""
        for each in self._world.keyring.organisations().values():
            if each.books.keys(COPIES, b"", 1):
                self.of(each).look_again()

    def catch_up(self, seconds: float = SLICE) -> bool:
        """Works for that long at most, but for one part; returns whether all are level."""
        waiting = [each for each in self._open.values() if not each.level]
        for each in waiting:
            each.catch_up(seconds / len(waiting))
        return all(each.level for each in waiting)

    def close(self) -> None:
        """Closes every file."""
        for each in self._open.values():
            each.close()
        self._open.clear()


class _Said(NamedTuple):
    """A version with what it says, and under which URNs it refers to records; never printed."""

    filed: Filed
    resource: Resource
    named: list[str]

    def __repr__(self) -> str:
        return "<said>"


def _valued(part: Sequence[_Said], patients: Mapping[str, str]) -> list[tuple[Filed, list[Entry]]]:
    """These with their values."""
    return [
        (
            each.filed,
            entries_of(each.resource, each.filed.copy.alias.hex(), patients) if each.resource else [],
        )
        for each in part
    ]


def _urn(each: Filed) -> str:
    return f"urn:uuid:{uuid_text(each.copy.record_id)}"


def _filed(deposit: AuthorsCopies) -> list[Filed]:
    """The versions of a deposit, of a type that is not known yet."""
    return [
        Filed(0, "", copy.record_id, deposit.id, deposit.made, at, False, copy)
        for at, copy in enumerate(deposit.rows())
    ]
