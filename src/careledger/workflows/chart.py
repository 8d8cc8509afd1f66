"""The author's own chart: what an organisation deposited, read back inside its walls. Asks nobody, survives erasure."""

from __future__ import annotations

from dataclasses import dataclass

from careledger.domain.errors import DigestMismatch, RecordNotFound
from careledger.formats.bodies import RecordBody
from careledger.formats.deposits import AuthorsCopy
from careledger.formats.digests import digest
from careledger.sealing import versions as sealed
from careledger.workflows.actors import Organisation
from careledger.workflows.blocks import sealed_block
from careledger.workflows.deposit import COPY
from careledger.workflows.network import Network


@dataclass(frozen=True, repr=False)
class ChartEntry:
    """One version of one's own; never printed."""

    copy: AuthorsCopy
    body: RecordBody


def copies(organisation: Organisation, alias: bytes | None = None) -> list[AuthorsCopy]:
    """What this organisation deposited, for one alias or all."""
    found = [AuthorsCopy.decode(row) for _, row in organisation.books.rows(COPY)]
    return [copy for copy in found if alias is None or copy.alias == alias]


def read_back(network: Network, organisation: Organisation, handle: bytes) -> ChartEntry:
    """One's own version; raises RecordNotFound for another's, CannotOpen, BlockNotFound, DigestMismatch."""
    row = organisation.books.get(COPY, handle)
    if row is None:
        raise RecordNotFound(what="author's copy")
    copy = AuthorsCopy.decode(row)
    key = sealed.open_author_copy(organisation.chart, handle, copy.body_key)
    commitment = sealed.body_key_commitment(key)
    opened = sealed.open_body(key, commitment, sealed_block(network, copy.body))
    body = RecordBody.decode(opened.data)
    if digest("fhir-content", body.canonical) != copy.content_digest:
        raise DigestMismatch(what="content")
    return ChartEntry(copy, body)
