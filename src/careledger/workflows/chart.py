"""The author's own chart: what an organisation deposited, read back inside its walls. Asks nobody, survives erasure."""

from __future__ import annotations

from dataclasses import dataclass

from careledger.domain.errors import DigestMismatch, RecordNotFound
from careledger.formats.bodies import RecordBody
from careledger.formats.charts import AuthorsCopies, AuthorsCopy
from careledger.formats.digests import digest
from careledger.sealing import versions as sealed
from careledger.workflows.actors import Organisation
from careledger.workflows.blocks import sealed_block
from careledger.workflows.deposited import copies_of
from careledger.workflows.network import Network


@dataclass(frozen=True, repr=False)
class ChartEntry:
    """One version of one's own; never printed."""

    copy: AuthorsCopy
    body: RecordBody


def copies(organisation: Organisation, alias: bytes | None = None) -> list[AuthorsCopy]:
    """What this organisation deposited, for one alias or all."""
    return [copy for deposit in copies_of(organisation.books, alias) for copy in deposit.rows()]


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
                return _opened(network, organisation, deposit, place, copy)
    raise RecordNotFound(what="author's copy")


def _opened(
    network: Network, organisation: Organisation, deposit: AuthorsCopies, place: int, copy: AuthorsCopy
) -> ChartEntry:
    copy_key = sealed.CopyKey.opened(organisation.chart, deposit.id, deposit.key)
    key = copy_key.open(place, copy.handle, copy.body_key)
    commitment = sealed.body_key_commitment(key)
    opened = sealed.open_body(key, commitment, sealed_block(network, copy.body))
    body = RecordBody.decode(opened.data)
    if digest("fhir-content", body.canonical) != copy.content_digest:
        raise DigestMismatch(what="content")
    return ChartEntry(copy, body)
