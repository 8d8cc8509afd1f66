"""The events of one gateway: it looks for what happened, tells who listens, and reads pages for who asks.

Everything that touches the world runs on the gateway's worker, in portions between requests; a thread of its own only
waits and hands over the next portion.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from typing import TypeVar

from careledger.app import tokens
from careledger.app.tokens import Bearer
from careledger.app.world import World
from careledger.domain.errors import CareLedgerError, PartyNotFound, PartyNotVerified, ServerUnavailable
from careledger.gateway.events import noticing, stages
from careledger.gateway.events.delivery import Delivery
from careledger.gateway.events.inbox import Inbox, Page, sees
from careledger.gateway.events.listening import Listener, Listeners
from careledger.gateway.events.noticing import Noticing
from careledger.gateway.events.outbox import Outbox
from careledger.gateway.events.recording import Records
from careledger.gateway.events.streams import EventStream, written
from careledger.workflows.actors import Organisation, Staff
from careledger.workflows.network import verified

KINDS = (
    *(stages.GIVEN, stages.ENDED, stages.EXPIRED, stages.REVOKED),
    *(stages.OPENED, stages.REVIEW_DUE, stages.REVIEWED),
    *(noticing.ANSWERED, noticing.DEPOSITED, noticing.MOVED_AWAY),
    *(noticing.JOINED, noticing.LEFT, noticing.REKEYED),
)
"""Every kind of event."""
PAGE = 100
"""How many events one page has at most."""
RECHECK = 15.0
"""Seconds between two checks of who listens."""
REREAD = 30.0
"""Seconds after which the organisations of this directory are read again."""
_LOG = logging.getLogger("careledger.gateway")
T = TypeVar("T")


class Events:
    """For one gateway. But for ``begin`` and ``close`` its methods are the worker's."""

    def __init__(self, world: World, base: str, records: Records) -> None:
        """``base``: the FHIR address; ``records``: what of a deposit a Subscription is told."""
        self.world, self.listeners, self._records = world, Listeners(), records
        self.delivery = Delivery(world, base, self, records)
        self._worker: Executor | None = None
        self._outboxes: dict[int, Outbox] = {}
        self._inboxes: dict[int, Inbox] = {}
        self._noticing: dict[int, Noticing] = {}
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._failed = ""

    def begin(self, worker: Executor, every: float | None) -> None:
        """From now on streams are served, and every so many seconds it looks for what happened; None: never."""
        self._worker = worker
        if every is not None:
            self.delivery.begin(worker)
            self._thread = threading.Thread(
                target=self._run, args=(every,), name="gateway-events", daemon=True
            )
            self._thread.start()

    def close(self) -> None:
        """Ends every stream and looks no more."""
        self._ended.set()
        self.listeners.close()
        self.delivery.close()
        if self._thread is not None:
            self._thread.join()

    # For who asks --------------------------------------------------------------------------------

    def page(self, staff: Staff, after: int | None, most: int) -> Page:
        """A post's events after a number, None: from the oldest that is kept; raises EventsGone, ApiRefused."""
        inbox, seen = self.inbox(staff), sees(self.world.ledger.fresh_head(), staff)
        inbox.catch_up(seen)
        return inbox.page(inbox.first - 1 if after is None else after, min(most, PAGE), seen)

    def stream(self, who: Bearer, after: int | None) -> EventStream:
        """A stream of a post's events after a number, None: of what happens from now on.

        Raises EventsGone, ApiRefused, Throttled.
        """
        begins = self.position(who.staff, after)
        listener = Listener(who, self.inbox(who.staff).last)
        self.listeners.join(listener)
        return EventStream(self.listeners, listener, self._pages(who.staff), begins)

    def position(self, staff: Staff, after: int | None) -> int:
        """The number after which to begin, None: with what happens from now on; raises EventsGone, ApiRefused."""
        inbox, seen = self.inbox(staff), sees(self.world.ledger.fresh_head(), staff)
        while after is None and inbox.behind:
            inbox.catch_up(seen)
        begins = inbox.last if after is None else after
        inbox.page(begins, 0, seen)  # refuses what cannot be resumed before it is promised
        return begins

    def inbox(self, staff: Staff) -> Inbox:
        """A post's inbox, as far as it has caught up."""
        if staff.number not in self._inboxes:
            self._inboxes[staff.number] = Inbox(self._outbox(staff.organisation), staff.number)
        return self._inboxes[staff.number]

    def _outbox(self, organisation: Organisation) -> Outbox:
        if organisation.number not in self._outboxes:
            self._outboxes[organisation.number] = Outbox(organisation.books)
        return self._outboxes[organisation.number]

    def _pages(self, staff: Staff) -> Callable[[int], asyncio.Future[Page]]:
        worker = self._worker
        if worker is None:
            raise ServerUnavailable(why="no events are served yet")
        return lambda after: asyncio.get_running_loop().run_in_executor(worker, self.page, staff, after, PAGE)

    # By itself -----------------------------------------------------------------------------------

    def look(self, organisation: Organisation) -> Iterator[None]:
        """Looks once for what happened to an organisation, and tells who listens; a step is one turn of the worker."""
        noticing = self._noticing.get(organisation.number)
        if noticing is None:
            noticing = self._noticing[organisation.number] = Noticing(
                organisation, self._outbox(organisation), self._records
            )
        noticing.organisation = organisation
        yield from noticing.look(self.world.network)

    def tell(self) -> Iterator[None]:
        """Tells each post that listens what it has not been told; a step is one turn of the worker."""
        for staff in {each.bearer.staff.number: each.bearer.staff for each in self.listeners.all()}.values():
            while self._tell(staff):
                yield
            yield

    def recheck(self) -> Iterator[None]:
        """Ends the streams of tokens that are over or withdrawn, and of posts that do not stand."""
        self.listeners.drop_unstarted()
        judged: dict[bytes, bool] = {}
        for listener in self.listeners.all():
            bearer = listener.bearer
            if bearer.digest not in judged:
                judged[bearer.digest] = self._may_listen(bearer)
                yield
            if not judged[bearer.digest]:
                self.listeners.end([listener])

    def _may_listen(self, bearer: Bearer) -> bool:
        if not tokens.in_force(bearer, self.world.clock.now()):
            return False
        try:
            verified(self.world.ledger.fresh_head(), bearer.staff.number)
        except (PartyNotFound, PartyNotVerified):
            return False
        return True

    def _tell(self, staff: Staff) -> bool:
        """The next portion for one post, in one turn, so that none is missed; whether there is more."""
        inbox = self.inbox(staff)
        mine = [each for each in self.listeners.all() if each.bearer.staff.number == staff.number]
        if not mine or not (inbox.behind or any(each.reached < inbox.last for each in mine)):
            return False
        try:
            seen = sees(self.world.ledger.fresh_head(), staff)
        except (PartyNotFound, PartyNotVerified):
            self.listeners.end(mine)
            return False
        inbox.catch_up(seen, PAGE)
        page = inbox.page(min(each.reached for each in mine), PAGE, seen)
        self.listeners.give(mine, [written(each) for each in page.found], page.reached)
        return page.more

    def _run(self, every: float) -> None:
        checked = read = -REREAD
        organisations: list[Organisation] = []
        while not self._ended.wait(every):
            if time.monotonic() - read >= REREAD:
                organisations, read = self._do(self._organisations) or organisations, time.monotonic()
            for organisation in organisations:
                self._walk(self.look(organisation))
            self._walk(self.tell())
            self._walk(self.delivery.look())
            if time.monotonic() - checked >= RECHECK:
                self._walk(self.recheck())
                checked = time.monotonic()

    def _organisations(self) -> list[Organisation]:
        return list(self.world.keyring.organisations().values())

    def _walk(self, steps: Iterator[None]) -> None:
        """Each step in a turn of its own."""
        going: bool | None = True
        while going and not self._ended.is_set():
            going = self._do(lambda: next(steps, _DONE) is not _DONE)

    def _do(self, act: Callable[[], T]) -> T | None:
        """What it gives; None where it cannot be had now, or is over because the gateway ends."""
        assert self._worker is not None
        try:
            given = self._worker.submit(act).result()
        except CareLedgerError as error:
            before, self._failed = self._failed, type(error).__name__
            if before != self._failed:
                _LOG.warning("left for the next time: looking for events (%s)", self._failed)
        except Exception:
            _LOG.exception("looking for events broke off")
        else:
            return given
        return None


_DONE = object()
