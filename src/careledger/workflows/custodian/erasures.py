"""Destroyed shares are attested on the ledger, by leaf; what could not be attested is owed and tried again."""

from __future__ import annotations

from collections import defaultdict

from careledger.domain.errors import LedgerRefused, LedgerStale, StoreUnavailable, TransactionRefused
from careledger.workflows.custodian.parts import Custody

AT_ONCE = 100


def attest_owed(custody: Custody) -> int:
    """Attests what is owed, by the order that asked for it; returns how much the ledger did not take yet."""
    owed: dict[bytes, list[tuple[bytes, bytes]]] = defaultdict(list)
    for handle, reason in custody.rows.owed_attestations():
        version = custody.rows.version(handle)
        if version is not None:
            owed[reason].append((handle, version.leaf))
    waiting = 0
    for reason, pairs in owed.items():
        for start in range(0, len(pairs), AT_ONCE):
            some = pairs[start : start + AT_ONCE]
            waiting += 0 if _attest(custody, reason, some) else len(some)
    return waiting


def _attest(custody: Custody, reason: bytes, pairs: list[tuple[bytes, bytes]]) -> bool:
    leaves = [leaf for _, leaf in pairs]
    try:
        custody.ledger.attest_erased(leaves, reason, custody.party, custody.keys.signing)
    except (LedgerRefused, LedgerStale, TransactionRefused, StoreUnavailable):
        return False
    with custody.rows.transaction():
        for handle, _ in pairs:
            custody.rows.attested(handle)
    return True
