"""Erasures that were ordered before their date: the record is restricted at once and erased on the date.

Until when a record is kept is ledger data (domain.retention). Order of effects when the date has come: the journal (the
erasure and its log line, and that it waits no more), shares and rows, then the attestation; the journal is replayed at
every start, so neither a crash nor an old backup brings back what is erased or forgets what is to be.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress

from careledger.domain.categories import Compartment
from careledger.domain.custody import KeptVersion, PutOff
from careledger.domain.errors import PatientNotFound
from careledger.domain.retention import kept_until
from careledger.formats.custody import DueErasure
from careledger.ports import LedgerView
from careledger.workflows.custodian import erasures, logbook
from careledger.workflows.custodian.logbook import Event
from careledger.workflows.custodian.parts import Custody

DUE = "due-erasure"


def until(view: LedgerView, version: KeptVersion, at: int) -> int:
    """From which second on it is erased; 0 for one that was never anchored, which nobody can read."""
    anchor = None if version.anchoring is None else view.anchor(version.anchoring.root)
    if anchor is None:
        return 0
    category = Compartment.numbered(version.compartment).category
    return kept_until(category, anchor.time, view.retention(anchor.time), view.retention(at))


def too_early(custody: Custody, view: LedgerView, versions: Iterable[KeptVersion]) -> list[bytes]:
    """The handles of those whose date has not come."""
    at = custody.time(view)
    return [each.handle for each in versions if each.state != "erased" and until(view, each, at) > at]


def carry_out(custody: Custody) -> int:
    """Erases what was put off and whose date has come; returns how many versions still wait. Raises LedgerStale."""
    view = custody.fresh_head()
    at, due = custody.time(view), defaultdict[tuple[bytes, bytes, bytes], list[bytes]](list)
    for each in custody.journal.waiting_erasures():
        version = custody.rows.version(each.alias, each.handle)
        if version is not None and until(view, version, at) <= at:
            due[each.order, each.reason, each.alias].append(each.handle)
    for order, handles in due.items():
        with suppress(PatientNotFound):  # one whose line cannot be written keeps no other from being erased
            _erase(custody, view, DueErasure(*order, tuple(handles)))
    erasures.attest_owed(custody)
    return len(custody.journal.waiting_erasures())


def apply_due(custody: Custody, body: bytes, act: int) -> None:
    """What has become due is destroyed; also run when the journal is replayed. Repeating is harmless."""
    made = DueErasure.decode(body)
    erasures.destroy(custody, made.alias, made.handles, made.reason)
    with custody.rows.transaction():
        custody.rows.set_applied(act)


def put_off(custody: Custody, order: bytes, reason: bytes, alias: bytes, handles: Iterable[bytes]) -> None:
    """Kept until the date, inside the journal's transaction with the order."""
    custody.journal.put_off([PutOff(handle, order, reason, alias) for handle in handles])


def _erase(custody: Custody, view: LedgerView, made: DueErasure) -> None:
    line = Event("order", request=made.order, reason="erase due", handles=made.handles)
    body = made.encode()
    with custody.journal.transaction():
        act = custody.journal.add_act(DUE, made.digest(), made.digest(), body).number
        logbook.write(custody, view, custody.statement(made.alias), line)
        custody.journal.settled_erasures(made.handles)
    apply_due(custody, body, act)
