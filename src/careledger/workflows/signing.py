"""A professional answers for a version: signed by the post, which the manifest names as the author."""

from __future__ import annotations

from dataclasses import replace

from careledger.domain.errors import WritingRefused
from careledger.domain.reasons import Reason
from careledger.domain.records import Source
from careledger.fhir.json_text import read
from careledger.fhir.mapping import signers
from careledger.workflows.actors import Staff
from careledger.workflows.judging import post_at
from careledger.workflows.network import Network
from careledger.workflows.new_versions import NewVersion


def new_signed(network: Network, version: NewVersion, author: Staff) -> NewVersion:
    """A FHIR record that this post states anew; raises WritingRefused where the mapping lets none of its roles sign
    that kind: custodians, who cannot read it, would take it, and every reader would distrust it."""
    roles = post_at(network.ledger.fresh_head(), author.number).acting
    if roles.isdisjoint(signers(read(version.body.canonical), version.compartment.category)):
        raise WritingRefused(reason=Reason.KIND_NOT_YOURS.code)
    return signed_by(version, author)


def signed_by(version: NewVersion, author: Staff) -> NewVersion:
    """The same version, its author that post and its source ``signed``."""
    return replace(
        version,
        author=author.number,
        author_key=author.key,
        author_resolved="signed",
        source=Source.SIGNED.code,
    )
