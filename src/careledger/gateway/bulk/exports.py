"""All exports of one gateway: begun, asked about, gone on with step by step between requests, removed.

What is under way stands in the books, so that a gateway that was killed goes on where the last durable portion ended.
An export goes on only while its token is in force, its post and employer stand on the ledger, and the post may read all
that it might read at the beginning; while that is not so it waits, and nothing of it is handed out.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from careledger.app.tokens import Bearer, Bearers
from careledger.domain.categories import Category
from careledger.domain.errors import AccessRefused, CareLedgerError, ExportsBusy, RecordNotFound
from careledger.domain.reasons import Reason
from careledger.formats.charts import DepositPlan
from careledger.formats.exports import ExportJob
from careledger.gateway.bulk import jobs
from careledger.gateway.bulk.asking import GROUP, Kickoff, Parsed, group_of, wanted
from careledger.gateway.bulk.jobs import DIGEST, DONE, ERROR, FAILED, REMOVED, RUNNING
from careledger.gateway.bulk.own import OwnWalk
from careledger.gateway.bulk.seen import Memory, forget_member
from careledger.gateway.bulk.shared import Grounds, SharedWalk
from careledger.gateway.bulk.wanted import OUTCOME, Line, Owner
from careledger.gateway.bulk.work import Work
from careledger.gateway.grounds import unreadable
from careledger.gateway.leases import Leases
from careledger.gateway.outcomes import outcome
from careledger.workflows.actors import Organisation
from careledger.workflows.deposit import PLAN
from careledger.workflows.network import verified

KEPT, KEPT_SHARED = 24 * 3600, 3600
"""Seconds that an export is kept from its beginning, and one of others' records, so that no piece of one lies longer
than that."""
MOST_KEPT, MOST_RUNNING = 50, 4
"""How many of one token are, and how many of them are under way."""
LOOK = 10.0
"""Seconds between looks for what is over, or goes on again."""
_LOG = logging.getLogger("careledger.gateway")


@dataclass(repr=False)
class Exports:
    """For one gateway; ``woken`` is set when there is something to do. Only that may be used by a second thread."""

    leases: Leases
    parsed: Parsed
    woken: threading.Event = field(default_factory=threading.Event)
    _queue: deque[tuple[Organisation, bytes]] = field(default_factory=deque)
    _works: dict[bytes, Work] = field(default_factory=dict)
    _looked: float | None = None

    def __post_init__(self) -> None:
        self._bearers = Bearers(self.leases.world.keyring)

    def begin(self, who: Bearer, scope: str, request: str, asked: Kickoff) -> bytes:
        """A new export, durable; its id. Raises ExportsBusy."""
        books, now = who.staff.organisation.books, self.leases.world.clock.now()
        mine = [each for _, each in jobs.every(books, who.digest) if each.state != REMOVED]
        running = sum(each.state == RUNNING for each in mine)
        if len(mine) >= MOST_KEPT or running >= MOST_RUNNING:
            raise ExportsBusy(kept=len(mine), under_way=running)
        plans = [DepositPlan.decode(row).copies.made for _, row in books.rows(PLAN)]
        job = ExportJob(
            scope,
            request,
            asked.types,
            asked.since,
            asked.filters,
            asked.elements,
            asked.patients,
            asked.ignored,
            _bits(frozenset(Category) - unreadable(self.leases.world.network, who)),
            now,
            min(now + (KEPT_SHARED if scope == GROUP else KEPT), who.until),
            min([now, *plans]),  # what a crash left open shows up later under the time when it began
            RUNNING,
            b"",
            0,
            (),
        )
        id = secrets.token_bytes(16)
        jobs.save(books, who.digest + id, job)
        self._queue.append((who.staff.organisation, who.digest + id))
        self.woken.set()
        return id

    def find(self, who: Bearer, id: str) -> tuple[bytes, ExportJob]:
        """The export with that id that this token began, and its key. Raises RecordNotFound for any other,
        AccessRefused where the post may not read any more what may be in it."""
        try:
            key = who.digest + bytes.fromhex(id)
        except ValueError:
            raise RecordNotFound() from None
        job = jobs.load(who.staff.organisation.books, key)
        if job is None or job.state == REMOVED or self.leases.world.clock.now() >= job.until:
            raise RecordNotFound()
        self._check_readable(who, job)
        return key, job

    def file(self, who: Bearer, id: str, number: int) -> Iterator[bytes]:
        """What is in one file, piece by piece, without what was released by something that does not hold any more.

        Whose lines are left out is new to the next export, by whatever consent. Raises RecordNotFound for a file that
        there is not, and as ``find``."""
        key, job = self.find(who, id)
        if job.state != DONE or number >= len(job.files):
            raise RecordNotFound()
        grounds = Grounds(self.leases, who) if job.scope == GROUP else None
        organisation = who.staff.organisation
        for piece in jobs.pieces(organisation.books, key, job, number):
            owner = Owner(piece.alias, piece.consent)
            if not piece.alias or (grounds is not None and grounds.hold(owner)):
                yield piece.lines
            else:
                forget_member(organisation, group_of(job.request), piece.alias)

    def remove(self, who: Bearer, id: str) -> None:
        """Ends it if it is under way; what was made goes step by step. Raises as ``find``."""
        key, job = self.find(who, id)
        self._works.pop(key, None)
        jobs.save(who.staff.organisation.books, key, replace(job, state=REMOVED))
        self._queue = deque(each for each in self._queue if each[1] != key)
        self._queue.append((who.staff.organisation, key))
        self.woken.set()

    def step(self) -> bool:
        """A step of the export whose turn it is; whether another is to be made now."""
        if self._looked is None or time.monotonic() - self._looked >= LOOK:
            self._look()
        if self._queue:
            organisation, key = self._queue.popleft()
            if self._advanced(organisation, key):
                self._queue.append((organisation, key))
        return bool(self._queue)

    def _look(self) -> None:
        """Finds what is under way, in whatever process it began, and what is over."""
        employers = self._bearers.employers()  # an employer that cannot be read now ends nobody's export
        self._looked = time.monotonic()
        queued, now = {key for _, key in self._queue}, self.leases.world.clock.now()
        for organisation in employers:
            for key, job in jobs.every(organisation.books):
                over = now >= job.until or self._bearers.known(key[:DIGEST], now) is None
                if key not in queued and (over or job.state in (RUNNING, REMOVED)):
                    self._queue.append((organisation, key))

    def _advanced(self, organisation: Organisation, key: bytes) -> bool:
        """Whether there is more to do on this one now; what fails is tried again after the next look."""
        try:
            return self._advance(organisation, key)
        except CareLedgerError as error:
            self._works.pop(key, None)
            _LOG.warning("an export waits: %s", type(error).__name__)
        except Exception:
            self._works.pop(key, None)
            _LOG.exception("an export broke off")
            job = jobs.load(organisation.books, key)
            if job is not None and job.state == RUNNING:
                jobs.save(organisation.books, key, replace(job, state=FAILED))
        return False

    def _advance(self, organisation: Organisation, key: bytes) -> bool:
        job, now = jobs.load(organisation.books, key), self.leases.world.clock.now()
        if job is None:
            return False
        who = self._bearers.known(key[:DIGEST], now)
        if job.state == REMOVED or now >= job.until or who is None:
            self._works.pop(key, None)
            if job.state != REMOVED:
                jobs.save(organisation.books, key, replace(job, state=REMOVED))
            return jobs.remove_some(organisation.books, key)
        if job.state != RUNNING:
            return False
        verified(self.leases.world.ledger.fresh_head(), who.staff.number)
        self._check_readable(who, job)
        if key not in self._works:
            self._works[key] = self._work(who, key, job)
        more = self._works[key].go_on()
        if not more:
            self._works.pop(key)
        return more

    def _work(self, who: Bearer, key: bytes, job: ExportJob) -> Work:
        closed = frozenset(each for each in Category if not job.readable >> each & 1)
        asked, organisation = wanted(self.parsed, job, closed, who.scopes), who.staff.organisation
        walk: OwnWalk | SharedWalk = OwnWalk(self.leases.world, organisation, asked)
        if job.scope == GROUP:
            memory = Memory(who, group_of(job.request), job.through, self.leases.world.clock.now)
            walk = SharedWalk(self.leases, who, asked, memory)
        work = Work(organisation.books, key, job, walk.steps(job.cursor))
        if not job.files and not job.cursor:
            work.say(_said(job, closed))
        return work

    def _check_readable(self, who: Bearer, job: ExportJob) -> None:
        if job.readable & ~_bits(frozenset(Category) - unreadable(self.leases.world.network, who)):
            raise AccessRefused(reason=Reason.MATRIX_NO.code)


def _said(job: ExportJob, closed: frozenset[Category]) -> Iterator[Line]:
    """What an export says about itself: what was passed over, and what the post never sees, be it there or not."""
    if job.ignored:
        said = f"Not looked at: {', '.join(job.ignored)}."
        yield Line(ERROR, OUTCOME, outcome("warning", "not-supported", said))
    if closed:
        named = ", ".join(each.code for each in sorted(closed))
        said = f"Not readable for this post, whether or not it holds anything: {named}."
        yield Line(ERROR, OUTCOME, outcome("information", "suppressed", said))


def _bits(categories: frozenset[Category]) -> int:
    return sum(1 << each for each in categories)
