"""After a start, before anything is served: what a crash or a restored backup left is put right.

1. Shred keys without rows are destroyed, rows without shred keys dropped (others remake them).
2. Acts of the journal that the rows do not show are applied again.
3. The log is compared with its anchored checkpoint; a log behind it came from an old backup and serves nobody.
4. Erasures that this custodian attested on the ledger are carried out again.
"""

from __future__ import annotations

from collections.abc import Callable

from careledger.ports import LedgerView
from careledger.proofs.items import leaf_of
from careledger.workflows.custodian import accept, checkpoint, enrol, erasures, orders, retained
from careledger.workflows.custodian.parts import Custody


def _nothing(custody: Custody, body: bytes, act: int) -> None:
    """An act whose rows come before it in the order of effects."""
    with custody.rows.transaction():
        custody.rows.set_applied(act)


APPLIED: dict[str, Callable[[Custody, bytes, int], None]] = {
    enrol.KIND: enrol.apply,
    orders.ORDER: orders.apply_order,
    orders.RETRACTION: orders.apply_retraction,
    retained.DUE: retained.apply_due,
    accept.KIND: accept.apply,
}


def settle(custody: Custody) -> int:
    """Steps 1 and 2, from the directory alone; returns how many shares were dropped."""
    lost = custody.rows.settle_keys()
    replay(custody)
    return lost


def replay(custody: Custody) -> None:
    """Applies what the journal has and the rows do not show, in order."""
    for act in custody.journal.acts_after(custody.rows.applied()):
        APPLIED.get(act.kind, _nothing)(custody, act.body, act.number)


def rejoin(custody: Custody) -> None:
    """Steps 3 and 4, from the ledger; raises CustodianBehind, LedgerStale."""
    view = custody.fresh_head()
    checkpoint.restore_head(custody, view.checkpoint(custody.party))
    _erase_again(custody, view)
    erasures.attest_owed(custody)


def _erase_again(custody: Custody, view: LedgerView) -> None:
    """What this custodian has attested as destroyed is, also where the rows come from before that.

    The ledger is asked for what is newer than the rows have seen; all rows are read only for what these do not show.
    """
    seen = custody.rows.erasures_seen()
    attested = view.erasures(custody.party, seen)
    lost = {leaf for leaf in attested if not custody.rows.destroyed(leaf)}
    for alias in custody.rows.aliases() if lost else ():
        handles = [
            version.handle
            for version in custody.rows.versions(alias)
            if version.state != "erased" and leaf_of(version) in lost
        ]
        if handles:
            erasures.destroy(custody, alias, handles, None)
    if attested:
        with custody.rows.transaction():
            custody.rows.set_erasures_seen(seen + len(attested))
