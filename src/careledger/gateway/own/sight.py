"""What one request sees of its organisation's own writings: what stands, in the categories that the post may read, of
what the token's scopes show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from uuid import UUID

from careledger.adapters.index.file import WritingsFile
from careledger.app.refined import demanding
from careledger.app.scopes import Scopes
from careledger.domain.categories import Category, Compartment, Sensitivity
from careledger.domain.errors import FhirRefused, RecordGone, RecordNotFound, TooCostly
from careledger.fhir.export import resource_of
from careledger.fhir.json_text import Resource
from careledger.fhir.searching.indexing import referring
from careledger.fhir.searching.query import Include
from careledger.formats.indexing import Demand, Filed, Order, Part, Place
from careledger.gateway.own.chart import SLICE, Writings
from careledger.gateway.own.showing import Removed, as_shown, linked, named_in, shown_again, uuid_text
from careledger.gateway.views import Shown
from careledger.workflows.chart import ChartEntry, Fate, Fates, Kept
from careledger.workflows.network import Network
from careledger.workflows.retract import retracted

MOST_LOOKED = 1_000
"""How many own writings one search opens where it cannot be answered page by page."""
AT_ONCE = 64
"""How many versions are opened before what they refer to is looked up."""
_URN = "urn:uuid:"


class Sight:
    """Made anew for each request: what it opened is opened once, and forgotten with it."""

    def __init__(
        self,
        writings: Writings,
        network: Network,
        closed: frozenset[Category],
        scopes: Scopes,
        patient: bytes = b"",
    ) -> None:
        """``closed`` are the categories that are not seen, ``scopes`` say of which types what is, ``patient`` is the
        only one about whom anything is, empty for everybody."""
        self._writings, self._network, self._closed, self._scopes = writings, network, closed, scopes
        self._patient = patient
        self._compartments = [
            Compartment(each, level).number
            for each in Category
            if each not in closed
            for level in Sensitivity
        ]
        self._fates: Fates | None = None
        self._shown: dict[bytes, Shown | None] = {}
        self._by_resource: dict[int, Shown] = {}
        self._named: dict[str, str | None] = {}

    @property
    def complete(self) -> bool:
        """Whether everything that was written is looked into."""
        return self._writings.level and not self._writings.lacking

    @property
    def sees_patients(self) -> bool:
        """Whether every reference to a Patient record is shown as one to the patient."""
        everybody = not self._patient and Category.IDENTITY_PATIENT not in self._closed
        return everybody and self._scopes.shows("Patient")

    def within(self, parts: Sequence[Part]) -> tuple[Part, ...]:
        """The same, of a type that shows in part one for each scope that the index can tell: no number that is found
        then, and no page, says how much there is that does not show."""
        made = list[Part]()
        for kind, demands in parts:
            if self._scopes.shows(kind):
                made.append((kind, demands))
            told = [demanding(kind, each) for each in self._scopes.queries(kind)]
            made += [(kind, (*demands, *each)) for each in told if each is not None]
        return tuple(made)

    def catch_up(self) -> None:
        """Gives the index a moment, where it is behind."""
        self._writings.catch_up(SLICE)

    def versions(self, name: bytes) -> list[Shown]:
        """The versions of a record, the newest first.

        Raises RecordNotFound for none that this post may read, RecordGone where all of them were taken back.
        """
        found = [each for each in self._writings.versions(name) if self._is_open(each)]
        made = self.all_shown(found[::-1])
        parted = any(not self._scopes.shows(each.kind) for each in found)
        standing = [each for each in found[::-1] if parted and self._fate(each) is Fate.STANDS]
        if made and (not parted or self.shown(standing[0]) is not None):
            return made
        if not parted and any(self._fate(each) is Fate.RETRACTED for each in found):
            raise RecordGone()
        raise RecordNotFound()

    def candidates(self, kind: str, demands: Sequence[Demand], after: int, most: int) -> list[Filed]:
        """Newest versions that may meet every demand, in the order of filing."""
        return self._writings.ask(WritingsFile.select, kind, self._compartments, demands, after, most)

    def about(self, alias: bytes, parts: Sequence[Part]) -> list[Shown] | None:
        """What was written of these types about one patient and may meet their demands; None if nothing of any type
        was.

        Raises TooCostly before any is opened.
        """
        self.catch_up()
        if not self._of_patient(alias, "", (), 1):
            return None
        found: list[Filed] = []
        for kind, demands in parts:
            if self._shows(kind):
                found += self._of_patient(alias, kind, demands, MOST_LOOKED + 1 - len(found))
            if len(found) > MOST_LOOKED:
                raise TooCostly(most=MOST_LOOKED)
        return self.all_shown(_once(found))

    def holds(self, alias: bytes, kinds: Iterable[str]) -> bool:
        """Whether something of one of these types was written about that patient; "" is any, of those that show."""
        self.catch_up()
        return any(self._shows(each) and self._of_patient(alias, each, (), 1) for each in kinds)

    def _of_patient(self, alias: bytes, kind: str, demands: Sequence[Demand], most: int) -> list[Filed]:
        if not self._reaches(alias):
            return []
        return self._writings.ask(WritingsFile.of_patient, alias, kind, self._compartments, demands, most)

    def in_order(
        self, kind: str, demands: Sequence[Demand], order: Sequence[Order], after: Place | None, most: int
    ) -> list[tuple[Filed, Place]]:
        """The same in an order, after a place in it, each with its own."""
        given = (kind, self._compartments, demands, order, after, most)
        return self._writings.ask(WritingsFile.in_order, *given)

    def deposited(
        self, deposit: bytes, kind: str, demands: Sequence[Demand], place: int, most: int
    ) -> list[Filed]:
        """Versions of a deposit that may meet every demand, from a place in it on."""
        given = (deposit, kind, self._compartments, demands, place, most)
        return self._writings.ask(WritingsFile.of_deposit, *given)

    def history(self, kind: str, before: tuple[int, int], since: int, most: int) -> list[Filed]:
        """Versions of a type, of all where it is empty, and what was taken back as a whole, the last first."""
        asked = (kind, self._compartments, before, since, most)
        found = self._writings.ask(WritingsFile.history, *asked)
        found += self._writings.ask(WritingsFile.removed, *asked)
        return sorted(found, key=lambda each: (each.when, each.row), reverse=True)[:most]

    def removed(self, each: Filed) -> Removed | None:
        """A record whose last version this is, if it was taken back, as the books and the ledger say; never one that
        was moved, nor a patient, who is there as long as the alias."""
        if each.kind in ("", "Patient") or not self._scopes.shows(each.kind):
            return None
        versions, books = self._writings.versions(each.name), self._writings.organisation.books
        fates = {one.copy.handle: self._fate(one) for one in versions}
        if Fate.STANDS in fates.values():
            return None
        back = [retracted(books, handle) for handle, what in fates.items() if what is Fate.RETRACTED]
        times = [one.at for one in back if one is not None and not one.successor]
        return Removed(f"{each.kind}/{uuid_text(each.name)}", max(times)) if times else None

    def gone(self, name: bytes) -> Removed | None:
        """What is left of a record that this post might read and all of whose versions were taken back."""
        found = [each for each in self._writings.versions(name) if self._is_open(each)]
        return self.removed(found[-1]) if found else None

    def is_first(self, each: Filed) -> bool:
        """Whether no version of that record was filed before."""
        found: list[Filed] = self._writings.ask(WritingsFile.versions, each.name)
        return found[0].copy.handle == each.copy.handle

    def few(self, parts: Sequence[Part], most: int = MOST_LOOKED) -> list[Shown] | None:
        """All of these types that may meet their demands; None where there are more, before any is opened."""
        found: list[Filed] = []
        for kind, demands in parts:
            if self._shows(kind):
                found += self.candidates(kind, demands, 0, most + 1 - len(found))
            if len(found) > most:
                return None
        return self.all_shown(_once(found))

    def all_of(self, kind: str, demands: Sequence[Demand] = ()) -> list[Shown]:
        """The same of one type; raises TooCostly where there are more."""
        found = self.few(self.within([(kind, tuple(demands))]))
        if found is None:
            raise TooCostly(most=MOST_LOOKED)
        return found

    def shown(self, each: Filed) -> Shown | None:
        """That version, None if it does not stand or is no FHIR."""
        return next(iter(self.all_shown((each,))), None)

    def all_shown(self, several: Sequence[Filed]) -> list[Shown]:
        """Those of these versions that stand and are FHIR; what they refer to is looked up at once."""
        for first in range(0, len(several), AT_ONCE):
            self._show(
                [each for each in several[first : first + AT_ONCE] if each.copy.handle not in self._shown]
            )
        found = (self._shown[each.copy.handle] for each in several)
        return [each for each in found if each is not None]

    def _show(self, new: Sequence[Filed]) -> None:
        opened = [(each, self._opened(each)) for each in new]
        self._look_up({text for _, entry in opened if entry is not None for text in named_in(entry)})
        for each, entry in opened:
            made = None if entry is None else self._made(each, entry)
            made = made if made is not None and self._covers(made.type, made.resource) else None
            self._shown[each.copy.handle] = made
            if made is not None:
                self._by_resource[id(made.resource)] = made

    def resolve(self, reference: str) -> Shown | None:
        """What ``TYPE/ID`` or a URN of a record names among what this post sees."""
        kind, _, name = reference.partition("/")
        if reference.startswith(_URN):
            found = self._of_records({reference}).get(reference)
        else:
            found = next((each for each in self._filed(name) if each.current), None)
        if found is None or not self._is_open(found) or (name and found.kind != kind):
            return None
        return self.shown(found)

    def of_resource(self, resource: int) -> Shown | None:
        """What was shown as the resource with that identity in memory."""
        return self._by_resource.get(resource)

    def referring(self, include: Include, matches: Iterable[Shown]) -> list[Shown]:
        """What may refer to these under the parameter of a ``_revinclude``; raises TooCostly."""
        made: dict[str, Shown] = {}
        for match in matches:
            demand = referring(include.source, include.parameter, match.path)
            made.update({each.path: each for each in self.all_of(include.source, [demand])} if demand else {})
        return list(made.values())

    def _fate(self, each: Filed) -> Fate:
        if self._fates is None:
            self._fates = Fates(self._network, self._writings.organisation)
        return self._fates.of(Kept(each.deposit, each.copy))

    def _opened(self, each: Filed) -> ChartEntry | None:
        seen = self._reaches(each.copy.alias) and (not each.kind or self._shows(each.kind))
        stands = seen and self._fate(each) is Fate.STANDS
        return self._writings.open(self._network, each) if stands else None

    def _made(self, each: Filed, entry: ChartEntry) -> Shown | None:
        if each.kind:
            return shown_again(entry, each.made, each.place, self._named.get)
        try:
            made = as_shown(entry, each.made, each.place)
            return linked(made, self._named.get) if self._shows(made.type) else None
        except FhirRefused:
            return None

    def _is_open(self, each: Filed) -> bool:
        is_open = Compartment.numbered(each.copy.compartment).category not in self._closed
        shows = not each.kind or self._shows(each.kind)
        return is_open and shows and self._reaches(each.copy.alias)

    def _shows(self, kind: str) -> bool:
        return self._scopes.shows_some(kind)

    def _covers(self, kind: str, resource: Resource) -> bool:
        return self._scopes.shows(kind) or self._scopes.cover("r", kind, resource)

    def _covers_filed(self, each: Filed) -> bool:
        """The same of a version that need not have been opened."""
        if self._scopes.shows(each.kind):
            return True
        entry = self._opened(each)
        try:
            return entry is not None and self._covers(each.kind, resource_of(entry.body))
        except FhirRefused:
            return False

    def _reaches(self, alias: bytes) -> bool:
        return self._patient in (b"", alias)

    def _look_up(self, urns: Set[str]) -> None:
        """Learns what references to these records become."""
        new = urns - self._named.keys()
        found = self._of_records(new) if new else {}
        self._named.update({urn: self._path(urn, found.get(urn)) for urn in new})

    def _path(self, urn: str, found: Filed | None) -> str | None:
        if found is None or not self._is_open(found) or not self._shows(found.kind):
            return None
        if self._fate(found) is not Fate.STANDS or not self._covers_filed(found):
            return None
        id = found.name.hex() if found.kind == "Patient" else urn.removeprefix(_URN)
        return f"{found.kind}/{id}"

    def _of_records(self, urns: Set[str]) -> dict[str, Filed]:
        names = {urn: name for urn in urns if (name := _bytes_of(urn.removeprefix(_URN)))}
        found = self._writings.ask(WritingsFile.of_records, list(names.values()))
        return {urn: found[name] for urn, name in names.items() if name in found}

    def _filed(self, id: str) -> list[Filed]:
        name = _bytes_of(id)
        return self._writings.ask(WritingsFile.versions, name) if name else []


def _once(found: Iterable[Filed]) -> list[Filed]:
    return list({each.copy.handle: each for each in found}.values())


def _bytes_of(id: str) -> bytes:
    """A record id or an alias; empty for neither."""
    try:
        return bytes.fromhex(id) if len(id) == 64 else UUID(id).bytes
    except ValueError:
        return b""
