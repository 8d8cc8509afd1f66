"""What posts have open: one lease for each token and patient, asked for when first needed and checked at each look.

Everything here is in memory and ends with the process. A look that finds a lease over, or records changed, asks once
more: that is a new request, decided afresh and logged. What the patient ended is refused then, with the reason.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field

from careledger.app.identity.enrolling import opened
from careledger.app.identity.sessions import IDLE
from careledger.app.tokens import Bearer
from careledger.app.world import World
from careledger.domain.categories import Compartment
from careledger.domain.errors import (
    AccessRefused,
    CareLedgerError,
    PatientNotFound,
    RecordNotFound,
    SignatureRefused,
)
from careledger.domain.questions import LONGEST_LEASE
from careledger.formats.patients import Certificate
from careledger.gateway.apart.sharing import Alone, Sharing, Stamp
from careledger.gateway.grounds import check_reaches, ground_of, within
from careledger.gateway.own.keyless import written_here
from careledger.gateway.own.showing import uuid_text
from careledger.gateway.views import Seen, Shown, View
from careledger.workflows.actors import Session
from careledger.workflows.asking import Access
from careledger.workflows.custody import find_statement
from careledger.workflows.lease import Lease, open_lease
from careledger.workflows.network import Network
from careledger.workflows.received import epoch_keys, fetch_grants
from careledger.workflows.retrieve import Record, Retrieved, retrieve
from careledger.workflows.superseded import following, is_superseded

MOST_OPEN = 50_000
"""Versions that all leases of a gateway keep in memory together, some 20 KiB each."""
MOST_ASIDE = 1_000
"""Patients and tokens of whom is kept what was found before something was written, some 20 KiB each."""
MOST_PATHS = 10_000
"""Records of one of them that are remembered so."""
MOST_SESSIONS = 10_000
"""Tokens whose sessions are kept in memory, some 2 KiB each; one that is asked with again has a new session stated."""
ENDED = (AccessRefused, SignatureRefused)
"""What ends a lease: the second once its post's key was changed, whose sessions end with it."""


@dataclass(repr=False)
class _Held:
    """An open lease, and the view of what it opened: made once, looked at as long as the lease holds."""

    lease: Lease
    view: View
    checked: float
    stamp: Stamp

    @property
    def records(self) -> int:
        """How many versions it keeps open."""
        return len(self.lease.retrieved.records)

    def look(self, network: Network, came: float) -> View:
        """The view, once the lease was checked at the head now; raises what ``Lease.records`` raises.

        A check that began after the request had come is one for it too, so requests that wait together share one.
        """
        if came > self.checked:
            begun = time.monotonic()
            self.lease.records(network)
            self.checked = begun
        return self.view


@dataclass(repr=False)
class _Aside:
    """What a token had open of a patient for whom it then wrote something: nothing is kept of it but which records it
    showed, and what was written, so that one that is asked for by its id alone is found by asking anew."""

    paths: set[str]
    until: int
    was_open: bool


