"""Amend a record: a new version that names the one before; nothing is overwritten.

Changing what somebody else answers for needs the patient's approval: an append consent with ``amend``, or the
registrar while the patient has not claimed. Custodians and readers refuse it otherwise.
"""

from __future__ import annotations

from dataclasses import replace

from careledger.formats.bodies import RecordBody
from careledger.formats.patients import AliasStatement
from careledger.formats.signatures import SigningKey
from careledger.workflows.batches import Writer
from careledger.workflows.deposit import Deposited, deposit
from careledger.workflows.network import Network
from careledger.workflows.new_versions import NewVersion
from careledger.workflows.retrieve import Record


def amend(
    network: Network, writer: Writer, statement: AliasStatement, before: Record, made: NewVersion
) -> Deposited:
    """Deposits the version after ``before``; raises what ``deposit`` raises."""
    return deposit(network, writer, statement, [following(before, made)])


def following(before: Record, made: NewVersion) -> NewVersion:
    """That version as the one after ``before``."""
    return replace(
        made,
        record_id=before.manifest.record_id,
        version=before.manifest.version + 1,
        predecessor=before.handle,
        compartment=before.compartment,
    )


def cosign(
    network: Network, writer: Writer, statement: AliasStatement, before: Record, author: int, key: SigningKey
) -> Deposited:
    """A registered professional adopts a record that nobody signed: the same content, now signed by that post."""
    return amend(network, writer, statement, before, _adopted(before, before.body, author, key))


def _adopted(before: Record, body: RecordBody, author: int, key: SigningKey) -> NewVersion:
    manifest = before.manifest
    return NewVersion(
        record_id=manifest.record_id,
        version=manifest.version,
        predecessor=before.handle,
        resource_type=manifest.resource_type,
        subject=manifest.subject,
        compartment=before.compartment,
        body=body,
        mime_type=manifest.mime_type,
        source="signed",
        source_key=manifest.source_key,
        mapping_version=manifest.mapping_version,
        clinical_date=manifest.clinical_date,
        author=author,
        author_stated=manifest.author_stated,
        author_resolved="signed",
        author_key=key,
        note="adopted",
    )
