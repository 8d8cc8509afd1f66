"""An employer's officer agrees that a doctor reads one more patient by the rule ``general`` than a day allows.

Nothing is changed anywhere: the agreement goes with the one request whose id it names, so it opens nothing twice.
"""

from __future__ import annotations

import secrets

from careledger.domain.errors import ActRefused
from careledger.domain.questions import LONGEST_AGREEMENT
from careledger.formats.releases import OfficerAgreement, SignedAgreement
from careledger.formats.signed import sign
from careledger.workflows.actors import Session, Staff
from careledger.workflows.network import Network


def agree(network: Network, officer: Session, reader: Staff, alias: bytes) -> SignedAgreement:
    """The officer's agreement to the reader's next request about that patient, good for an hour at most.

    Raises SessionExpired, ActRefused for another employer's post or the officer's own. Whether the officer is one is
    for the custodians to decide, at their block.
    """
    now = max(network.clock.now(), network.ledger.fresh_head().head.time)
    officer.check(now)
    by = officer.staff
    if by.organisation.number != reader.organisation.number or by.number == reader.number:
        raise ActRefused(why="an officer agrees for another post of the same employer", party=by.number)
    until = min(now + LONGEST_AGREEMENT, officer.until)
    said = OfficerAgreement(
        secrets.token_bytes(16), by.number, by.organisation.number, reader.number, alias, now, until
    )
    return SignedAgreement(sign(said, officer.key, network.ledger.deployment), officer.proof)
