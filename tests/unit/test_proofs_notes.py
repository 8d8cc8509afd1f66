"""Signed notes, checkpoints, cosignatures, witness requests and tlog-proof files, parsed strictly."""

from __future__ import annotations

import base64
import dataclasses
import hashlib

import pytest

from careledger.domain.errors import CareLedgerError, MalformedBytes, SignatureRefused
from careledger.proofs.checkpoints import (
    Checkpoint,
    cosign,
    cosignature_time,
    cosigners_of,
    open_checkpoint,
)
from careledger.proofs.notes import KeyKind, Note, NoteKey, VerifierKey, sign_note
from careledger.proofs.witness import AddCheckpoint, LogProof

LOG = NoteKey("log.example/one", KeyKind.LOG, bytes(range(32)))
WITNESS = NoteKey("witness.example/w1", KeyKind.COSIGNER, bytes(range(1, 33)))
STRANGER = NoteKey("log.example/one", KeyKind.LOG, bytes(range(2, 34)))
HEAD = Checkpoint("log.example/one", 20852163, hashlib.sha256(b"r").digest(), hashlib.sha256(b"m").digest())
SIGNED = HEAD.sign(LOG)

# The example note and key in the documentation of Go's golang.org/x/mod/sumdb/note.
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def test_the_public_example_note_verifies_under_its_public_key() -> None:
    key = VerifierKey.parse(GO_KEY)
    note = Note.parse(GO_NOTE.encode())
    assert key.id.hex() == "c74f20a3"
    assert note.verified(key).startswith("If you think cryptography")
    assert note.encode() == GO_NOTE.encode()
    with pytest.raises(SignatureRefused):
        Note.parse(GO_NOTE.replace("think", "thing").encode()).verified(key)


def test_the_public_key_of_the_go_checksum_database_has_its_published_id() -> None:
    key = VerifierKey.parse("sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8")
    assert (key.name, key.kind, key.id.hex()) == ("sum.golang.org", KeyKind.LOG, "033de0ae")


@pytest.mark.parametrize(
    "written",
    [
        GO_KEY.replace("c74f20a3", "c74f20a4"),
        GO_KEY.replace("PeterNeumann", "PeterNeuman"),
        GO_KEY[:-4],
        GO_KEY + "=",
        "PeterNeumann",
        "a+00000000+",
        "a+00000000+AA==",
        GO_KEY.upper(),
    ],
)
def test_a_verifier_key_that_is_not_whole_is_refused(written: str) -> None:
    with pytest.raises(MalformedBytes):
        VerifierKey.parse(written)


def test_a_checkpoint_is_read_back_only_under_its_logs_key() -> None:
    assert open_checkpoint(SIGNED.encode(), LOG.verifier) == (HEAD, SIGNED)
    with pytest.raises(SignatureRefused):
        open_checkpoint(SIGNED.encode(), STRANGER.verifier)
    other = dataclasses.replace(HEAD, origin="log.example/two")
    with pytest.raises(SignatureRefused):
        other.sign(LOG)
    with pytest.raises(SignatureRefused):
        open_checkpoint(sign_note(other.text, LOG).encode(), LOG.verifier)


def test_every_flipped_byte_of_a_signed_checkpoint_is_refused() -> None:
    data, refused = SIGNED.encode(), 0
    for position in range(len(data)):
        flipped = data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]
        with pytest.raises((MalformedBytes, SignatureRefused)):
            open_checkpoint(flipped, LOG.verifier)
        refused += 1
    assert refused == len(data) > 200


@pytest.mark.parametrize(
    "text",
    [
        HEAD.text.replace("20852163", "020852163"),
        HEAD.text.replace("20852163", "-1"),
        HEAD.text.replace("20852163", "2⁶"),
        HEAD.text.replace("20852163", "9223372036854775808"),
        HEAD.text + "more\n",
        HEAD.text + "\n",
        HEAD.text.replace("map ", "mop "),
        HEAD.text.replace("log.example/one", ""),
        "\n".join(HEAD.text.split("\n")[:3]) + "\n",
        HEAD.text.replace("=\n", "\n", 1),
        "",
    ],
)
def test_a_checkpoint_of_another_form_is_refused(text: str) -> None:
    assert Checkpoint.parse(HEAD.text) == HEAD
    with pytest.raises(MalformedBytes):
        Checkpoint.parse(text)


GOOD = SIGNED.encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n\n",
        GOOD[:-1],
        GOOD + b"\n",
        GOOD + GOOD[GOOD.rindex("—".encode()) :],
        GOOD.replace(b"\n\n", b"\n"),
        GOOD.replace(b"log.example/one\n2", b"log.example\t/one\n2"),
        GOOD.replace(b"log.example/one\n2", b"log.example/one\xff\n2"),
        GOOD.replace("—".encode(), b"-"),
        GOOD.replace("— ".encode(), "—  ".encode()),
        GOOD + "— name AAAA\n".encode(),
        GOOD + "— na+me AAAAAAAA\n".encode(),
        GOOD + "— na\u00a0me AAAAAAAA\n".encode(),
        GOOD + b"x" * 70_000,
    ],
)
def test_a_note_of_another_form_is_refused(data: bytes) -> None:
    assert Note.parse(GOOD) == SIGNED
    with pytest.raises(MalformedBytes):
        Note.parse(data)


