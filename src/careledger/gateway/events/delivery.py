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
from careledger.domain.errors import CareLedgerError, EndpointRefused, RecordNotFound
from careledger.domain.parties import Role
from careledger.formats.events import Endpoint
from careledger.gateway.events.inbox import Inbox, Numbered, Sees, sees
from careledger.gateway.events.notices import Posted, posted
from careledger.gateway.events.sending import GONE, Outcome, Sender
from careledger.workflows.actors import Staff

KEPT = "event-endpoint"
ACTIVE, DEAD = "active", "dead"
ENDED = "it has ended"
MACHINES = frozenset({Role.DEVICE, Role.OPERATOR})
"""Roles of posts that may have their events sent."""
DELAYS = (5, 30, 120, 600, 3_600, 3 * 3_600, 6 * 3_600, 12 * 3_600, 24 * 3_600)
"""Seconds until an event is tried again, after the first failure and each further one; then the endpoint is dead."""
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

    def __init__(self, world: World, base: str, inboxes: Inboxes, sender: Sender | None = None) -> None:
        """``base``: the FHIR address."""
        self._world, self._base, self._inboxes = world, base, inboxes
        self.sender = sender or Sender(world.settings.webhooks_to_loopback)
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
            self._attempt(id)
            if at % PORTION == PORTION - 1:
                yield
        yield

    def _attempt(self, id: bytes) -> None:
        known, now = self._all().get(id), self._world.clock.now()
        if known is None or known.sending or self._pool is None:
            return
        if known.endpoint.state != ACTIVE or known.endpoint.due > now:
            return
        if known.endpoint.until and known.endpoint.until <= now:
            known.endpoint = replace(known.endpoint, state=DEAD, problem=ENDED)
            self._keep(known.staff, known.endpoint)
            return
        try:
            seen = sees(self._world.ledger.fresh_head(), known.staff)
        except CareLedgerError:  # it does not stand, or nobody can say so now: nothing is sent meanwhile
            known.endpoint = replace(known.endpoint, due=now + HELD)
            return
        told = self._next(known, seen)
        if told is not None:
            known.sending = True
            self._pool.submit(
                self._send, id, known.endpoint, told, posted(known.endpoint, told, now, self._base)
            )

    def _next(self, known: _Known, seen: Sees) -> Numbered | None:
        """The next event for an endpoint; those of other kinds are passed over."""
        inbox, endpoint = self._inboxes.inbox(known.staff), known.endpoint
        inbox.catch_up(seen)
        reached = max(endpoint.reached, inbox.first - 1)
        page = inbox.page(reached, PORTION, seen)
        for told in page.found:
            if not endpoint.kinds or told.event.kind in endpoint.kinds:
                return told
        known.endpoint = replace(endpoint, reached=page.reached)
        return None

    def _send(self, id: bytes, endpoint: Endpoint, told: Numbered, what: Posted) -> None:
        """In a thread of the pool."""
        try:
            outcome = self.sender.send(endpoint.url, what.headers, what.body)
        except Exception:  # whatever an endpoint brings about, it is one attempt that failed
            outcome = Outcome(0, "no answer")
        with suppress(RuntimeError):  # the gateway ends
            if self._worker is not None:
                self._worker.submit(self._came, id, told, outcome)

    def _came(self, id: bytes, told: Numbered, outcome: Outcome) -> None:
        """Keeps what an attempt came to, and begins the next one."""
        known = self._all().get(id)
        if known is None:
            return
        after = after_attempt(known.endpoint, told.number, outcome, self._world.clock.now())
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
        for employer in (*keyring.organisations().values(), keyring.ministry()):
            staff = {each.number: each for each in keyring.all_staff(employer).values()}
            endpoints = (Endpoint.decode(row) for _, row in employer.books.rows(KEPT))
            yield from (_Known(staff[each.post], each) for each in endpoints if each.post in staff)


def after_attempt(endpoint: Endpoint, number: int, outcome: Outcome, now: int) -> Endpoint:
    """An endpoint after an attempt: on to the next event, again later, or dead after the last delay or where it says
    that it is gone for good (410)."""
    if outcome.delivered:
        return replace(endpoint, reached=number, tries=0, due=0, problem="", sent=endpoint.sent + 1)
    tries = endpoint.tries + 1
    over = tries > len(DELAYS) or outcome.status == GONE
    due = 0 if over else now + DELAYS[tries - 1]
    return replace(endpoint, tries=tries, due=due, state=DEAD if over else ACTIVE, problem=outcome.problem)