@dataclass(repr=False)
class Leases:
    """The leases of everybody who asks at one gateway; not to be used by two threads at once."""

    world: World
    sharing: Sharing = field(default_factory=Alone)
    _held: dict[tuple[bytes, bytes], _Held] = field(default_factory=dict)
    _aside: dict[tuple[bytes, bytes], _Aside] = field(default_factory=dict)
    _sessions: dict[bytes, Session] = field(default_factory=dict)
    _used: dict[bytes, int] = field(default_factory=dict)
    """When each was last asked for something, the longest ago first."""

    def session(self, bearer: Bearer) -> Session:
        """The session in which that token's requests are made; a new one when the last has ended."""
        now = self.world.clock.now()
        found = self._sessions.get(bearer.digest)
        if found is None or now >= found.until or found.staff != bearer.staff:
            deployment = self.world.ledger.deployment
            found = opened(bearer.staff, bearer.shown, deployment, now, bearer.until - now)
            self._sessions[bearer.digest] = found
        self._used.pop(bearer.digest, None)
        self._used[bearer.digest] = now
        if len(self._used) > MOST_SESSIONS:
            self._drop_session(next(iter(self._used)))
        return found

    def _drop_session(self, digest: bytes) -> None:
        self._sessions.pop(digest, None)
        self._used.pop(digest, None)

    def look(self, bearer: Bearer, alias: bytes) -> View:
        """What this post may see of this patient now; raises AccessRefused, PatientNotFound, and what
        ``retrieve`` raises."""
        check_reaches(bearer, alias)
        network = self.world.network
        held = self._open(bearer.digest, alias)
        if held is not None:
            del self._held[bearer.digest, alias]
            with suppress(*ENDED):
                view = held.look(network, bearer.came)
                self._held[bearer.digest, alias] = held  # the last one is the last to go
                return view
        return self._ask(network, bearer, alias)[0]

    def once(self, bearer: Bearer, alias: bytes) -> tuple[View, Access]:
        """The same and on what ground, by a lease that is open already or by one that is not kept open."""
        check_reaches(bearer, alias)
        network = self.world.network
        if (bearer.digest, alias) in self._aside:
            self.look(bearer, alias)
        held = self._open(bearer.digest, alias)
        if held is not None:
            with suppress(*ENDED):
                return held.look(network, bearer.came), held.lease.access
        made = self._ask(network, bearer, alias)
        self._drop(bearer.digest, alias)
        return made

    def alone(self, bearer: Bearer, alias: bytes, handle: bytes, compartment: Compartment) -> View | None:
        """What a look would show if that version, of that compartment, were all there is: by a request for it alone,
        of which nothing is kept open. None where this post's ground opens no such compartment as a whole; raises as
        ``look``."""
        check_reaches(bearer, alias)
        network = self.world.network
        statement = find_statement(network, alias, self.world.custodians)
        ground, closed = ground_of(network, self.session(bearer), bearer, statement)
        if ground.handles is not None or compartment not in ground.compartments:
            return None
        found = retrieve(network, ground.access, statement, handles=[handle])
        return self._view(bearer, alias, found, found.records, closed)

    def live(self, bearer: Bearer) -> list[View]:
        """What this post's leases that still hold show, without asking for anything anew but what is open at another
        worker, or was when this token wrote something."""
        network, seen = self.world.network, list[View]()
        self._bring(bearer)
        before = [name for name, each in self._aside.items() if each.was_open]
        for digest, alias in [*self._held, *before]:
            if digest == bearer.digest:
                held = self._held.get((digest, alias))
                try:
                    seen.append(held.look(network, bearer.came) if held else self.look(bearer, alias))
                except ENDED:
                    self._drop(digest, alias)
        return seen

    def showing(self, bearer: Bearer, path: str) -> View | None:
        """The view among those that this post has open in which that record is; only its lease is checked."""
        found = self._showing_now(bearer, path)
        return found if found is not None or not self._bring(bearer) else self._showing_now(bearer, path)

    def _showing_now(self, bearer: Bearer, path: str) -> View | None:
        mine = [each for each in self._held.items() if each[0][0] == bearer.digest]
        for name, held in (each for each in mine if path in each[1].view.current):
            try:
                same = held is self._open(*name)
                view = held.look(self.world.network, bearer.came) if same else self.look(bearer, name[1])
                if path in view.current:
                    return view
            except ENDED:
                self._held.pop(name, None)
        aside = [
            name for name, each in self._aside.items() if name[0] == bearer.digest and path in each.paths
        ]
        for _, alias in aside:
            with suppress(*ENDED):
                if path in (view := self.look(bearer, alias)).current:
                    return view
        return None

    def again(self, bearer: Bearer, shown: Shown) -> Shown:
        """What a lease shows, by a request on the same ground for that version alone; what no lease of this token
        shows is as fresh as it is. Raises RecordNotFound if custodians do not give it, and what ``retrieve`` raises.
        """
        for held, record in self._showing(bearer, shown):
            lease = held.lease
            found = retrieve(self.world.network, lease.access, lease.statement, handles=[record.handle])
            fresh = [each for each in found.records if not each.distrust and not each.apart]
            again = held.view.shown(fresh[0]) if fresh else None
            if again is None:
                raise RecordNotFound()
            return again
        return shown

    def newest(self, bearer: Bearer, view: View, shown: Shown) -> View:
        """The view for whoever writes what follows a version: looked at anew if custodians hold one that does."""
        for held, record in self._showing(bearer, shown):
            lease = held.lease
            if is_superseded(self.world.network, lease.access, lease.statement, record):
                self.forget(bearer, view.seen.alias)
                return self.look(bearer, view.seen.alias)
        return view

    def following(
        self, bearer: Bearer, alias: bytes, compartments: Sequence[int]
    ) -> Mapping[bytes, Set[bytes]] | None:
        """What custodians hold by now that follows versions of that patient, by the version before; None where this
        token has nothing open. Nothing is opened; raises as ``retrieve``."""
        held = self._open(bearer.digest, alias)
        if held is None:
            return None
        return following(self.world.network, held.lease.access, held.lease.statement, compartments)

    def _showing(self, bearer: Bearer, shown: Shown) -> list[tuple[_Held, Record]]:
        mine = [held for (digest, _), held in self._held.items() if digest == bearer.digest]
        return [(held, record) for held in mine if (record := held.view.record(shown)) is not None]

    def drop_ended(self) -> int:
        """Drops sessions that are over or that nobody used for half an hour, and what leases that are over opened,
        looked at again or not; returns how many leases are open."""
        now = self.world.clock.now()
        for digest, used in list(self._used.items()):
            if now >= min(used + IDLE, self._sessions[digest].until):
                self._drop_session(digest)
        for name, held in list(self._held.items()):
            if held.lease.closed or now >= held.lease.until:
                held.lease.close()
                del self._held[name]
            else:
                self._open(*name)
        for name in [name for name, each in self._aside.items() if now >= each.until]:
            del self._aside[name]
        return len(self._held)

    def forget(self, bearer: Bearer, alias: bytes) -> None:
        """The next look at that patient asks anew, at whatever worker."""
        self._drop(bearer.digest, alias)
        self._aside.pop((bearer.digest, alias), None)
        self.sharing.changed(bearer.digest, alias)

    def wrote(self, bearer: Bearer, alias: bytes, path: str) -> None:
        """The same; but that record, and what was open, is found by asking anew where its id alone is asked for."""
        name, now = (bearer.digest, alias), self.world.clock.now()
        held, before = self._held.get(name), self._aside.get(name)
        aside = before or _Aside(set(held.view.current if held else ()), 0, held is not None)
        aside.until = held.lease.until if held else now + LONGEST_LEASE
        if len(aside.paths) < MOST_PATHS:  # beyond, what is written is read as own writing
            aside.paths.add(path)
        self.forget(bearer, alias)
        self._aside[name] = aside
        if len(self._aside) > MOST_ASIDE:
            del self._aside[next(iter(self._aside))]

    def end(self, digest: bytes) -> None:
        """Drops what was opened for a token or a session that is over, at whatever worker."""
        self.sharing.ended(digest)
        self._drop_session(digest)
        for name in [each for each in self._held if each[0] == digest]:
            self._held.pop(name).lease.close()
        for name in [each for each in self._aside if each[0] == digest]:
            del self._aside[name]

    def close(self) -> None:
        """Drops everything that is open."""
        for held in self._held.values():
            held.lease.close()
        self._held.clear()
        self._aside.clear()
        self._sessions.clear()
        self._used.clear()

    def _ask(self, network: Network, bearer: Bearer, alias: bytes) -> tuple[View, Access]:
        """By a request, and by another one where a key came while custodians answered."""
        self._aside.pop((bearer.digest, alias), None)
        made = self._asked(network, bearer, alias)
        came = (bearer.digest, alias) in self._held and self._open(bearer.digest, alias) is None
        return self._asked(network, bearer, alias) if came else made

    def _asked(self, network: Network, bearer: Bearer, alias: bytes) -> tuple[View, Access]:
        stamp, session = self.sharing.stamp(bearer.digest, alias), self.session(bearer)
        statement = find_statement(network, alias, self.world.custodians)
        ground, closed = ground_of(network, self.session(bearer), bearer, statement)
        if ground.handles is not None:  # single records are no compartments: every look is a request
            found = retrieve(network, ground.access, statement, handles=ground.handles)
            return self._view(bearer, alias, found, found.records, closed), ground.access
        begun = time.monotonic()
        lease = open_lease(network, session, ground.access, statement, ground.compartments)
        held = _Held(
            lease, self._view(bearer, alias, lease.retrieved, lease.records(network), closed), begun, stamp
        )
        self.sharing.opened(bearer.digest, alias)
        self._held[bearer.digest, alias] = held
        self._make_room()
        return held.view, ground.access

    def _view(
        self,
        bearer: Bearer,
        alias: bytes,
        retrieved: Retrieved,
        records: Sequence[Record],
        closed: tuple[Compartment, ...],
    ) -> View:
        """What is trusted of what was released, and the token's scopes show."""
        trusted = [each for each in records if not each.distrust and not each.apart]
        scopes, keyless = bearer.scopes, set(() if bearer.consent else retrieved.keyless)
        own = list(written_here(self.world.network, bearer.staff.organisation, alias, keyless))
        covered = [
            each for each in own if scopes.shows(each.type) or scopes.cover("r", each.type, each.resource)
        ]
        last = {each.id: each for each in own}
        hidden = {id for id, each in last.items() if each not in covered}  # no older version stands for these
        shown = [each for each in trusted if uuid_text(each.manifest.record_id) not in hidden]
        return View(
            Seen(alias, within(scopes, shown), closed, retrieved.complete, scopes.shown),
            tuple(each for each in covered if each.id not in hidden),
        )

    def _open(self, digest: bytes, alias: bytes) -> _Held | None:
        """The lease that is open, unless it is to be asked for anew; then it is dropped."""
        held = self._held.get((digest, alias))
        if held is None:
            return None
        if held.stamp == self.sharing.stamp(digest, alias) and not _key_came(self.world.network, held.lease):
            return held
        self._drop(digest, alias)
        return None

    def _drop(self, digest: bytes, alias: bytes) -> None:
        held = self._held.pop((digest, alias), None)
        if held is not None:
            held.lease.close()

    def _bring(self, bearer: Bearer) -> bool:
        """Opens here what that token has open at another worker, each by a decision of its own; whether any was."""
        before = len(self._held)
        for alias in self.sharing.elsewhere(bearer.digest):
            if (bearer.digest, alias) not in self._held:
                try:
                    self.look(bearer, alias)
                except (*ENDED, PatientNotFound):
                    self.sharing.refused(bearer.digest, alias)
        return len(self._held) > before

    def _make_room(self) -> None:
        """Drops what was looked at longest ago while more is open than ``MOST_OPEN`` records; a look asks anew."""
        kept = list(self._held.items())
        open_now = sum(held.records for _, held in kept)
        for name, held in kept[:-1]:
            if open_now <= MOST_OPEN:
                return
            open_now -= held.records
            held.lease.close()
            del self._held[name]


def _key_came(network: Network, lease: Lease) -> bool:
    """Whether something was released to a lease without its key, and its grant has another key since."""
    access = lease.access
    if lease.closed or not lease.retrieved.keyless or access.certificate is None:
        return False
    organisation = lease.session.staff.organisation
    with suppress(CareLedgerError):  # what cannot be looked for now is looked for again
        fetch_grants(network, organisation)
        keys = epoch_keys(organisation, Certificate.decode(access.certificate.body))
        return len(keys) > len(access.seeds)
    return False
