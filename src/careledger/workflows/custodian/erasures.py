"""Shares are destroyed, which is attested on the ledger by leaf; what could not be is owed, and tried again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from careledger.domain.errors import LedgerRefused, LedgerStale, StoreUnavailable, TransactionRefused
from careledger.proofs.items import leaf_of
from careledger.workflows.custodian.parts import Custody

AT_ONCE = 100


def destroy(custody: Custody, alias: bytes, handles: Iterable[bytes], reason: bytes | None) -> None:
    """The shares of these versions are gone for good, those of batch secrets with the last version of the batch.

    ``reason`` is the order's digest; None if the attestation is on the ledger already.
    """
    gone = frozenset(handles)
    subjects = set(gone)
    for deposit in custody.rows.deposits(alias):
        versions = custody.rows.versions_of(deposit.digest)
        if all(version.handle in gone or version.state == "erased" for version in versions):
            subjects.add(deposit.digest)
    custody.rows.destroy_shares(alias, subjects)
    with custody.rows.transaction():
        custody.rows.set_state(alias, gone, "erased")
        if reason is not None:
            kept = [version for version in custody.rows.versions(alias) if version.handle in gone]
            custody.rows.owe_attestations([leaf_of(version) for version in kept], reason)


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
