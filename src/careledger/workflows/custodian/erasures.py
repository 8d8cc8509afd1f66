"""Destroyed shares are attested on the ledger, by leaf; what could not be attested is owed and tried again."""

from __future__ import annotations

from collections import defaultdict

from careledger.domain.errors import LedgerRefused, LedgerStale, StoreUnavailable, TransactionRefused
from careledger.workflows.custodian.parts import Custody

AT_ONCE = 100


def attest_owed(custody: Custody) -> int:
    """Attests what is owed, by the order that asked for it; returns how much the ledger did not take yet."""
    owed: dict[bytes, list[bytes]] = defaultdict(list)
    for leaf, reason in custody.rows.owed_attestations():
        owed[reason].append(leaf)
    waiting = 0
    for reason, leaves in owed.items():
        for start in range(0, len(leaves), AT_ONCE):
            some = leaves[start : start + AT_ONCE]
            waiting += 0 if _attest(custody, reason, some) else len(some)
    return waiting


def _attest(custody: Custody, reason: bytes, leaves: list[bytes]) -> bool:
    try:
        custody.ledger.attest_erased(leaves, reason, custody.party, custody.keys.signing)
    except (LedgerRefused, LedgerStale, TransactionRefused, StoreUnavailable):
        return False
    with custody.rows.transaction():
        for leaf in leaves:
            custody.rows.attested(leaf)
    return True
