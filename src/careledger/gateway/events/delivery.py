"""Delivery to endpoints: each in order, one event at a time, again and again with growing delays, then dead.

The gateway's worker decides what is next and keeps what came of it; connections are made and waited for by threads of
their own, so that a slow endpoint holds up neither requests nor another one's events.

Order of effects: the attempt, then its outcome in the books. What a crash cuts off in between is sent again under the
same id.
"""

from __future__ import annotations

import threading
from collections.abc import Container, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Protocol

from careledger.app.world import World
from careledger.domain.errors import CareLedgerError, EndpointRefused, PartyNotVerified, RecordNotFound
from careledger.domain.parties import Role, Status
from careledger.formats.events import Endpoint
from careledger.gateway.events.inbox import Inbox, Numbered, Sees, sees
from careledger.gateway.events.notices import Due, Posted, posted
from careledger.gateway.events.recording import Records
from careledger.gateway.events.sending import GONE, Outcome, Sender
from careledger.gateway.events.streams import reference
from careledger.workflows.actors import Staff

KEPT = "event-endpoint"
ACTIVE, DEAD = "active", "dead"
ENDED = "it has ended"
NO_POST = "its post has ended"
MACHINES = frozenset({Role.DEVICE, Role.OPERATOR})
"""Roles of posts that may have their events sent."""
DELAYS = (5, 30, 120, 600, 3_600, 3 * 3_600, 6 * 3_600, 12 * 3_600, 24 * 3_600)
"""Seconds until an event is tried again, after the first failure and each further one; then the endpoint is dead."""
BEHIND = 2
"""Seconds until the index of own writings is asked again where it is behind."""
HELD = 300
"""Seconds after which it is looked again whether a post stands."""
AT_ONCE = 8
MOST_OF_A_POST = 20
PORTION = 20


class Inboxes(Protocol):
    """Where posts' inboxes are had."""

    def inbox(self, staff: Staff) -> Inbox: ...


@dataclass
class _Known:
    """An endpoint and whose it is; ``sending`` while an attempt is under way."""

    staff: Staff
    endpoint: Endpoint
    sending: bool = False


