"""Turn epochs: new ones, whose keys every reader who stays is sent before anything can be sealed under them.

Order of effects: packages for those who stay on the board, then the new epochs at the custodians. So a crash between
leaves them a key that nothing is sealed under, and never a record whose key they lack: no agent has to come by for it.
Where a package cannot be sent now, its consent is prepared again, durably, and the epoch turns all the same: that
reader sees what is sealed from then on once the agent has come by (``finish_grants``). Repeating makes other epochs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from careledger.domain.errors import CareLedgerError
from careledger.formats.digests import uint
from careledger.formats.patients import GivenConsent
from careledger.workflows.actors import Holder
from careledger.workflows.epochs import EMERGENCIES, OpenEpoch, begin_epochs
from careledger.workflows.grant import (
    OWED,
    PREPARED,
    STANDS,
    certificate_of,
    epoch_compartments,
    epoch_key,
    is_revoked,
    live_consents,
    package_with,
    set_state,
)
from careledger.workflows.network import Network
from careledger.workflows.two_hops import post


def turn_epochs(
    network: Network, holder: Holder, compartments: Iterable[int], ended: GivenConsent | None = None
) -> None:
    """New epochs of these compartments, in force when n custodians hold them; every consent that stands, on the ledger
    too, but the one that ends, is sent their keys before."""

    def telling(made: Sequence[OpenEpoch]) -> None:
        now = network.clock.now()
        for given in live_consents(holder):
            stays = ended is None or given.counter != ended.counter
            if not stays or given.state != STANDS or given.end <= now:
                continue
            if is_revoked(network, given):
                set_state(holder, given, OWED)
            else:
                _send(network, holder, given, made)

    begin_epochs(network, holder, compartments, telling)


def _send(network: Network, holder: Holder, given: GivenConsent, made: Sequence[OpenEpoch]) -> None:
    opened = epoch_compartments(certificate_of(given))
    keys = [epoch_key(each.statement, each.seed) for each in made if each.statement.compartment in opened]
    if not keys:
        return
    try:
        post(network, package_with(network, holder, given, keys))
    except CareLedgerError:  # whoever cannot be sent anything now keeps nobody from being shut out
        set_state(holder, given, PREPARED)


def name_for_emergencies(network: Network, holder: Holder, compartments: Iterable[int]) -> None:
    """From now on these restricted compartments are in escrow too: named durably, then new epochs that say so.

    What was deposited before stays out of it.
    """
    named = list(compartments)
    holder.books.put(EMERGENCIES, [(holder.alias + uint(each, 2), b"named") for each in named])
    turn_epochs(network, holder, named)
