"""Break the glass: a verified doctor with a second party, on the ledger, for at most four hours, reviewed.

Order of effects: the entry on the ledger (public, without the patient), then the request, which opens the entry's
commitment to the custodians; they alarm the patient before they answer.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from careledger.domain.categories import Compartment
from careledger.domain.consents import Purpose
from careledger.domain.facts import Head
from careledger.domain.reasons import Rule
from careledger.formats.releases import EmergencyOpening
from careledger.formats.signatures import SigningKey
from careledger.workflows.actors import Session, Staff
from careledger.workflows.asking import Access, session_access
from careledger.workflows.network import Network

LONGEST = 4 * 3600


@dataclass(frozen=True)
class Emergency:
    """An open entry: its id on the ledger, what its commitment opens to, and until when."""

    entry: bytes
    opening: EmergencyOpening
    until: int


def open_emergency(
    network: Network,
    opener: Staff,
    second: Staff,
    alias: bytes,
    reason: str,
    seconds: int = LONGEST,
    restricted: Iterable[Compartment] = (),
) -> Emergency:
    """Enters the emergency; ``reason`` is a code. Raises LedgerRefused (no doctor, same person, overdue review …)."""
    opening = EmergencyOpening(
        secrets.token_bytes(32), alias, reason, tuple(sorted(each.number for each in restricted))
    )
    entry = secrets.token_bytes(32)
    until = max(network.clock.now(), network.ledger.fresh_head().head.time) + min(seconds, LONGEST)
    network.ledger.open_break_glass(
        entry,
        opening.commitment,
        until,
        bool(opening.restricted),
        (opener.number, opener.key),
        (second.number, second.key),
        network.relay,
    )
    return Emergency(entry, opening, until)


def emergency_access(session: Session, emergency: Emergency) -> Access:
    """What the opener asks custodians with."""
    return session_access(
        session, Rule.BREAK_GLASS, Purpose.BTG, entry=emergency.entry, emergency=emergency.opening
    )


def review(network: Network, entry: bytes, justified: bool, reviewer: int, key: SigningKey) -> Head:
    """Records a review by a ministry officer or the opener's employer; raises LedgerRefused for anybody else."""
    return network.ledger.review_break_glass(entry, justified, reviewer, key)