class Delivery:
    """For one gateway. But for ``begin`` and ``close`` its methods are the worker's."""

    def __init__(
        self, world: World, base: str, inboxes: Inboxes, records: Records, sender: Sender | None = None
    ) -> None:
        """``base``: the FHIR address."""
        self._world, self._base, self._inboxes, self._records = world, base, inboxes, records
        self.sender = sender or Sender.of(world)
        self._known: dict[bytes, _Known] | None = None
        self._worker: Executor | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()

    def begin(self, worker: Executor) -> None:
        """From now on ``look`` sends."""
        self._worker, self._pool = worker, ThreadPoolExecutor(AT_ONCE, "gateway-delivery")

    def close(self) -> None:
        """Ends what is under way; it is sent again by whoever opens the directory."""
        self.sender.close()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    # A post's endpoints --------------------------------------------------------------------------

    def add(self, staff: Staff, endpoint: Endpoint) -> Endpoint:
        """Keeps an endpoint, durable when it returns; adding the same again changes nothing. Raises EndpointRefused."""
        known = self._all()
        if endpoint.id in known:
            return known[endpoint.id].endpoint
        if sum(each.staff.number == staff.number for each in known.values()) >= MOST_OF_A_POST:
            raise EndpointRefused(why=f"a post has at most {MOST_OF_A_POST}")
        self._keep(staff, endpoint)
        known[endpoint.id] = _Known(staff, endpoint)
        return endpoint

    def of(self, staff: Staff, forms: Container[str]) -> list[Endpoint]:
        """A post's endpoints of these forms."""
        own = [each.endpoint for each in self._all().values() if each.staff.number == staff.number]
        return [each for each in own if each.form in forms]

    def one(self, staff: Staff, id: bytes, forms: Container[str]) -> Endpoint:
        """One of them; raises RecordNotFound, for another post's too."""
        for endpoint in self.of(staff, forms):
            if endpoint.id == id:
                return endpoint
        raise RecordNotFound()

    def remove(self, staff: Staff, id: bytes, forms: Container[str]) -> Endpoint:
        """Nothing is sent there any more, durable when it returns; raises RecordNotFound."""
        endpoint = self.one(staff, id, forms)
        staff.organisation.books.drop(KEPT, [id])
        del self._all()[id]
        return endpoint

    # By itself -----------------------------------------------------------------------------------

    def look(self) -> Iterator[None]:
        """Begins every attempt that is due; a step is one turn of the worker."""
        for at, id in enumerate(list(self._all())):
            while self._attempt(id):
                yield
            if at % PORTION == PORTION - 1:
                yield
        yield

    def _attempt(self, id: bytes) -> bool:
        """Begins what is due for an endpoint; returns whether there is more to look through first."""
        known, now = self._all().get(id), self._world.clock.now()
        if known is None or known.sending or self._pool is None:
            return False
        if known.endpoint.state != ACTIVE or known.endpoint.due > now:
            return False
        if known.endpoint.until and known.endpoint.until <= now:
            self._end(known, ENDED)
            return False
        try:
            due, more = self._next(known, sees(self._world.ledger.fresh_head(), known.staff))
        except PartyNotVerified as error:
            if error.details.get("status") == Status.REMOVED.name.lower():
                self._end(known, NO_POST)
            known.endpoint = replace(known.endpoint, due=now + HELD)
            return False
        except CareLedgerError:  # nobody can say so now: nothing is sent meanwhile
            known.endpoint = replace(known.endpoint, due=now + HELD)
            return False
        if due is not None:
            known.sending = True
            self._pool.submit(
                self._send, id, known.endpoint, due, posted(known.endpoint, due, now, self._base)
            )
        return more

    def _end(self, known: _Known, why: str) -> None:
        known.endpoint = replace(known.endpoint, state=DEAD, problem=why)
        self._keep(known.staff, known.endpoint)

    def _next(self, known: _Known, seen: Sees) -> tuple[Due | None, bool]:
        """What is sent next to an endpoint, and whether there is more to look through before anything is; events of
        other kinds, and deposits in which nothing answers, are passed over."""
        inbox, endpoint = self._inboxes.inbox(known.staff), known.endpoint
        inbox.catch_up(seen)
        reached = max(endpoint.reached, inbox.first - 1)
        page = inbox.page(reached, PORTION, seen)
        for told in page.found:
            if endpoint.kinds and told.event.kind not in endpoint.kinds:
                continue
            if not endpoint.criteria:
                return Due(told, (reference(told.event),), told.number, 0), False
            due, passed = self._of_records(known, told)
            if due is not None:
                return due, False
            if not passed:
                return None, known.endpoint.due == 0
        known.endpoint = replace(known.endpoint, reached=page.reached, place=0)
        return None, page.more

    def _of_records(self, known: _Known, told: Numbered) -> tuple[Due | None, bool]:
        """What of a deposit answers a Subscription's criteria, and whether the next one may be looked at at once."""
        before = known.endpoint
        place = before.place if told.number == before.reached + 1 else 0
        found = self._records.portion(known.staff, before.criteria, told.event, place)
        if found is None:
            known.endpoint = replace(before, due=self._world.clock.now() + BEHIND)
            return None, False
        reached, place = (told.number - 1, found.place) if found.place else (told.number, 0)
        if found.named:
            return Due(told, found.named, reached, place), False
        known.endpoint = replace(before, reached=reached, place=place, due=0)
        return None, not found.looked

    def _send(self, id: bytes, endpoint: Endpoint, due: Due, what: Posted) -> None:
        """In a thread of the pool."""
        try:
            outcome = self.sender.send(endpoint.url, what.headers, what.body)
        except Exception:  # whatever an endpoint brings about, it is one attempt that failed
            outcome = Outcome(0, "no answer")
        with suppress(RuntimeError):  # the gateway ends
            if self._worker is not None:
                self._worker.submit(self._came, id, due, outcome)

    def _came(self, id: bytes, due: Due, outcome: Outcome) -> None:
        """Keeps what an attempt came to, and begins the next one."""
        known = self._all().get(id)
        if known is None:
            return
        after = after_attempt(known.endpoint, due, outcome, self._world.clock.now())
        known.endpoint, known.sending = after, False
        self._keep(known.staff, after)  # what cannot be kept now is kept with the next outcome
        self._attempt(id)

    def _keep(self, staff: Staff, endpoint: Endpoint) -> None:
        staff.organisation.books.put(KEPT, [(endpoint.id, endpoint.encode())])

    def _all(self) -> dict[bytes, _Known]:
        """Every endpoint of this directory's organisations, read once."""
        if self._known is None:
            self._known = {each.endpoint.id: each for each in self._read()}
        return self._known

    def _read(self) -> Iterator[_Known]:
        keyring = self._world.keyring
        for employer in keyring.everybody():
            staff = {each.number: each for each in keyring.all_staff(employer).values()}
            endpoints = (Endpoint.decode(row) for _, row in employer.books.rows(KEPT))
            yield from (_Known(staff[each.post], each) for each in endpoints if each.post in staff)


def after_attempt(endpoint: Endpoint, sent: Due, outcome: Outcome, now: int) -> Endpoint:
    """An endpoint after an attempt: on to what follows, again later, or dead after the last delay or where it says
    that it is gone for good (410)."""
    if outcome.delivered:
        made = replace(endpoint, reached=sent.reached, place=sent.place, tries=0, due=0, problem="")
        return replace(made, sent=endpoint.sent + len(sent.named))
    tries = endpoint.tries + 1
    over = tries > len(DELAYS) or outcome.status == GONE
    due = 0 if over else now + DELAYS[tries - 1]
    return replace(endpoint, tries=tries, due=due, state=DEAD if over else ACTIVE, problem=outcome.problem)
