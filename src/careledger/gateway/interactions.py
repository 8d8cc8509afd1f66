"""FHIR's interactions as a post may have them, without HTTP: each decides by what the patient lets this post see.

What may not be seen answers like what is not there. A search asks for a patient's compartment when it names the
patient; one that names none looks into open leases and the organisation's own identity table, and into nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from careledger.app.tokens import Bearer
from careledger.app.world import World
from careledger.domain.errors import (
    CareLedgerError,
    FhirRefused,
    NoUpdateHere,
    RecordGone,
    RecordNotFound,
    TooCostly,
    VersionConflict,
)
from careledger.fhir.json_text import Resource
from careledger.fhir.searching.parse import parse
from careledger.fhir.searching.query import Query
from careledger.gateway import bundles, writing
from careledger.gateway.about import About, about_whom
from careledger.gateway.chart import Chart
from careledger.gateway.finding import Found
from careledger.gateway.identities import registered
from careledger.gateway.leases import Leases, unreadable
from careledger.gateway.outcomes import outcome
from careledger.gateway.pages import Pages, Rest, until
from careledger.gateway.taking import take
from careledger.gateway.validating import validated
from careledger.gateway.views import Shown, View, everything
from careledger.workflows.custody import find_statement
from careledger.workflows.network import verified

COUNT, MOST_COUNT = 50, 1_000
MOST_PATIENTS = 10
"""How many patients one search may ask for."""
Given = Sequence[tuple[str, str]]


@dataclass(frozen=True, repr=False)
class Answered:
    """A resource to send back; ``shown`` where it is one record's version, ``new`` where it was just created."""

    resource: Resource | None
    shown: Shown | None = None
    new: bool = False


