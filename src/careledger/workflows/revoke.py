"""Revoke a consent: packages for those who stay, new epochs, then the ledger.

Order of effects: packages for the remaining grantees, the new epochs at the custodians (workflows.turn_epochs), the
ledger, books. A crash between leaves too few readers, never too many; ``revoke`` is repeated. Where other members
relay, the custodians are told before the ledger, which shows it a few moments later (workflows.two_hops).

Ending a consent waits for nobody: where new epochs cannot be made now, because too few custodians can be reached
or take them (nobody can deposit then either), it ends on the ledger at once and ``renew_expired`` makes them later.
"""

from __future__ import annotations

from contextlib import suppress

from careledger.domain.errors import CannotExpress, CareLedgerError
from careledger.domain.facts import Head
from careledger.formats.patients import GivenConsent
from careledger.formats.relaying import ConsentRevocation
from careledger.workflows.actors import Holder
from careledger.workflows.custody import Telling, tell
from careledger.workflows.epochs import own_statement
from careledger.workflows.grant import (
    OWED,
    REVOKED,
    STANDS,
    certificate_of,
    epoch_compartments,
    given_consents,
    live_consents,
    set_state,
)
from careledger.workflows.network import Network
from careledger.workflows.turn_epochs import turn_epochs
from careledger.workflows.two_hops import send_revocation, signed_revocation


def revoke(network: Network, holder: Holder, owner: bytes) -> Head:
    """Ends the consent with that one-time owner; returns the block from which it is over.

    Raises CannotExpress if this holder never gave it, LedgerRefused if it is revoked already.
    """
    given = find_given(holder, owner)
    certificate = certificate_of(given)
    state = REVOKED
    try:
        turn_epochs(network, holder, epoch_compartments(certificate), given)
    except CareLedgerError:
        state = OWED
    head = enter_revocation(network, holder, given.counter, certificate.commitment, given)
    set_state(holder, given, state)
    return head


def enter_revocation(
    network: Network, holder: Holder, counter: int, commitment: bytes, given: GivenConsent | None = None
) -> Head:
    """The consent under that one-time key ends on the ledger; where others relay, custodians are told of it first.

    That needs the consent's certificate: ``given`` is None where it was lost.
    """
    key = holder.consent_key(counter)
    if not network.gateway.relays:
        return network.ledger.revoke_consent(key, commitment, network.relay)
    entry = signed_revocation(network, key, commitment)
    if given is not None:
        told = ConsentRevocation(given.certificate, entry).encode()
        with suppress(CareLedgerError):  # whom it does not reach sees the ledger
            tell(network, [Telling(each, "revoked", told) for each in own_statement(holder)[0].custodians])
    return send_revocation(network, key, commitment, entry)


def renew_expired(network: Network, holder: Holder) -> int:
    """New epochs where a consent has expired since, or was revoked without; returns how many were closed."""
    now = network.clock.now()
    over = [
        given
        for given in live_consents(holder)
        if given.state == OWED or (given.state == STANDS and given.end <= now)
    ]
    for given in over:
        turn_epochs(network, holder, epoch_compartments(certificate_of(given)), given)
        set_state(holder, given, REVOKED)
    return len(over)


def find_given(holder: Holder, owner: bytes) -> GivenConsent:
    """The holder's consent with that owner; raises CannotExpress."""
    for consents in (live_consents, given_consents):  # the ended ones only if it is none of the others
        for given in consents(holder):
            if certificate_of(given).owner == owner:
                return given
    raise CannotExpress(why="this consent was not given here")
