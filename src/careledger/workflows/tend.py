"""What an agent does first when it is unlocked: everything that a crash, an expiry or an absent custodian left open.

Each part may be repeated and none depends on another, so what fails now is tried again at the next unlocking.
"""

from __future__ import annotations

from dataclasses import dataclass

from careledger.workflows.actors import Holder
from careledger.workflows.deposit import complete
from careledger.workflows.epochs import repeat_enrolments
from careledger.workflows.grant import finish_grants
from careledger.workflows.network import Network
from careledger.workflows.order import repeat_orders
from careledger.workflows.revoke import renew_expired
from careledger.workflows.tell_moved import tell_daily


@dataclass(frozen=True)
class Tended:
    """How many grants were finished and expired consents closed, how much still waits for custodians, and how many
    readers were told of records that were filed on the wrong person."""

    granted: int
    closed: int
    orders: int
    enrolments: int
    shares: int
    moved: int

    @property
    def waits(self) -> bool:
        """Whether something has to be tried again."""
        return bool(self.orders or self.enrolments or self.shares)


def tend(network: Network, holder: Holder) -> Tended:
    """Finishes grants, turns the epochs of expired consents, repeats orders and enrolments, completes thin deposits,
    and once a day tells readers of what was moved away from this person."""
    return Tended(
        finish_grants(network, holder),
        renew_expired(network, holder),
        repeat_orders(network, holder),
        repeat_enrolments(network, holder),
        complete(network, holder),
        tell_daily(network, holder),
    )
