"""The author's own chart: what an organisation deposited, read back inside its walls. Asks nobody, survives erasure.

The copies stay whatever becomes of a record, as the law demands; ``fate`` says whether a version still stands for
everyday use.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from careledger.domain.errors import DigestMismatch, RecordNotFound
from careledger.formats.bodies import RecordBody
from careledger.formats.charts import AuthorsCopies, AuthorsCopy
from careledger.sealing import versions as sealed
from careledger.workflows.actors import Organisation
from careledger.workflows.blocks import sealed_block
from careledger.workflows.contents import body_of
from careledger.workflows.deposited import UNDONE, copies_of
from careledger.workflows.network import Network
from careledger.workflows.retract import is_retracted


@dataclass(frozen=True, repr=False)
class ChartEntry:
    """One version of one's own; never printed."""

    copy: AuthorsCopy
    body: RecordBody


class Fate(Enum):
    """What became of a version of one's own: it stands, was taken back, or is gone for good: its import undone, or
    erased by the patient."""

    STANDS = "stands"
    RETRACTED = "retracted"
    GONE = "gone"


@dataclass(frozen=True, repr=False)
class Kept:
    """A version's copy and the deposit that it came with; never printed."""

    deposit: bytes
    copy: AuthorsCopy


def kept(organisation: Organisation, alias: bytes | None = None) -> list[Kept]:
    """What this organisation deposited, for one alias or all, each alias's in the order of writing."""
    return [Kept(each.id, copy) for each in copies_of(organisation.books, alias) for copy in each.rows()]


class Fates:
    """What became of versions, as the organisation's books and the ledger say when each is first asked about.

    Erased is what as many custodians attested as can open a record: fewer of them lie. Kept for one request.
    """

    def __init__(self, network: Network, organisation: Organisation) -> None:
        """Takes the ledger's head; raises LedgerStale."""
        self._books, self._view = organisation.books, network.ledger.fresh_head()
        self._opening = network.thresholds.opening
        self._undone: dict[bytes, bool] = {}

    def of(self, each: Kept) -> Fate:
        """That version's."""
        if each.deposit not in self._undone:
            self._undone[each.deposit] = self._books.get(UNDONE, each.deposit) is not None
        if self._undone[each.deposit] or len(self._view.erased_by(each.copy.leaf)) >= self._opening:
            return Fate.GONE
        return Fate.RETRACTED if is_retracted(self._books, each.copy.handle) else Fate.STANDS


def fate(network: Network, organisation: Organisation, each: Kept) -> Fate:
    """What became of that version, as the organisation's books and the ledger say now."""
    return Fates(network, organisation).of(each)


def copies(organisation: Organisation, alias: bytes | None = None) -> list[AuthorsCopy]:
    """What this organisation deposited, for one alias or all."""
    return [each.copy for each in kept(organisation, alias)]


def read_back(
    network: Network, organisation: Organisation, handle: bytes, alias: bytes | None = None
) -> ChartEntry:
    """One's own version; raises RecordNotFound for another's, CannotOpen, BlockNotFound, DigestMismatch.

    Naming the alias spares a look through everybody's copies.
    """
    for deposit in copies_of(organisation.books, alias):
        if handle not in deposit.handles:
            continue
        for place, copy in enumerate(deposit.rows()):
            if copy.handle == handle:
                return opened(network, copy_key_of(organisation, deposit), place, copy)
    raise RecordNotFound(what="author's copy")


def copy_key_of(organisation: Organisation, deposit: AuthorsCopies) -> sealed.CopyKey:
    """The key of a deposit's copies; raises CannotOpen."""
    return sealed.CopyKey.opened(organisation.chart, deposit.id, deposit.key)


def opened(network: Network, copy_key: sealed.CopyKey, place: int, copy: AuthorsCopy) -> ChartEntry:
    """The version at that place of a deposit; raises CannotOpen, BlockNotFound, BlockMismatch, DigestMismatch."""
    key = copy_key.open(place, copy.handle, copy.body_key)
    body = body_of(sealed.open_own_body(key, sealed_block(network, copy.body)))
    if body.content_digest != copy.content_digest:
        raise DigestMismatch(what="content")
    return ChartEntry(copy, body)
