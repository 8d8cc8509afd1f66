"""Move a record that was filed on the wrong person: deposited on the right one, retracted here, both linked.

Order of effects: the deposits on the right person, the oldest version first (nothing is lost), the depositor's books,
its retraction of all of them, which names the successor and stands in the wrong person's logs as an incident, and then
the notices to whoever had read it, or to the registrar that keeps that person's keys and can find out who had
(workflows.tell_moved; a claimed patient's agent finds it out itself).
The wrong person's controller may besides order ``move``, so that nobody reads it there (workflows.order). Repeating any
step is harmless.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from careledger.domain.errors import WritingRefused
from careledger.formats.patients import AliasStatement
from careledger.workflows.actors import Organisation, Staff
from careledger.workflows.batches import Writer
from careledger.workflows.deposit import Deposited, deposit
from careledger.workflows.moved import UNTOLD
from careledger.workflows.network import Network
from careledger.workflows.new_versions import NewVersion
from careledger.workflows.retract import retract
from careledger.workflows.retrieve import Record
from careledger.workflows.signing import signed_by
from careledger.workflows.tell_moved import tell_untold


@dataclass(frozen=True)
class Moved:
    """What was deposited on the right person, the oldest version first, and the handle there that the retraction here
    names: the last version's."""

    deposited: tuple[Deposited, ...]
    successor: bytes


def move(
    network: Network,
    wrong_writer: Writer,
    wrong: AliasStatement,
    right_writer: Writer,
    right: AliasStatement,
    versions: Sequence[Record],
    subject: str,
    author: Staff | None = None,
) -> Moved:
    """Files all versions of one record on the right person; ``subject`` is how that patient's records name it.

    What a post signed names the person that it is about, so its ``author`` signs anew. Raises WritingRefused if
    another one or nobody does, if another organisation deposited one of the versions, or if the right person's
    custodians do not let them be written.
    """
    network = replace(network, scanning=None)  # nothing comes in: it lies here already
    oldest_first = sorted(versions, key=lambda each: each.manifest.version)
    _check(wrong_writer.organisation, oldest_first, author)
    made: list[Deposited] = []
    refiled: dict[bytes, tuple[bytes, int]] = {}
    for record in oldest_first:
        version = _refiled(record, subject, refiled.get(record.manifest.predecessor or b""))
        signs = author if record.manifest.author else None
        made.append(deposit(network, right_writer, right, [signed_by(version, signs) if signs else version]))
        refiled[record.handle] = _handle(made[-1], version), version.version
    handles, (successor, _) = list(refiled), refiled[oldest_first[-1].handle]
    depositor = wrong_writer.organisation
    depositor.books.put(UNTOLD, [(wrong.alias, handles[-1])])
    retract(network, wrong_writer, wrong, handles, successor)
    tell_untold(network, depositor)
    return Moved(tuple(made), successor)


def _check(depositor: Organisation, versions: Sequence[Record], author: Staff | None) -> None:
    """Before anything is deposited: what cannot be signed anew or taken back here is not filed twice."""
    if len({each.manifest.record_id for each in versions}) != 1:
        raise WritingRefused(why="not the versions of one record")
    if {each.manifest.author for each in versions} - {0} != ({author.number} if author else set()):
        raise WritingRefused(why="signed by another author")
    if {each.manifest.depositor for each in versions} != {depositor.number}:
        raise WritingRefused(why="another organisation deposited a version of it")


def _handle(made: Deposited, version: NewVersion) -> bytes:
    return {**made.known, **made.handles}[version.record_id]


def _refiled(record: Record, subject: str, before: tuple[bytes, int] | None) -> NewVersion:
    """The version for the right person, after the one that stands there in its predecessor's place."""
    manifest = record.manifest
    predecessor, number = before or (None, 0)
    version = NewVersion(
        manifest.record_id, number + 1, predecessor, manifest.resource_type, subject, record.compartment,
        record.body, manifest.mime_type, manifest.source, manifest.source_key, manifest.mapping_version,
        manifest.clinical_date,
    )  # fmt: skip
    return replace(
        version,
        author_stated=manifest.author_stated,
        author_resolved=manifest.author_resolved,
        note="moved from another person",
    )