@dataclass
class Interactions:
    """For one gateway; not to be used by two threads at once. ``base`` is the FHIR address that links begin with."""

    world: World
    base: str
    leases: Leases = field(init=False)
    pages: Pages = field(default_factory=Pages)
    chart: Chart = field(default_factory=Chart)

    def __post_init__(self) -> None:
        self.leases = Leases(self.world)

    def read(self, bearer: Bearer, kind: str, id: str) -> Answered:
        """The current version, of what is shared or of the organisation's own writing.

        Raises RecordNotFound for what this post does not see, for whatever reason, and RecordGone.
        """
        try:
            shown = self._found(bearer, kind, id).current[f"{kind}/{id}"]
        except RecordNotFound:
            shown = self._own(bearer, kind, id)[0]
        return Answered(shown.resource, shown)

    def vread(self, bearer: Bearer, kind: str, id: str, version: str) -> Answered:
        """That version; raises RecordNotFound."""
        for shown in self._versions(bearer, kind, id):
            if shown.version == version:
                return Answered(shown.resource, shown)
        raise RecordNotFound()

    def history(self, bearer: Bearer, kind: str, id: str) -> Answered:
        """All versions that this post sees, the newest first; raises RecordNotFound."""
        return Answered(bundles.history(self.base, self._versions(bearer, kind, id)))

    def search(self, bearer: Bearer, kind: str, given: Given, strict: bool) -> Answered:
        """What matches among everything that this post sees of the patients who are named.

        Raises FhirRefused, TooCostly for a search that names nobody, and what ``Leases.look`` raises.
        """
        about = about_whom(kind, given)
        query = self._parsed(kind, about.rest)
        if strict and query.ignored:
            raise FhirRefused(path=", ".join(query.ignored), problem="is not supported here")
        views, own = self._views(bearer, kind, about)
        found = Found(query, [*everything(views), *own])
        said = bundles.withheld(views) + _ignored(query)
        if query.summary == "count":
            return Answered(bundles.searchset(self.base, [], len(found.matches), {}, said))
        return self._page(bearer, views, found, found.matches, len(found.matches), said)

    def everything(self, bearer: Bearer, id: str, count: int | None) -> Answered:
        """All that this post sees of a patient; raises RecordNotFound, and what ``Leases.look`` raises."""
        view = self._found(bearer, "Patient", id)
        found = Found(Query("Resource", count=count), everything([view]))
        return self._page(bearer, [view], found, found.pool, len(found.pool), bundles.withheld([view]))

    def create(
        self, bearer: Bearer, kind: str, body: bytes, key: str = "", unless: Given | None = None
    ) -> Answered:
        """A new record of the patient whom it names, anchored; see ``writing.create``. With ``unless`` the one
        that matches among what this post sees of that patient, if one does; raises VersionConflict for several."""
        network, session, alias = self.world.network, self.leases.session(bearer), writing.whose(body, kind)
        if unless is not None and (there := self._there(bearer, alias, kind, unless)) is not None:
            return Answered(there.resource, there)
        statement = find_statement(network, alias, self.world.custodians)
        made = writing.create(network, session, statement, kind, body, key)
        return self._written(bearer, alias, made)

    def update(self, bearer: Bearer, kind: str, id: str, body: bytes, tags: str) -> Answered:
        """The next version of what this post sees; ``tags`` is the If-Match header. Raises NoUpdateHere,
        VersionConflict, also if another version was anchored meanwhile, and what ``writing.update`` raises."""
        try:
            view = self._found(bearer, kind, id)
        except (RecordNotFound, RecordGone):
            raise NoUpdateHere() from None
        current = view.current[f"{kind}/{id}"]
        before = view.record(current)
        if before is None or kind == "Patient":
            raise NoUpdateHere()
        writing.check_current(tags, current.version)
        if stated_id(body) != id:
            raise FhirRefused(path=f"{kind}.id", problem="not the id that the address names")
        network, session, alias = self.world.network, self.leases.session(bearer), view.seen.alias
        statement = find_statement(network, alias, self.world.custodians)
        made = writing.update(network, session, statement, kind, before, body)
        answered = self._written(bearer, alias, made)
        if answered.shown is not None and answered.shown.version != made.version:
            raise VersionConflict()
        return answered

    def patch(self, bearer: Bearer, kind: str, id: str, body: bytes, tags: str) -> Answered:
        """The next version, by a JSON Patch (RFC 6902) of the current one; raises as ``update``, and FhirRefused."""
        try:
            current = self.read(bearer, kind, id).resource
        except (RecordNotFound, RecordGone):
            raise NoUpdateHere() from None
        return self.update(bearer, kind, id, writing.patched(current, body), tags)

    def validate(self, kind: str, body: bytes) -> Answered:
        """What R4 has to say of a resource, which goes nowhere."""
        return Answered(validated(kind, body))

    def _parsed(self, kind: str, given: Given) -> Query:
        now = datetime.fromtimestamp(self.world.clock.now(), UTC)
        return parse(kind, given, base=self.base, now=now)

    def _there(self, bearer: Bearer, alias: bytes, kind: str, given: Given) -> Shown | None:
        view = self.leases.look(bearer, alias)
        query = self._parsed(kind, about_whom(kind, given).rest)
        if query.ignored or not query.criteria:
            raise FhirRefused(path="If-None-Exist", problem="is not a search that can be made here")
        found = Found(query, everything([view])).matches
        if len(found) > 1:
            raise VersionConflict()
        return found[0] if found else None

    def delete(self, bearer: Bearer, kind: str, id: str) -> None:
        """What this organisation wrote is taken back; raises WritingRefused for another's, RecordNotFound."""
        record_id = uuid_of(id)
        try:
            alias: bytes | None = self._found(bearer, kind, id).seen.alias
            seen = True
        except (RecordNotFound, RecordGone):
            alias, seen = self.chart.alias(bearer.staff.organisation, record_id), False
        if alias is None:
            raise RecordNotFound()
        statement = find_statement(self.world.network, alias, self.world.custodians)
        writing.delete(self.world.network, self.leases.session(bearer), statement, record_id, seen)

    def _written(self, bearer: Bearer, alias: bytes, made: writing.Written) -> Answered:
        """The version that was written, as this post sees it if it does."""
        self.leases.forget(bearer, alias)
        self.chart.forget(bearer.staff.organisation)
        path = f"{made.kind}/{made.id}"
        with suppress(CareLedgerError):  # what is anchored is written, whatever cannot be shown now
            shown = self.leases.look(bearer, alias).current.get(path)
            if shown is not None:
                return Answered(shown.resource, shown, made.new)
        said = outcome(
            "information", "informational", "Written, and anchored; this post does not see it yet."
        )
        return Answered(said, Shown(made.kind, made.id, made.version, 0, said), made.new)

    def take(self, bearer: Bearer, data: bytes) -> Answered:
        """A Bundle that is imported; see ``taking.take``."""
        try:
            return Answered(take(self.world.network, self.leases.session(bearer), data))
        finally:
            self.chart.forget(bearer.staff.organisation)

    def page(self, bearer: Bearer, name: str) -> Answered:
        """The next page of a search: of what was found then, what may still be seen now. Raises PageGone."""
        rest = self.pages.rest(name, bearer.digest, self.world.clock.now())
        views = [self.leases.look(bearer, alias) for alias in rest.aliases]
        found = Found(rest.query, everything(views))
        current = {shown.path: shown for shown in found.pool}
        shown = [current[path] for path in rest.paths if path in current]
        return self._page(bearer, views, found, shown, rest.total, bundles.withheld(views))

    def _found(self, bearer: Bearer, kind: str, id: str) -> View:
        """The view in which that record is shown: a patient's own, or one that is open; raises RecordNotFound, and
        RecordGone for what this organisation took back."""
        if kind == "Patient" and re.fullmatch(r"[0-9a-f]{64}", id):
            return self.leases.look(bearer, bytes.fromhex(id))
        view = self.leases.showing(bearer, f"{kind}/{id}")
        if view is not None:
            return view
        if writing.is_deleted(bearer.staff.organisation, uuid_of(id)):
            raise RecordGone()
        raise RecordNotFound()

    def _versions(self, bearer: Bearer, kind: str, id: str) -> list[Shown]:
        try:
            return self._found(bearer, kind, id).versions(f"{kind}/{id}")
        except RecordNotFound:
            return self._own(bearer, kind, id)

    def _own(self, bearer: Bearer, kind: str, id: str) -> list[Shown]:
        """What the post's organisation wrote under that id, the newest first; raises RecordNotFound, and
        PartyNotVerified for a post that stands no more."""
        network, organisation = self.world.network, bearer.staff.organisation
        verified(network.ledger.fresh_head(), bearer.staff.number)
        found = self.chart.versions(network, organisation, uuid_of(id), unreadable(network, bearer))
        own = [shown for shown in found if shown.path == f"{kind}/{id}"]
        if not own:
            raise RecordNotFound()
        return own

    def _views(self, bearer: Bearer, kind: str, about: About) -> tuple[list[View], list[Shown]]:
        """The patients whom a search names; else those that are open, and for patients who is registered here."""
        if about.aliases is not None:
            if len(about.aliases) > MOST_PATIENTS:
                raise TooCostly(most=MOST_PATIENTS)
            return [self.leases.look(bearer, alias) for alias in about.aliases], []
        views = self.leases.live(bearer)
        if kind == "Patient":
            open_now = {view.patient.id for view in views}
            known = registered(bearer.staff.organisation)
            return views, [each for each in known if each.id not in open_now]
        if not views:
            raise TooCostly()
        return views, []

    def _page(
        self,
        bearer: Bearer,
        views: Sequence[View],
        found: Found,
        matches: Sequence[Shown],
        total: int,
        said: Sequence[Resource],
    ) -> Answered:
        """The first of these matches and what comes along with them; the others behind a link."""
        count = found.query.count
        size = COUNT if count is None else min(count, MOST_COUNT)
        now, later = matches[:size], matches[size:]
        links = {}
        if later and size:
            aliases, paths = tuple(view.seen.alias for view in views), tuple(each.path for each in later)
            ends = until(self.world.clock.now())
            name = self.pages.keep(Rest(bearer.digest, aliases, paths, found.query, total, ends))
            links["next"] = f"{self.base}?_page={name}"
        entries = [(shown, found.narrowed(shown), "match") for shown in now]
        entries += [(shown, shown.resource, "include") for shown in found.included(now)]
        return Answered(bundles.searchset(self.base, entries, total, links, said))


def uuid_of(id: str) -> bytes:
    """The record id of a FHIR id; raises RecordNotFound for what is none."""
    try:
        return UUID(id).bytes
    except ValueError:
        raise RecordNotFound() from None


def stated_id(body: bytes) -> str:
    """The id that a resource states; raises FhirRefused."""
    try:
        return msgspec.json.decode(body, type=_Stated).id
    except (msgspec.DecodeError, RecursionError):
        raise FhirRefused(problem="not a resource in JSON") from None


class _Stated(msgspec.Struct):
    id: str = ""


def _ignored(query: Query) -> list[Resource]:
    ignored = (*query.ignored, *(["_summary"] if query.summary in ("true", "text", "data") else []))
    if not ignored:
        return []
    return [outcome("warning", "not-supported", f"Not looked at: {', '.join(ignored)}.")]
