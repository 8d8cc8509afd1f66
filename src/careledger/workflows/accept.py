"""A treating doctor accepts what was deposited unasked, so that whoever has a consent sees it.

The patient accepts by an order (workflows.order). Nothing is written down here: each attempt is an acceptance of its
own in the patient's log, so repeating is harmless.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from careledger.domain.errors import AccessRefused
from careledger.domain.reasons import Reason
from careledger.formats.custody import Receipt
from careledger.formats.patients import AliasStatement
from careledger.formats.releases import MOST_ACCEPTED, Acceptance, AcceptanceProof
from careledger.formats.signed import sign
from careledger.workflows.actors import Session
from careledger.workflows.asking import Access
from careledger.workflows.custody import receipts
from careledger.workflows.network import Network


def accept(
    network: Network, session: Session, access: Access, statement: AliasStatement, handles: Sequence[bytes]
) -> list[Receipt]:
    """Tells every custodian, by the consent that ``access`` reads with; returns the receipts.

    Raises SessionExpired, AccessRefused unless the post treats the patient and may see every version,
    NotEnoughCustodians where fewer than n took it: accept again then.
    """
    session.check(network.clock.now())
    if access.certificate is None:
        raise AccessRefused(reason=Reason.NO_CONSENT.code)
    made: list[Receipt] = []
    for start in range(0, len(handles), MOST_ACCEPTED):
        proof = _signed(network, session, access, statement, handles[start : start + MOST_ACCEPTED])
        needed = network.thresholds.holding
        made += receipts(network, statement.custodians, "accept", proof.encode(), needed)
    return made


def _signed(
    network: Network, session: Session, access: Access, statement: AliasStatement, handles: Sequence[bytes]
) -> AcceptanceProof:
    staff, head = session.staff, network.ledger.fresh_head().head
    made = Acceptance(
        secrets.token_bytes(16), statement.alias, staff.number, staff.organisation.number, access.purpose.code,
        tuple(handles), head.number, max(network.clock.now(), head.time),
    )  # fmt: skip
    signed = sign(made, session.key, network.ledger.deployment)
    return AcceptanceProof(signed, session.proof, access.certificate)
