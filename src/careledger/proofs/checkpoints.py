"""Checkpoints (C2SP tlog-checkpoint v1) of release logs, and witnesses' cosignatures (tlog-cosignature v1).

A checkpoint's text is the origin line, the size, the log's root in base 64, and one extension line
``map <base64>`` with the root of the map from tag to leaf number. A cosigner of this project has recomputed that
map, so its cosignature speaks for the extension line too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from careledger.domain.errors import MalformedBytes, SignatureRefused
from careledger.formats.digests import digest
from careledger.proofs.notes import (
    KeyKind,
    Note,
    NoteKey,
    NoteSignature,
    VerifierKey,
    from_base64,
    sign_note,
    to_base64,
)

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")


def decimal(written: str) -> int:
    """An ASCII decimal below 2⁶³ without leading zeroes; raises MalformedBytes."""
    if not _DECIMAL.fullmatch(written) or int(written) >= 1 << 63:
        raise MalformedBytes(why="not a decimal number")
    return int(written)


def hash_from(written: str) -> bytes:
    """32 bytes in base 64; raises MalformedBytes."""
    data = from_base64(written)
    if len(data) != 32:
        raise MalformedBytes(why="a hash has 32 bytes")
    return data


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of one release log: who it is (origin), how many leaves, their root, and the map's root."""

    origin: str
    size: int
    root: bytes
    map_root: bytes

    @property
    def text(self) -> str:
        """What the log signs."""
        return f"{self.origin}\n{self.size}\n{to_base64(self.root)}\nmap {to_base64(self.map_root)}\n"

    @property
    def digest(self) -> bytes:
        """``H("checkpoint", text)``: 32 bytes that stand for the whole checkpoint on the ledger."""
        return digest("checkpoint", self.text.encode())

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """The checkpoint in a note's text; raises MalformedBytes for anything but exactly its four lines."""
        lines = text.split("\n")
        if len(lines) != 5 or lines[4] or not lines[0] or not lines[3].startswith("map "):
            raise MalformedBytes(why="not a checkpoint of a release log")
        return cls(lines[0], decimal(lines[1]), hash_from(lines[2]), hash_from(lines[3][4:]))

    def sign(self, key: NoteKey) -> Note:
        """The checkpoint signed by the log; raises SignatureRefused unless the key is named as the origin."""
        if key.verifier.name != self.origin:
            raise SignatureRefused(name=key.verifier.name, why="not the key of this log")
        return sign_note(self.text, key)


def open_checkpoint(data: bytes, log: VerifierKey) -> tuple[Checkpoint, Note]:
    """The checkpoint in a note that this log signed, and the note; raises MalformedBytes, SignatureRefused."""
    note = Note.parse(data)
    checkpoint = Checkpoint.parse(note.verified(log))
    if checkpoint.origin != log.name:
        raise SignatureRefused(name=log.name, why="a checkpoint of another log")
    return checkpoint, note


# Cosignatures -----------------------------------------------------------------------------------


def _cosigned(text: str, time: int) -> bytes:
    return f"cosignature/v1\ntime {time}\n{text}".encode()


def cosign(text: str, key: NoteKey, time: int) -> NoteSignature:
    """A cosignature/v1 line over a checkpoint's text at a unix time in seconds.

    Semantics (tlog-cosignature): as of that time it is the largest consistent head the cosigner has seen.
    """
    if key.verifier.kind is not KeyKind.COSIGNER or not 0 <= time < 1 << 63:
        raise SignatureRefused(name=key.verifier.name, why="not a cosigner's key")
    return key.line(time.to_bytes(8, "big") + key.sign(_cosigned(text, time)))


def cosignature_time(note: Note, cosigner: VerifierKey) -> int:
    """When this cosigner cosigned, unix seconds; raises SignatureRefused if it did not."""
    data = note.signature_by(cosigner)
    time = int.from_bytes(data[:8], "big")
    if cosigner.kind is not KeyKind.COSIGNER or len(data) != 72 or time >= 1 << 63:
        raise SignatureRefused(name=cosigner.name, why="not a cosignature")
    cosigner.check(_cosigned(note.text, time), data[8:])
    return time


def cosigners_of(note: Note, known: Iterable[VerifierKey]) -> dict[str, int]:
    """Name and time of every known cosigner on the note; lines of unknown keys are ignored.

    Raises SignatureRefused if the line of a known key does not verify.
    """
    present = {(signature.name, signature.key_id) for signature in note.signatures}
    return {key.name: cosignature_time(note, key) for key in known if (key.name, key.id) in present}
