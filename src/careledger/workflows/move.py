"""Move a record that was filed on the wrong person: deposited on the right one, retracted here, both linked.

Order of effects: the deposit on the right person (nothing is lost), the order of the wrong person's controller so
that nobody new reads it, and the depositor's retraction, which names the successor. Repeating any step is harmless.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from careledger.formats.patients import AliasStatement
from careledger.workflows.batches import NewVersion, Writer
from careledger.workflows.deposit import Deposited, deposit
from careledger.workflows.network import Network
from careledger.workflows.retract import retract
from careledger.workflows.retrieve import Record


@dataclass(frozen=True)
class Moved:
    """The deposit on the right person, and the handle there that the retraction here names."""

    deposited: Deposited
    successor: bytes


def move(
    network: Network,
    wrong_writer: Writer,
    wrong: AliasStatement,
    right_writer: Writer,
    right: AliasStatement,
    record: Record,
    subject: str,
) -> Moved:
    """Files a record on the right person; ``subject`` is how that patient's records name it."""
    made = deposit(network, right_writer, right, [_refiled(record, subject)])
    record_id = record.manifest.record_id
    successor = made.handles.get(record_id) or made.known[record_id]
    retract(network, wrong_writer, wrong, [record.handle], successor)
    return Moved(made, successor)


def _refiled(record: Record, subject: str) -> NewVersion:
    manifest = record.manifest
    version = NewVersion(
        manifest.record_id, 1, None, manifest.resource_type, subject, record.compartment, record.body,
        manifest.mime_type, manifest.source, manifest.source_key, manifest.mapping_version, manifest.clinical_date,
    )  # fmt: skip
    return replace(
        version,
        author_stated=manifest.author_stated,
        author_resolved=manifest.author_resolved,
        note="moved from another person",
    )
