"""Erase a record: all its versions' shares are destroyed at the custodians, who attest it on the ledger.

Order of effects: the order durable at the agent, shares destroyed at each custodian, attestations; the ciphertexts
are no longer pinned for others (an author's chart has pins of its own). A version is
*erased* once so many of its holders attested that fewer than t shares can be left: a verifier's conclusion.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from careledger.formats.custody import Receipt
from careledger.ports import LedgerView
from careledger.workflows.actors import Holder
from careledger.workflows.deposit import SHARED
from careledger.workflows.network import Network
from careledger.workflows.order import ERASE, order
from careledger.workflows.retrieve import Record


@dataclass(frozen=True)
class Erasure:
    """What became of one version: who attested, who may still hold a share, whether it is erased."""

    leaf: bytes
    attested: frozenset[int]
    remaining: frozenset[int]
    erased: bool


def erase(network: Network, holder: Holder, versions: Sequence[Record], reason: str) -> list[Receipt]:
    """Orders the erasure of all versions of a record; the authors' own charts are not reached by it."""
    told = order(network, holder, ERASE, [version.handle for version in versions], reason)
    rows = [version.found.row for version in versions]
    network.blocks.unpin(SHARED, [cid for row in rows for cid in (row.manifest, row.body)])
    return told


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
