"""What all interactions of a gateway share: the world, what posts have open, pages that wait, the own chart.

Each look decides by what the patient lets this post see; what may not be seen answers like what is not there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from careledger.app.identity.references import References
from careledger.app.tokens import Bearer
from careledger.app.world import World
from careledger.domain.categories import Category, Compartment
from careledger.domain.errors import CareLedgerError, RecordNotFound
from careledger.fhir.references import refers_by_uuid
from careledger.fhir.searching.parse import parse
from careledger.fhir.searching.query import Query
from careledger.gateway.apart.sharing import Alone, Sharing
from careledger.gateway.brought import Brought
from careledger.gateway.bulk.exports import Exports
from careledger.gateway.events.service import Events
from careledger.gateway.grounds import unreadable
from careledger.gateway.http import Handler
from careledger.gateway.later import Later
from careledger.gateway.leases import Leases
from careledger.gateway.operations import consents
from careledger.gateway.own.chart import Charts
from careledger.gateway.own.sight import Sight
from careledger.gateway.own.subscribed import Subscribed
from careledger.gateway.pages import Pages
from careledger.gateway.repeats import Answers
from careledger.gateway.views import Shown, View
from careledger.workflows.register import kept_holder


@dataclass
class Desk:
    """For one gateway; not to be used by two threads at once. ``base`` is the FHIR address that links begin with."""

    world: World
    base: str
    sharing: Sharing = field(default_factory=Alone)
    leases: Leases = field(init=False)
    events: Events = field(init=False)
    pages: Pages = field(default_factory=Pages)
    brought: Brought = field(default_factory=Brought)
    later: Later = field(default_factory=Later)
    answers: Answers = field(default_factory=Answers)
    exports: Exports = field(init=False)
    charts: Charts = field(init=False)
    references: References = field(default_factory=References)
    batched: Sequence[Handler] = ()
    """What entries of a batch may ask for; set by the application, from the routes that it has."""

    def __post_init__(self) -> None:
        self.leases = Leases(self.world, self.sharing)
        self.exports = Exports(self.leases, self.parsed)
        self.charts = Charts(self.world)
        self.events = Events(self.world, self.base, Subscribed(self.world, self.base, self.charts))

    def drop_ended(self) -> None:
        """Drops what leases and searches that are over found, though nobody asks again."""
        self.leases.drop_ended()
        self.pages.drop_over(self.world.clock.now())

    def close(self) -> None:
        """Drops everything that is open."""
        self.leases.close()
        self.charts.close()

    def current(self, who: Bearer, kind: str, id: str) -> Shown:
        """The current version, of what is shared or of the organisation's own writing.

        Raises RecordNotFound for what this post does not see, for whatever reason, and RecordGone.
        """
        if consents.is_held(kind, id):
            return consents.one(self.world, who, id)
        try:
            return self.found(who, kind, id).current[f"{kind}/{id}"]
        except RecordNotFound:
            return self.own(who, kind, id)[0]

    def newest(self, who: Bearer, kind: str, id: str) -> Shown:
        """The same, asked anew where another program wrote since this one looked."""
        try:
            view = self.found(who, kind, id)
        except RecordNotFound:
            return self.own(who, kind, id)[0]
        place = f"{kind}/{id}"
        found = self.leases.newest(who, view, view.current[place]).current.get(place)
        if found is None:
            raise RecordNotFound()
        return found

    def versions(self, who: Bearer, kind: str, id: str) -> list[Shown]:
        """All versions likewise, the newest first; raises RecordNotFound and RecordGone."""
        try:
            return self.found(who, kind, id).versions(f"{kind}/{id}")
        except RecordNotFound:
            return self.own(who, kind, id)

    def found(self, who: Bearer, kind: str, id: str) -> View:
        """The view in which that record is shown: a patient's own, or one that is open; raises RecordNotFound."""
        if kind == "Patient" and re.fullmatch(r"[0-9a-f]{64}", id):
            return self.leases.look(who, bytes.fromhex(id))
        view = self.leases.showing(who, f"{kind}/{id}")
        if view is not None:
            return view
        raise RecordNotFound()

    def own(self, who: Bearer, kind: str, id: str) -> list[Shown]:
        """What the post's organisation wrote under that id, the newest first; raises RecordNotFound, and RecordGone
        for what it took back."""
        own = [shown for shown in self.sight(who).versions(uuid_of(id)) if shown.path == f"{kind}/{id}"]
        if not own:
            raise RecordNotFound()
        return own

    def written(
        self, who: Bearer, alias: bytes, path: str, version: str, created: Compartment | None = None
    ) -> Shown | None:
        """What was written just now, of what is shared or, of who keeps the patient's keys, of the own writing; None
        where it cannot be shown now, and where nobody was asked for it: who wrote it is told so.

        A record that was ``created`` in a compartment is asked for alone, unless it refers to others that are shown
        with it: nothing follows it yet, and all else that the patient shares need not be opened for it."""
        with suppress(CareLedgerError):
            alone = self.leases.alone(who, alias, bytes.fromhex(version), created) if created else None
            shown = None if alone is None else alone.current.get(path)
            if shown is None or refers_by_uuid(shown.resource):
                shown = self.leases.look(who, alias).current.get(path)
            if shown is not None:
                return shown
            kept_holder(who.staff.organisation, alias)
            own = self.own(who, *path.split("/"))[0]
            return own if own.version == version else None
        return None

    def sight(self, who: Bearer) -> Sight:
        """What the post's organisation wrote, as far as the post may read it; for a patient's app nothing, which reads
        by its consent alone."""
        network = self.world.network
        own = self.charts.of(who.staff.organisation)
        closed = frozenset(Category) if who.consent else unreadable(network, who)
        return Sight(own, network, closed, who.scopes, who.patient)

    @property
    def now(self) -> datetime:
        """The world's time."""
        return datetime.fromtimestamp(self.world.clock.now(), UTC)

    def parsed(self, kind: str, given: Sequence[tuple[str, str]], now: datetime | None = None) -> Query:
        """What a search asks; raises FhirRefused."""
        return parse(kind, given, base=self.base, now=now or self.now)


def uuid_of(id: str) -> bytes:
    """The record id of a FHIR id; raises RecordNotFound for what is none."""
    try:
        return UUID(id).bytes
    except ValueError:
        raise RecordNotFound() from None
