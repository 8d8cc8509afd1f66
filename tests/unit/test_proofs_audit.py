"""Audits in which nothing is missing, and the files that prove them and anchorings offline."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter

import pytest

from careledger.domain.errors import (
    CareLedgerError,
    MalformedBytes,
    ProofRefused,
    SignatureRefused,
)
from careledger.domain.facts import CheckpointFacts
from careledger.formats.cids import raw_cid
from careledger.formats.custody import AttestedFact
from careledger.formats.digests import digest, uint
from careledger.formats.proofs import AnchoredIn, AuditProof, ProofFile
from careledger.formats.signatures import SigningKey
from careledger.formats.signed import sign
from careledger.proofs.anchors import AnchorBatch, LeafOpening
from careledger.proofs.audit import Link, check_audit, check_chain, make_proof
from careledger.proofs.bundle import anchoring_file, audit_file, checkpoint_fact, verify_file
from careledger.proofs.checkpoints import Checkpoint
from careledger.proofs.notes import KeyKind, NoteKey
from careledger.proofs.release_log import NO_ENTRY, LogHead, ReleaseLog, sealed_digest, tag_of

KEY, OTHERS_KEY = bytes(range(32)), bytes(range(1, 33))
LOG = NoteKey("log.example", KeyKind.LOG, bytes(range(32)))
DEPLOYMENT = hashlib.sha256(b"deployment").digest()
BLOCK_HASH = hashlib.sha256(b"block").digest()
CUSTODIAN_KEYS = [SigningKey(bytes([n]) * 32) for n in (1, 2)]


def sealed(count: int) -> list[bytes]:
    return [sealed_digest(b"sealed %d" % n) for n in range(count)]


def a_log(count: int, others: int = 5) -> ReleaseLog:
    """A log in which this patient's entries stand between another's."""
    log = ReleaseLog("log.example")
    for number in range(max(count, others)):
        if number < others:
            log.append(tag_of(OTHERS_KEY, number), sealed_digest(b"other %d" % number))
        if number < count:
            log.append(tag_of(KEY, number), sealed(count)[number])
    return log


def note_of(checkpoint: Checkpoint) -> bytes:
    return checkpoint.sign(LOG).encode()


def anchored(checkpoint: Checkpoint) -> CheckpointFacts:
    return CheckpointFacts(7, checkpoint.size, checkpoint.root, checkpoint.map_root, 10, 1000, frozenset())


def proof_of(head: LogHead, count: int, every_line: bool = False) -> AuditProof:
    return make_proof(head, note_of(head.checkpoint), KEY, count, every_line)


@pytest.mark.parametrize("every_line", [False, True])
@pytest.mark.parametrize("count", [0, 1, 2, 6])
def test_a_patient_who_holds_all_entries_gets_the_proof_that_none_is_missing(
    count: int, every_line: bool
) -> None:
    head = a_log(count).head()
    proof = AuditProof.decode(proof_of(head, count, every_line).encode())
    result = check_audit(proof, KEY, sealed(count), LOG.verifier, anchored(head.checkpoint))
    assert (result.origin, result.count, result.size) == ("log.example", count, head.checkpoint.size)
    assert ("exactly 1 entry about" if count == 1 else f"exactly {count} entries about") in result.sentence


def test_a_custodian_that_withholds_the_newest_entries_is_noticed() -> None:
    head = a_log(4).head()
    with pytest.raises(ProofRefused):
        proof_of(head, 3)
    with pytest.raises(ProofRefused):
        proof_of(head, 5)
    honest = proof_of(head, 4)
    shorter = dataclasses.replace(honest, count=3, lines=proof_of(a_log(3).head(), 3).lines)
    with pytest.raises(ProofRefused):
        check_audit(shorter, KEY, sealed(3), LOG.verifier, anchored(head.checkpoint))
    with pytest.raises(ProofRefused):
        check_audit(honest, KEY, sealed(3), LOG.verifier, anchored(head.checkpoint))


def test_a_proof_under_an_older_or_unanchored_checkpoint_is_refused() -> None:
    old, new = a_log(3).head(), a_log(4).head()
    with pytest.raises(ProofRefused):
        check_audit(proof_of(old, 3), KEY, sealed(3), LOG.verifier, anchored(new.checkpoint))


def test_every_part_of_an_audit_proof_matters() -> None:
    head = a_log(3).head()
    good, facts = proof_of(head, 3), anchored(head.checkpoint)
    line = good.lines[0]
    stranger = NoteKey("log.example", KeyKind.LOG, bytes(32))
    wrong = {
        "digest": dataclasses.replace(good, lines=(dataclasses.replace(line, sealed=bytes(32)),)),
        "number": dataclasses.replace(good, lines=(dataclasses.replace(line, number=line.number - 1),)),
        "path": dataclasses.replace(good, lines=(dataclasses.replace(line, path=line.path[:-1]),)),
        "siblings": dataclasses.replace(
            good, lines=(dataclasses.replace(line, siblings=line.siblings[:-1]),)
        ),
        "no line": dataclasses.replace(good, lines=()),
        "two lines": dataclasses.replace(good, lines=(line, line)),
        "absence": dataclasses.replace(good, absent=dataclasses.replace(good.absent, siblings=())),
        "absence form": dataclasses.replace(
            good, absent=dataclasses.replace(good.absent, met=None, met_number=1)
        ),
        "signature": dataclasses.replace(good, checkpoint=head.checkpoint.sign(stranger).encode()),
        "checkpoint": dataclasses.replace(good, checkpoint=good.checkpoint[:-1]),
    }
    check_audit(good, KEY, sealed(3), LOG.verifier, facts)
    for proof in wrong.values():
        with pytest.raises((ProofRefused, SignatureRefused, MalformedBytes)):
            check_audit(proof, KEY, sealed(3), LOG.verifier, facts)
    with pytest.raises(ProofRefused):
        check_audit(good, OTHERS_KEY, sealed(3), LOG.verifier, facts)
    with pytest.raises(ProofRefused):
        check_audit(good, KEY, [*sealed(2), sealed_digest(b"replaced")], LOG.verifier, facts)


def test_opened_entries_form_one_chain() -> None:
    digests = sealed(4)
    links = [Link(n, previous) for n, previous in enumerate([NO_ENTRY, *digests[:-1]])]
    check_chain(digests, links)
    check_chain(digests[2:], links[2:], first=2, previous=digests[1])
    check_chain([], [])
    for wrong_digests, wrong_links in (
        (digests[1:], links[1:]),
        ([digests[0], *digests[2:]], [links[0], *links[2:]]),
        (digests, links[::-1]),
        ([digests[0], sealed_digest(b"replaced"), *digests[2:]], links),
        (digests, links[:-1]),
    ):
        with pytest.raises(ProofRefused):
            check_chain(wrong_digests, wrong_links)


# Files ------------------------------------------------------------------------------------------


def stands_in(question: str, subject: bytes, fact: bytes, keys: list[SigningKey]) -> AnchoredIn:
    facts = tuple(
        sign(AttestedFact(n, question, subject, fact, 10, BLOCK_HASH, bytes(16)), key, DEPLOYMENT)
        for n, key in enumerate(keys, start=1)
    )
    return AnchoredIn(DEPLOYMENT, 10, BLOCK_HASH, facts)


def anchoring(keys: list[SigningKey]) -> bytes:
    opening = LeafOpening(bytes(32), raw_cid(b"h"), raw_cid(b"m"), raw_cid(b"b"), bytes(range(32)))
    batch = AnchorBatch([hashlib.sha256(b"other").digest(), opening.leaf, bytes(32)])
    return anchoring_file(
        opening, batch.inclusion(1), stands_in("anchor", batch.root, uint(batch.size), keys)
    )


def audit(keys: list[SigningKey], count: int = 2) -> bytes:
    head = a_log(count).head()
    point = head.checkpoint
    fact = checkpoint_fact(point.size, point.root, point.map_root)
    where = stands_in("checkpoint", uint(7), fact, keys)
    return audit_file(7, LOG.verifier, KEY, proof_of(head, count, every_line=True), where)


def test_an_anchoring_file_says_what_it_proves_and_whose_word_it_relies_on() -> None:
    said = verify_file(anchoring(CUSTODIAN_KEYS))
    assert "is number 1 of the 3 leaves under the root" in said
    assert "anchored in block 10" in said
    assert "relies on the word of 2 custodian keys" in said
    assert all(f"0x{key.address.hex()}" in said for key in CUSTODIAN_KEYS)
    assert "relies on your own look at the ledger" in verify_file(anchoring([]))
    assert said.count(". ") == 0
    assert said.endswith(".")


def test_an_audit_file_says_how_many_lines_are_the_patients() -> None:
    said = verify_file(audit(CUSTODIAN_KEYS[:1]))
    assert "of the 7 lines of the release log log.example exactly 2 bear the tags" in said
    assert "the word of 1 custodian key (0x" in said
    assert "exactly 0 bear the tags" in verify_file(audit([], count=0))


def test_an_audit_file_needs_every_line() -> None:
    head = a_log(3).head()
    with pytest.raises(ProofRefused):
        audit_file(7, LOG.verifier, KEY, proof_of(head, 3), AnchoredIn(DEPLOYMENT, 10, BLOCK_HASH, ()))


def test_a_word_about_something_else_is_refused() -> None:
    opening = LeafOpening(bytes(32), raw_cid(b"h"), raw_cid(b"m"), raw_cid(b"b"), bytes(range(32)))
    batch = AnchorBatch([opening.leaf])
    good = stands_in("anchor", batch.root, uint(1), CUSTODIAN_KEYS)
    verify_file(anchoring_file(opening, batch.inclusion(0), good))
    for wrong in (
        stands_in("checkpoint", batch.root, uint(1), CUSTODIAN_KEYS),
        stands_in("anchor", bytes(32), uint(1), CUSTODIAN_KEYS),
        stands_in("anchor", batch.root, uint(2), CUSTODIAN_KEYS),
        dataclasses.replace(good, block_number=11),
        dataclasses.replace(good, block_hash=bytes(32)),
    ):
        with pytest.raises(ProofRefused):
            anchoring_file(opening, batch.inclusion(0), wrong)


@pytest.mark.parametrize("make", [anchoring, audit])
def test_a_file_with_any_byte_altered_or_missing_is_refused(make) -> None:  # type: ignore[no-untyped-def]
    data = make(CUSTODIAN_KEYS)
    verify_file(data)
    outcomes: Counter[str] = Counter()
    for position in range(len(data)):
        for mask in (0x01, 0xFF):
            flipped = data[:position] + bytes([data[position] ^ mask]) + data[position + 1 :]
            with pytest.raises(CareLedgerError):
                verify_file(flipped)
            outcomes["altered"] += 1
        with pytest.raises(CareLedgerError):
            verify_file(data[:position])
        outcomes["cut"] += 1
    with pytest.raises(MalformedBytes):
        verify_file(data + b"\x00")
    assert outcomes == {"altered": 2 * len(data), "cut": len(data)}
    assert len(data) > 900


@pytest.mark.parametrize(
    "change",
    [{"format": "another"}, {"version": 2}, {"kind": "another"}, {"kind": "audit"}, {"body": b"\xa0"}],
)
def test_a_file_of_another_kind_or_version_is_refused(change: dict[str, object]) -> None:
    file = dataclasses.replace(ProofFile.decode(anchoring([])), **change)  # type: ignore[arg-type]
    file = dataclasses.replace(file, check=digest("proof-file", file.kind.encode(), file.body))
    with pytest.raises(MalformedBytes):
        verify_file(file.encode())


def test_a_forged_body_with_a_fresh_check_is_refused_or_stands_on_other_words() -> None:
    """The check digest protects against damage only; a forger makes it again."""
    file, honest = ProofFile.decode(audit(CUSTODIAN_KEYS)), verify_file(audit(CUSTODIAN_KEYS))
    outcomes: Counter[str] = Counter()
    for position in range(len(file.body)):
        body = file.body[:position] + bytes([file.body[position] ^ 1]) + file.body[position + 1 :]
        forged = dataclasses.replace(file, body=body, check=digest("proof-file", file.kind.encode(), body))
        try:
            said = verify_file(forged.encode())
        except CareLedgerError:
            outcomes["refused"] += 1
        else:
            outcomes["other words"] += 1
            assert not all(word in said for word in honest.replace("(", " ").split())
    assert outcomes.total() == len(file.body)
    # Only the network's id and each custodian's number, nonce and signature can change: other keys are named then.
    assert outcomes["other words"] <= 32 + len(CUSTODIAN_KEYS) * (1 + 16 + 65)
