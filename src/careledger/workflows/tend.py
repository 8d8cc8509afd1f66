"""What an agent does first when it is unlocked: everything that a crash, an expiry or an absent custodian left open.

Each part may be repeated and none depends on another: what fails now keeps no other from being done, and is tried again
at the next unlocking.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from careledger.domain.errors import CareLedgerError
from careledger.workflows.actors import Holder
from careledger.workflows.deposit import complete
from careledger.workflows.epochs import repeat_enrolments
from careledger.workflows.erase import finish_erasures
from careledger.workflows.grant import PREPARED, finish_grants, live_consents
from careledger.workflows.network import Network
from careledger.workflows.order import repeat_orders
from careledger.workflows.retract import repeat_retractions
from careledger.workflows.revoke import renew_expired
from careledger.workflows.tell_moved import tell_daily


@dataclass
class Attempts:
    """Runs one part after the other; ``failed`` has what could not be done now, in words, with why."""

    failed: list[str] = field(default_factory=list)

    def run(self, what: str, part: Callable[[], int]) -> int:
        """What the part returns, 0 if it failed."""
        try:
            return part()
        except CareLedgerError as error:
            self.failed.append(f"{what} ({type(error).__name__})")
            return 0


@dataclass(frozen=True)
class Tended:
    """How many grants were finished and expired consents closed, how much still waits for custodians, how many consents
    are on their way, how many readers were told of records that were filed on the wrong person, how many erasures wait
    for their date; what failed."""

    granted: int
    closed: int
    orders: int
    retractions: int
    enrolments: int
    shares: int
    moved: int
    prepared: int
    erasures: int
    failed: tuple[str, ...]

    @property
    def waits(self) -> bool:
        """Whether something has to be tried again."""
        return bool(self.waiting)

    @property
    def waiting(self) -> tuple[str, ...]:
        """What still waits, in words for the patient."""
        counts = {
            "consents to reach their readers": self.prepared,
            "orders to reach custodians": self.orders,
            "retractions to reach custodians": self.retractions,
            "custodians to hear the newest statement": self.enrolments,
            "custodians to take shares of records": self.shares,
        }
        return (*(f"{count} {what}" for what, count in counts.items() if count), *self.failed)


def tend(network: Network, holder: Holder) -> Tended:
    """Finishes grants, turns the epochs of expired consents, repeats orders, retractions and enrolments, completes thin
    deposits, once a day tells readers of what was moved away from this person, and finishes erasures whose date has
    come. Raises nothing that was refused."""
    attempts = Attempts()
    granted = attempts.run("finishing grants", lambda: finish_grants(network, holder))
    closed = attempts.run("closing expired consents", lambda: renew_expired(network, holder))
    retractions = attempts.run("repeating retractions", lambda: repeat_retractions(network, holder))
    orders = attempts.run("repeating orders", lambda: repeat_orders(network, holder))
    enrolments = attempts.run("repeating enrolments", lambda: repeat_enrolments(network, holder))
    shares = attempts.run("completing deposits", lambda: complete(network, holder))
    moved = attempts.run("telling who read what was moved", lambda: tell_daily(network, holder))
    erasures = attempts.run("erasing what has become due", lambda: finish_erasures(network, holder))
    prepared = sum(given.state == PREPARED for given in live_consents(holder))
    return Tended(
        granted,
        closed,
        orders,
        retractions,
        enrolments,
        shares,
        moved,
        prepared,
        erasures,
        tuple(attempts.failed),
    )
