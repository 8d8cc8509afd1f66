"""Proof files: what a person takes away and anybody verifies offline, with one sentence as the result."""

from __future__ import annotations

from careledger.domain.errors import MalformedBytes, ProofRefused
from careledger.formats.cids import text
from careledger.formats.custody import AttestedFact
from careledger.formats.digests import digest, uint
from careledger.formats.proofs import (
    FILE_FORMAT,
    FILE_VERSION,
    AnchoredIn,
    AnchoringProof,
    AuditProof,
    CompletenessProof,
    ProofFile,
)
from careledger.formats.signed import who_signed
from careledger.proofs.anchors import Inclusion, LeafOpening
from careledger.proofs.audit import check_lines
from careledger.proofs.checkpoints import open_checkpoint
from careledger.proofs.notes import VerifierKey

ANCHOR_QUESTION = "anchor"
CHECKPOINT_QUESTION = "checkpoint"


def checkpoint_fact(size: int, root: bytes, map_root: bytes) -> bytes:
    """What a custodian attests for the question ``checkpoint``: uint64 size ‖ root ‖ map root."""
    return uint(size) + root + map_root


def anchoring_file(opening: LeafOpening, inclusion: Inclusion, anchored: AnchoredIn) -> bytes:
    """A file that proves when a record version was anchored; refused where verify_file would refuse it.

    Whoever holds the file knows the version's handle.
    """
    body = AnchoringProof(
        opening.handle,
        opening.header,
        opening.manifest,
        opening.body,
        opening.commitments,
        inclusion.root,
        inclusion.size,
        inclusion.index,
        inclusion.path,
        anchored,
    )
    _say_anchoring(body)
    return _file("anchoring", body.encode())


def audit_file(
    custodian: int, log: VerifierKey, audit_key: bytes, proof: AuditProof, anchored: AnchoredIn
) -> bytes:
    """A file that proves how many lines a log holds for one patient; the proof must have every line.

    Whoever holds the file can tell which lines of this log are this patient's, later ones of the same claim included.
    """
    body = CompletenessProof(custodian, log.text, audit_key, proof, anchored)
    _say_audit(body)
    return _file("audit", body.encode())


def verify_file(data: bytes) -> str:
    """One sentence that says what the file proves and what it relies on.

    Raises MalformedBytes for a file that is cut, damaged or of another version, ProofRefused or SignatureRefused
    for one that does not prove what it claims.
    """
    file = ProofFile.decode(data)
    if (file.format, file.version) != (FILE_FORMAT, FILE_VERSION):
        raise MalformedBytes(why="not a proof file of this version")
    if file.check != _check(file.kind, file.body):
        raise MalformedBytes(why="the file is damaged")
    if file.kind == "anchoring":
        return _say_anchoring(AnchoringProof.decode(file.body))
    if file.kind == "audit":
        return _say_audit(CompletenessProof.decode(file.body))
    raise MalformedBytes(why="unknown kind of proof")


def _check(kind: str, body: bytes) -> bytes:
    return digest("proof-file", kind.encode(), body)


def _file(kind: str, body: bytes) -> bytes:
    return ProofFile(FILE_FORMAT, FILE_VERSION, kind, body, _check(kind, body)).encode()


def _say_anchoring(body: AnchoringProof) -> str:
    opening = LeafOpening(body.handle, body.header, body.manifest, body.body, body.commitments)
    Inclusion(body.root, body.size, body.index, body.path).check(opening.leaf)
    words = _words(body.anchored, ANCHOR_QUESTION, body.root, uint(body.size))
    return (
        f"This file proves that the record version with leaf {opening.leaf.hex()}, manifest {text(body.manifest)} "
        f"and body {text(body.body)} is number {body.index} of the {body.size} leaves under the root "
        f"{body.root.hex()}; that this root was anchored in {_block(body.anchored)} relies on {words}."
    )


def _say_audit(body: CompletenessProof) -> str:
    log = VerifierKey.parse(body.log)
    checkpoint, _ = open_checkpoint(body.proof.checkpoint, log)
    if len(body.proof.lines) != body.proof.count:
        raise ProofRefused(why="a proof file needs every line")
    digests = [line.sealed for line in body.proof.lines]
    check_lines(body.proof, body.audit_key, digests, checkpoint)
    fact = checkpoint_fact(checkpoint.size, checkpoint.root, checkpoint.map_root)
    words = _words(body.anchored, CHECKPOINT_QUESTION, uint(body.custodian), fact)
    return (
        f"This file proves that of the {checkpoint.size} lines of the release log {checkpoint.origin} exactly "
        f"{body.proof.count} bear the tags of this patient's audit key; it relies on "
        f"{digest('log-key', log.public).hex()} being the log key that the ledger names for this custodian, on the "
        f"log's cosigners having made its map again, and, that the checkpoint was anchored in "
        f"{_block(body.anchored)}, on {words}."
    )


def _block(anchored: AnchoredIn) -> str:
    return (
        f"block {anchored.block_number} ({anchored.block_hash.hex()}) of the network "
        f"{anchored.deployment.hex()}"
    )


def _words(anchored: AnchoredIn, question: str, subject: bytes, fact: bytes) -> str:
    """Whose word the block stands on; raises ProofRefused for a word about something else."""
    signers = set()
    for signed in anchored.facts:
        said = AttestedFact.decode(signed.body)
        expected = (question, subject, fact, anchored.block_number, anchored.block_hash)
        if (said.question, said.subject, said.fact, said.block_number, said.block_hash) != expected:
            raise ProofRefused(why="a custodian attested something else")
        signers.add(who_signed(AttestedFact, signed, anchored.deployment).hex())
    if not signers:
        return "your own look at the ledger"
    keys = ", ".join(f"0x{signer}" for signer in sorted(signers))
    return f"the word of {len(signers)} custodian key{'s' * (len(signers) > 1)} ({keys})"
