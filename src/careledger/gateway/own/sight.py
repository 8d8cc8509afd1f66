"""What one request sees of its organisation's own writings: what stands, in the categories that the post may read, of
the types that the token's scopes show."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from uuid import UUID

from careledger.adapters.index.file import WritingsFile
from careledger.domain.categories import Category, Compartment, Sensitivity
from careledger.domain.errors import FhirRefused, RecordGone, RecordNotFound, TooCostly
from careledger.fhir.searching.indexing import referring
from careledger.fhir.searching.query import Include
from careledger.formats.indexing import Demand, Filed
from careledger.gateway.own.chart import SLICE, Writings
from careledger.gateway.own.showing import as_shown, linked
from careledger.gateway.views import Shown
from careledger.workflows.chart import Fate
from careledger.workflows.network import Network

MOST_LOOKED = 1_000
"""How many own writings one search opens where it cannot be answered page by page."""
_URN = "urn:uuid:"


class Sight:
    """Made anew for each request: what it opened is opened once, and forgotten with it."""

    def __init__(
        self, writings: Writings, network: Network, closed: frozenset[Category], shows: Callable[[str], bool]
    ) -> None:
        """``closed`` are the categories that are not seen, ``shows`` says which types are."""
        self._writings, self._network, self._closed, self._shows = writings, network, closed, shows
        self._compartments = [
            Compartment(each, level).number
            for each in Category
            if each not in closed
            for level in Sensitivity
        ]
        self._shown: dict[bytes, Shown | None] = {}
        self._by_resource: dict[int, Shown] = {}
        self._named: dict[str, str | None] = {}

    @property
    def complete(self) -> bool:
        """Whether everything that was written is looked into."""
        return self._writings.level and not self._writings.lacking

    def catch_up(self) -> None:
        """Gives the index a moment, where it is behind."""
        self._writings.catch_up(SLICE)

    def versions(self, name: bytes) -> list[Shown]:
        """The versions of a record, the newest first.

        Raises RecordNotFound for none that this post may read, RecordGone where all of them were taken back.
        """
        found = [each for each in self._writings.versions(name) if self._is_open(each)]
        made = [each for each in map(self.shown, reversed(found)) if each is not None]
        if made:
            return made
        if any(self._writings.fate(self._network, each) is Fate.RETRACTED for each in found):
            raise RecordGone()
        raise RecordNotFound()

    def candidates(self, kind: str, demands: Sequence[Demand], after: int, most: int) -> list[Filed]:
        """Newest versions that may meet every demand, in the order of filing."""
        return self._writings.ask(WritingsFile.select, kind, self._compartments, demands, after, most)

    def about(self, alias: bytes, kind: str, demands: Sequence[Demand]) -> list[Shown] | None:
        """What was written of that type about one patient and may meet the demands; None if nothing of any type was.

        Raises TooCostly before any is opened.
        """
        self.catch_up()
        if not self._of_patient(alias, "", (), 1):
            return None
        found = self._of_patient(alias, kind, demands, MOST_LOOKED + 1) if self._shows(kind) else []
        if len(found) > MOST_LOOKED:
            raise TooCostly(most=MOST_LOOKED)
        return [each for each in map(self.shown, found) if each is not None]

    def _of_patient(self, alias: bytes, kind: str, demands: Sequence[Demand], most: int) -> list[Filed]:
        return self._writings.ask(WritingsFile.of_patient, alias, kind, self._compartments, demands, most)

    def history(self, kind: str, before: tuple[int, int], since: int, most: int) -> list[Filed]:
        """Versions of a type, of all where it is empty, the last written first."""
        return self._writings.ask(WritingsFile.history, kind, self._compartments, before, since, most)

    def is_first(self, each: Filed) -> bool:
        """Whether no version of that record was filed before."""
        found: list[Filed] = self._writings.ask(WritingsFile.versions, each.name)
        return found[0].copy.handle == each.copy.handle

    def few(self, kind: str, demands: Sequence[Demand], most: int = MOST_LOOKED) -> list[Shown] | None:
        """All that may meet the demands; None where there are more, before any is opened."""
        found = self.candidates(kind, demands, 0, most + 1) if self._shows(kind) else []
        if len(found) > most:
            return None
        return [each for each in map(self.shown, found) if each is not None]

    def all_of(self, kind: str, demands: Sequence[Demand] = ()) -> list[Shown]:
        """The same; raises TooCostly where there are more."""
        found = self.few(kind, demands)
        if found is None:
            raise TooCostly(most=MOST_LOOKED)
        return found

    def shown(self, each: Filed) -> Shown | None:
        """That version, None if it does not stand or is no FHIR."""
        handle = each.copy.handle
        if handle not in self._shown:
            self._shown[handle] = made = self._opened(each)
            if made is not None:
                self._by_resource[id(made.resource)] = made
        return self._shown[handle]

    def resolve(self, reference: str) -> Shown | None:
        """What ``TYPE/ID`` or a URN of a record names among what this post sees."""
        kind, _, name = reference.partition("/")
        if reference.startswith(_URN):
            found = self._of_record(reference)
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

    def _opened(self, each: Filed) -> Shown | None:
        if self._writings.fate(self._network, each) is not Fate.STANDS:
            return None
        try:
            made = as_shown(self._writings.open(self._network, each), each.made, each.place)
            return linked(made, self._name) if self._shows(made.type) else None
        except FhirRefused:
            return None

    def _is_open(self, each: Filed) -> bool:
        return Compartment.numbered(each.copy.compartment).category not in self._closed

    def _name(self, text: str) -> str | None:
        """What a reference to a record that is shown becomes."""
        if not text.startswith(_URN):
            return None
        if text not in self._named:
            self._named[text] = self._path(text)
        return self._named[text]

    def _path(self, text: str) -> str | None:
        found = self._of_record(text)
        if found is None or not self._is_open(found) or not self._shows(found.kind):
            return None
        if self._writings.fate(self._network, found) is not Fate.STANDS:
            return None
        id = found.name.hex() if found.kind == "Patient" else text.removeprefix(_URN)
        return f"{found.kind}/{id}"

    def _of_record(self, text: str) -> Filed | None:
        name = _bytes_of(text.removeprefix(_URN))
        return self._writings.ask(WritingsFile.of_record, name) if name else None

    def _filed(self, id: str) -> list[Filed]:
        name = _bytes_of(id)
        return self._writings.ask(WritingsFile.versions, name) if name else []


def _bytes_of(id: str) -> bytes:
    """A record id or an alias; empty for neither."""
    try:
        return bytes.fromhex(id) if len(id) == 64 else UUID(id).bytes
    except ValueError:
        return b""
