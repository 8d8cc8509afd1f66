"""Nothing is missing: making and verifying the proof that a patient saw every line of a release log.

The patient holds the sealed entries. Each names the digest of the one before inside its seal; so the digest of the
last stands for all. The proof shows that the last one's tag is in the log and the next tag is not.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from careledger.domain.errors import ProofRefused
from careledger.domain.facts import CheckpointFacts
from careledger.formats.proofs import AuditProof, LogLine, TagAbsence
from careledger.proofs.checkpoints import Checkpoint, open_checkpoint
from careledger.proofs.merkle import check_inclusion
from careledger.proofs.notes import VerifierKey
from careledger.proofs.release_log import NO_ENTRY, LogHead, log_entry, tag_of
from careledger.proofs.tag_map import MapProof, check_absent, check_present

NOT_ANCHORED = "not the checkpoint on the ledger"


@dataclass(frozen=True, slots=True)
class Link:
    """What one opened entry says about its place: its index and the digest of the sealed entry before."""

    index: int
    previous: bytes


@dataclass(frozen=True, slots=True)
class Completeness:
    """A verified audit: this log held exactly ``count`` entries of the patient when it had ``size`` lines."""

    origin: str
    count: int
    size: int

    @property
    def sentence(self) -> str:
        """What was proved, for people."""
        entries = "1 entry" if self.count == 1 else f"{self.count} entries"
        return (
            f"The release log {self.origin} held exactly {entries} about this patient when it had "
            f"{self.size} lines, and none of them is missing here."
        )


def make_proof(
    head: LogHead, note: bytes, audit_key: bytes, count: int, every_line: bool = False
) -> AuditProof:
    """A custodian's proof under an anchored head whose signed checkpoint is ``note``.

    ``count`` is the patient's number of entries under that head. With ``every_line`` it proves each entry by
    itself, as a proof file needs. Raises ProofRefused if the head has another number of entries.
    """
    absent = head.absence(tag_of(audit_key, count))
    first = 0 if every_line else max(0, count - 1)
    lines = head.lines([tag_of(audit_key, number) for number in range(first, count)])
    met, met_number = absent.met or (None, 0)
    return AuditProof(
        note,
        count,
        tuple(LogLine(line.number, line.sealed, line.path, line.siblings) for line in lines),
        TagAbsence(absent.siblings, met, met_number),
    )


def check_chain(
    digests: Sequence[bytes], links: Sequence[Link], first: int = 0, previous: bytes = NO_ENTRY
) -> None:
    """Raises ProofRefused unless the opened entries number ``first`` and on form one chain.

    ``digests`` are those of the sealed entries, ``links`` what was found inside, ``previous`` the digest of
    the entry before the first one here.
    """
    if len(digests) != len(links):
        raise ProofRefused(why="not every entry was opened")
    for number, (link, digest) in enumerate(zip(links, digests, strict=True), start=first):
        if link.index != number or not hmac.compare_digest(link.previous, previous):
            raise ProofRefused(why="an entry is missing or replaced", entry=number)
        previous = digest


def check_audit(
    proof: AuditProof,
    audit_key: bytes,
    digests: Sequence[bytes],
    log: VerifierKey,
    anchored: CheckpointFacts,
) -> Completeness:
    """What is proved about the chain whose sealed entries have these digests (all, from number 0).

    ``log`` is the custodian's key as registered, ``anchored`` its checkpoint on the ledger. The caller has run
    check_chain. Raises ProofRefused, SignatureRefused, MalformedBytes.
    """
    checkpoint, _ = open_checkpoint(proof.checkpoint, log)
    check_anchored(checkpoint, anchored)
    check_lines(proof, audit_key, digests, checkpoint)
    return Completeness(checkpoint.origin, proof.count, checkpoint.size)


def check_anchored(checkpoint: Checkpoint, anchored: CheckpointFacts) -> None:
    """Raises ProofRefused unless the ledger holds this very checkpoint."""
    said = (checkpoint.size, checkpoint.root, checkpoint.map_root)
    if said != (anchored.size, anchored.root, anchored.map_root):
        raise ProofRefused(why=NOT_ANCHORED, size=checkpoint.size)


def check_lines(
    proof: AuditProof, audit_key: bytes, digests: Sequence[bytes], checkpoint: Checkpoint
) -> None:
    """Raises ProofRefused unless the last of these entries (or each) is in the log, and no further one is."""
    if proof.count != len(digests):
        raise ProofRefused(why="another number of entries", proved=proof.count, here=len(digests))
    if len(proof.lines) not in (min(1, proof.count), proof.count):
        raise ProofRefused(why="neither the last line nor all lines")
    first = proof.count - len(proof.lines)
    for number, line in enumerate(proof.lines, start=first):
        _check_line(line, tag_of(audit_key, number), digests[number], checkpoint)
    absent = proof.absent
    if absent.met is None and absent.met_number:
        raise ProofRefused(why="form")
    met = None if absent.met is None else (absent.met, absent.met_number)
    check_absent(checkpoint.map_root, tag_of(audit_key, proof.count), MapProof(absent.siblings, met))


def _check_line(line: LogLine, tag: bytes, digest: bytes, checkpoint: Checkpoint) -> None:
    if not hmac.compare_digest(line.sealed, digest):
        raise ProofRefused(why="another entry stands in the log", line=line.number)
    check_inclusion(checkpoint.root, checkpoint.size, line.number, log_entry(tag, line.sealed), line.path)
    check_present(checkpoint.map_root, tag, line.number, MapProof(line.siblings, (tag, line.number)))
