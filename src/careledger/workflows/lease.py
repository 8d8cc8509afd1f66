"""A lease: what one release opened, kept in memory for at most fifteen minutes and checked at every look.

Nothing of it is durable. Revocation, expiry, the session's end and a lost standing drop everything at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from careledger.domain.categories import Compartment
from careledger.domain.errors import AccessRefused
from careledger.domain.parties import Status
from careledger.domain.questions import LONGEST_LEASE
from careledger.domain.reasons import Rule
from careledger.formats.patients import AliasStatement
from careledger.ports import LedgerView
from careledger.workflows.actors import Session
from careledger.workflows.asking import Access
from careledger.workflows.judging import consent_at
from careledger.workflows.network import Network
from careledger.workflows.retrieve import Record, Retrieved, retrieve

STILL = {"active"}


@dataclass(repr=False)
class Lease:
    """Opened records of one patient for one session and purpose; never printed."""

    session: Session
    access: Access
    until: int
    retrieved: Retrieved
    shown: set[bytes] = field(default_factory=set)
    closed: bool = False

    def records(self, network: Network, compartments: Iterable[Compartment] | None = None) -> list[Record]:
        """What the lease opens, checked at the head now; raises AccessRefused and drops all once it is over."""
        try:
            self._check(network)
        except AccessRefused:
            self.close()
            raise
        wanted = None if compartments is None else set(compartments)
        seen = [each for each in self.retrieved.records if wanted is None or each.compartment in wanted]
        self.shown.update(record.handle for record in seen)
        return seen

    def close(self) -> None:
        """Drops every opened record."""
        self.closed = True
        self.retrieved = Retrieved((), (), (), False, 0, self.retrieved.asked)

    def _check(self, network: Network) -> None:
        view = network.ledger.fresh_head()
        now = max(network.clock.now(), view.head.time)
        if self.closed or now >= self.until or now >= self.session.until:
            raise AccessRefused(reason="lease-over")
        post = view.party(self.session.staff.number)
        if post is None or post.standing is not Status.VERIFIED:
            raise AccessRefused(reason="reader-not-verified")
        if self.access.certificate is not None:
            self._check_consent(network, view, now)

    def _check_consent(self, network: Network, view: LedgerView, now: int) -> None:
        assert self.access.certificate is not None
        consent = consent_at(view, self.access.certificate, network.ledger.deployment)
        state = consent.state(now).code
        if state not in STILL or not consent.by_present_controller:
            raise AccessRefused(reason=f"consent-{state}")


def open_lease(
    network: Network,
    session: Session,
    access: Access,
    statement: AliasStatement,
    compartments: Iterable[Compartment],
    seconds: int = LONGEST_LEASE,
) -> Lease:
    """One release of named categories, kept for a time; raises what ``retrieve`` raises, AccessRefused for ``own``."""
    if access.rule is Rule.OWN:
        raise AccessRefused(reason="no-lease")
    session.check(network.clock.now())
    until = network.clock.now() + min(seconds, LONGEST_LEASE)
    return Lease(session, access, until, retrieve(network, access, statement, compartments))
