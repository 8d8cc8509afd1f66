"""Move a record that was filed on the wrong person: deposited on the right one, retracted here, both linked.

Order of effects: the deposit on the right person (nothing is lost), then the depositor's retraction, which names the
successor and stands in the wrong person's logs as an incident; the depositor's books before it, and after it the
notices to whoever had read it, or to the registrar that keeps that person's keys and can find out who had
(workflows.tell_moved; a claimed patient's agent finds it out itself).
The wrong person's controller may besides order ``move``, so that nobody reads it there (workflows.order). Repeating any
step is harmless.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from careledger.domain.errors import WritingRefused
from careledger.formats.patients import AliasStatement
from careledger.workflows.actors import Staff
from careledger.workflows.batches import NewVersion, Writer
from careledger.workflows.deposit import Deposited, deposit
from careledger.workflows.moved import UNTOLD
from careledger.workflows.network import Network
from careledger.workflows.retract import retract
from careledger.workflows.retrieve import Record
from careledger.workflows.signing import signed_by
from careledger.workflows.tell_moved import tell_untold


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
    author: Staff | None = None,
) -> Moved:
    """Files a record on the right person; ``subject`` is how that patient's records name it.

    What a post signed names the person that it is about, so its ``author`` signs anew. Raises WritingRefused if
    another one or nobody does, or if the right person's custodians do not let it be written.
    """
    if record.manifest.author != (author.number if author else 0):
        raise WritingRefused(why="signed by another author")
    refiled = _refiled(record, subject)
    made = deposit(network, right_writer, right, [signed_by(refiled, author) if author else refiled])
    record_id = record.manifest.record_id
    successor = made.handles.get(record_id) or made.known[record_id]
    depositor = wrong_writer.organisation
    depositor.books.put(UNTOLD, [(wrong.alias, record.handle)])
    retract(network, wrong_writer, wrong, [record.handle], successor)
    tell_untold(network, depositor)
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
