"""Proofs as they are sent and kept: audit proofs and files that anybody can verify offline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from careledger.formats.schema import Message, maybe, message, octets, several, text, uint
from careledger.formats.signed import Signed

MOST_NOTE = 64 * 1024
FILE_FORMAT = "careledger-proof"
FILE_VERSION = 1


@dataclass(frozen=True)
class LogLine(Message):
    """One line of a release log under a checkpoint: its number, the digest of the sealed entry, the inclusion path
    in the log, and the siblings of its tag in the map, from the root down."""

    TYPE: ClassVar[str] = "log-line"
    number: int = uint()
    sealed: bytes = octets(32)
    path: tuple[bytes, ...] = several(octets(32), most=64)
    siblings: tuple[bytes, ...] = several(octets(32), most=256)


@dataclass(frozen=True)
class TagAbsence(Message):
    """That a tag is not in the map: the siblings from the root down to where it would stand, and the other tag that
    stands there with its leaf number, or null and 0 where nothing stands."""

    TYPE: ClassVar[str] = "tag-absence"
    siblings: tuple[bytes, ...] = several(octets(32), most=256)
    met: bytes | None = maybe(octets(32))
    met_number: int = uint()


@dataclass(frozen=True)
class AuditProof(Message):
    """That a log holds ``count`` lines of one patient and no more: the signed checkpoint, the lines, and the absence
    of tag number ``count``. ``lines`` is only the last one, or all of them; empty for count 0."""

    TYPE: ClassVar[str] = "audit-proof"
    checkpoint: bytes = octets(most=MOST_NOTE)
    count: int = uint()
    lines: tuple[LogLine, ...] = several(message(LogLine))
    absent: TagAbsence = message(TagAbsence)


@dataclass(frozen=True)
class AnchoredIn(Message):
    """The block in which something stands on the ledger, and custodians' signed words for it (AttestedFact)."""

    TYPE: ClassVar[str] = "anchored-in"
    deployment: bytes = octets(32)
    block_number: int = uint()
    block_hash: bytes = octets(32)
    facts: tuple[Signed, ...] = several(message(Signed), most=64)


@dataclass(frozen=True)
class AnchoringProof(Message):
    """Body of a proof file of kind ``anchoring``: what the leaf commits to, its path, and the block.

    The facts answer the question ``anchor`` with subject the root and fact the size as uint64.
    """

    TYPE: ClassVar[str] = "anchoring-proof"
    handle: bytes = octets(32)
    header: bytes = octets(36)
    manifest: bytes = octets(36)
    body: bytes = octets(36)
    commitments: bytes = octets(32)
    root: bytes = octets(32)
    size: int = uint()
    index: int = uint()
    path: tuple[bytes, ...] = several(octets(32), most=32)
    anchored: AnchoredIn = message(AnchoredIn)


@dataclass(frozen=True)
class CompletenessProof(Message):
    """Body of a proof file of kind ``audit``; its audit key shows its readers which lines are the patient's.

    ``log`` is the log's verifier key (signed-note vkey). The proof has all lines. The facts answer the question
    ``checkpoint`` with subject the custodian's number as uint64 and fact size as uint64 ‖ root ‖ map root.
    """

    TYPE: ClassVar[str] = "completeness-proof"
    custodian: int = uint()
    log: str = text(512)
    audit_key: bytes = octets(32)
    proof: AuditProof = message(AuditProof)
    anchored: AnchoredIn = message(AnchoredIn)


@dataclass(frozen=True)
class ProofFile(Message):
    """An offline proof file. ``format`` is ``careledger-proof``, ``version`` 1, ``kind`` is ``anchoring`` or ``audit``;
    ``check`` is ``H("proof-file", kind, body)`` and finds accidental damage, nothing else."""

    TYPE: ClassVar[str] = "proof-file"
    format: str = text(32)
    version: int = uint(8)
    kind: str = text(32)
    body: bytes = octets()
    check: bytes = octets(32)
