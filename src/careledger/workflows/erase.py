"""Erase a record: all its versions' shares are destroyed at the custodians, who attest it on the ledger.

A version that the ledger's retention keeps for longer (domain.retention) is restricted at once and erased by the
custodians on its date; the order ``unrestrict`` before it withdraws that.

Order of effects: what waits for a date durable at the agent, the order durable at the agent, shares destroyed at each
custodian, attestations; then the ciphertexts are no longer pinned for others (an author's chart has pins of its own),
those of versions that wait after their date. A version is *erased* once so many of its holders attested that fewer
than t shares can be left: a verifier's conclusion.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from careledger.domain.errors import CareLedgerError, NotEnoughCustodians
from careledger.domain.retention import kept_until
from careledger.formats.custody import Receipt
from careledger.formats.persons import WaitingErasure
from careledger.ports import LedgerView
from careledger.workflows.actors import Holder
from careledger.workflows.deposit import SHARED
from careledger.workflows.network import Network
from careledger.workflows.order import ERASE, WAITING, order, owe
from careledger.workflows.retrieve import Record


@dataclass(frozen=True)
class Erasure:
    """What became of one version: who attested, who may still hold a share, whether it is erased."""

    leaf: bytes
    attested: frozenset[int]
    remaining: frozenset[int]
    erased: bool


@dataclass(frozen=True)
class Confirmation:
    """What the patient is told: the custodians' receipts, what is restricted until when, and whose copies stay.

    ``until`` gives the second from which a version is erased, for those that wait. ``authors`` are the organisations
    that deposited these versions: each keeps its author's copy in its own chart, as its law demands, and no erasure
    reaches it.
    """

    receipts: tuple[Receipt, ...]
    until: dict[bytes, int]
    authors: tuple[int, ...]


def erase(network: Network, holder: Holder, versions: Sequence[Record], reason: str) -> Confirmation:
    """Orders the erasure of all versions of a record; the authors' own charts are not reached by it."""
    until, before = _waiting(network, versions), waiting_erasures(holder)
    rows = {version.handle: version.found.row for version in versions}
    holder.books.put(
        WAITING,
        [
            (
                handle,
                WaitingErasure(holder.alias, at, reason, (rows[handle].manifest, rows[handle].body)).encode(),
            )
            for handle, at in until.items()
        ],
    )
    told = _ordered(network, holder, list(rows), reason, before)
    gone = [row for handle, row in rows.items() if handle not in until]
    network.blocks.unpin(SHARED, [cid for row in gone for cid in (row.manifest, row.body)])
    authors = {version.manifest.depositor for version in versions if version.manifest.depositor}
    return Confirmation(tuple(told), until, tuple(sorted(authors)))


def _ordered(
    network: Network,
    holder: Holder,
    handles: Sequence[bytes],
    reason: str,
    before: Mapping[bytes, WaitingErasure],
) -> list[Receipt]:
    """The order; of what no custodian carried out because it was refused nothing new waits."""
    try:
        return order(network, holder, ERASE, handles, reason)
    except NotEnoughCustodians:
        raise
    except CareLedgerError:
        holder.books.drop(WAITING, [handle for handle in handles if handle not in before])
        raise


def finish_erasures(network: Network, holder: Holder) -> int:
    """After the date of what waited: the order once more, for custodians that came since, and the blocks unpinned.

    Returns how many versions still wait for their date.
    """
    now = max(network.clock.now(), network.ledger.fresh_head().head.time)
    waiting = waiting_erasures(holder)
    due = {handle: each for handle, each in waiting.items() if each.until <= now}
    for handle, each in due.items():
        order(network, holder, ERASE, [handle], each.reason)
        network.blocks.unpin(SHARED, each.blocks)
        holder.books.drop(WAITING, [handle])
    return len(waiting) - len(due)


def tell_waiting(network: Network, holder: Holder, custodian: int) -> None:
    """A custodian that has just taken over is owed the erasures that wait: it restricts, and erases on the date."""
    for handle, each in waiting_erasures(holder).items():
        owe(network, holder, ERASE, [handle], each.reason, custodian)


def waiting_erasures(holder: Holder) -> dict[bytes, WaitingErasure]:
    """What this alias waits for, by handle."""
    rows = ((handle, WaitingErasure.decode(row)) for handle, row in list(holder.books.rows(WAITING)))
    return {handle: each for handle, each in rows if each.alias == holder.alias}


def all_versions(records: Iterable[Record], record_id: bytes) -> list[Record]:
    """Every version of one record among these."""
    return [record for record in records if record.manifest.record_id == record_id]


def conclude(view: LedgerView, leaf: bytes, holders: Iterable[int], threshold: int) -> Erasure:
    """Whether a version is erased: fewer than t of those who may hold a share have not attested.

    ``holders`` are all custodians that ever were on the patient's list: more than hold a share, so that the
    conclusion is never too early.
    """
    known = frozenset(holders)
    attested = view.erased_by(leaf) & known
    remaining = known - attested
    return Erasure(leaf, attested, remaining, bool(attested) and len(remaining) < threshold)


def _waiting(network: Network, versions: Iterable[Record]) -> dict[bytes, int]:
    """Until when each of these is kept for longer; custodians reckon the same from the same ledger."""
    view = network.ledger.fresh_head()
    now = max(network.clock.now(), view.head.time)
    dates = {
        each.handle: kept_until(
            each.compartment.category,
            each.found.anchor.time,
            view.retention(each.found.anchor.time),
            view.retention(now),
        )
        for each in versions
    }
    return {handle: at for handle, at in dates.items() if at > now}