def test_a_note_carries_sixteen_signatures_and_unknown_keys_are_ignored() -> None:
    note = SIGNED
    for number in range(15):
        note = note.with_signature(
            cosign(HEAD.text, NoteKey(f"w{number}", KeyKind.COSIGNER, bytes([number]) * 32), number)
        )
    again = Note.parse(note.encode())
    assert len(again.signatures) == 16
    assert open_checkpoint(note.encode(), LOG.verifier)[0] == HEAD
    known = [NoteKey(f"w{number}", KeyKind.COSIGNER, bytes([number]) * 32).verifier for number in (3, 5)]
    assert cosigners_of(again, [*known, WITNESS.verifier]) == {"w3": 3, "w5": 5}


def test_a_cosignature_is_over_the_text_and_the_time_that_the_specification_names() -> None:
    line = cosign(HEAD.text, WITNESS, 1679315147)
    message = b"cosignature/v1\ntime 1679315147\n" + HEAD.text.encode()
    assert line.signature[:8] == (1679315147).to_bytes(8, "big")
    WITNESS.verifier.check(message, line.signature[8:])
    expected_id = hashlib.sha256(b"witness.example/w1\n\x04" + WITNESS.verifier.public).digest()[:4]
    assert line.key_id == expected_id
    assert line.text == "— witness.example/w1 " + base64.b64encode(expected_id + line.signature).decode()


def test_a_cosignature_of_another_time_text_or_key_is_refused() -> None:
    line = cosign(HEAD.text, WITNESS, 1000)
    assert cosignature_time(SIGNED.with_signature(line), WITNESS.verifier) == 1000
    later = dataclasses.replace(line, signature=(1001).to_bytes(8, "big") + line.signature[8:])
    short = dataclasses.replace(line, signature=line.signature[:-1])
    elsewhere = dataclasses.replace(HEAD, size=1).sign(LOG).with_signature(line)
    for note in (SIGNED.with_signature(later), SIGNED.with_signature(short), elsewhere, SIGNED):
        with pytest.raises(SignatureRefused):
            cosignature_time(note, WITNESS.verifier)
    with pytest.raises(SignatureRefused):
        cosigners_of(SIGNED.with_signature(later), [WITNESS.verifier])


def test_a_key_signs_only_what_its_kind_is_for() -> None:
    with pytest.raises(SignatureRefused):
        cosign(HEAD.text, LOG, 1)
    with pytest.raises(SignatureRefused):
        sign_note(HEAD.text, WITNESS)
    with pytest.raises(SignatureRefused):
        SIGNED.with_signature(cosign(HEAD.text, WITNESS, 1)).verified(WITNESS.verifier)


def test_a_private_key_is_not_printed() -> None:
    key = NoteKey("name", KeyKind.LOG, b"\x11" * 32)
    assert "11" * 8 not in repr(key)
    assert "x11" not in repr(vars(key))
    with pytest.raises(MalformedBytes):
        NoteKey("name", KeyKind.LOG, b"\x11" * 31)


def test_a_cosigner_asked_again_replaces_its_line() -> None:
    note = SIGNED.with_signature(cosign(HEAD.text, WITNESS, 1)).with_signature(cosign(HEAD.text, WITNESS, 2))
    assert cosigners_of(note, [WITNESS.verifier]) == {"witness.example/w1": 2}
    assert len(note.signatures) == 2


def test_witness_requests_and_proof_files_are_read_back_as_written() -> None:
    nodes = tuple(hashlib.sha256(bytes([n])).digest() for n in range(3))
    request = AddCheckpoint(20852014, nodes, SIGNED)
    assert request.encode().startswith(b"old 20852014\n")
    assert AddCheckpoint.parse(request.encode()) == request
    assert AddCheckpoint.parse(AddCheckpoint(0, (), SIGNED).encode()).proof == ()
    for extra in (None, b"", b"extra data"):
        proof = LogProof(73894, nodes, SIGNED, extra)
        assert LogProof.parse(proof.encode()) == proof
    assert (
        LogProof(7, (), SIGNED).encode().startswith(b"c2sp.org/tlog-proof@v1\nindex 7\n\nlog.example/one\n")
    )


def test_every_truncation_of_requests_and_proof_files_is_refused_or_lacks_the_logs_signature() -> None:
    nodes = (hashlib.sha256(b"n").digest(),)
    for kind, data in (
        (AddCheckpoint, AddCheckpoint(5, nodes, SIGNED).encode()),
        (LogProof, LogProof(5, nodes, SIGNED, b"x").encode()),
    ):
        for length in range(len(data)):
            with pytest.raises(CareLedgerError):
                kind.parse(data[:length])


@pytest.mark.parametrize(
    "head",
    ["old 05", "old -1", "older 5", "old  5", "old 5\nAAAA", "old 5\n" + "\n".join(["A" * 43 + "="] * 64)],
)
def test_a_witness_request_of_another_form_is_refused(head: str) -> None:
    AddCheckpoint.parse(b"old 5\n\n" + GOOD)
    with pytest.raises(MalformedBytes):
        AddCheckpoint.parse(head.encode() + b"\n\n" + GOOD)


@pytest.mark.parametrize(
    "head",
    [
        "c2sp.org/tlog-proof@v2\nindex 5",
        "c2sp.org/tlog-proof@v1",
        "c2sp.org/tlog-proof@v1\nextra AAAA",
        "c2sp.org/tlog-proof@v1\nindex 05",
        "c2sp.org/tlog-proof@v1\nextra A\nindex 5",
    ],
)
def test_a_proof_file_of_another_form_is_refused(head: str) -> None:
    with pytest.raises(MalformedBytes):
        LogProof.parse(head.encode() + b"\n\n" + GOOD)
