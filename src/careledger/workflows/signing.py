"""A professional answers for a version: signed by the post, which the manifest names as the author."""

from __future__ import annotations

from dataclasses import replace

from careledger.domain.records import Source
from careledger.workflows.actors import Staff
from careledger.workflows.batches import NewVersion


def signed_by(version: NewVersion, author: Staff) -> NewVersion:
    """The same version, its author that post and its source ``signed``."""
    return replace(
        version,
        author=author.number,
        author_key=author.key,
        author_resolved="signed",
        source=Source.SIGNED.code,
    )
