"""What passes between a log and its witnesses (C2SP tlog-witness add-checkpoint), and tlog-proof files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from careledger.domain.errors import MalformedBytes
from careledger.proofs.checkpoints import decimal, hash_from
from careledger.proofs.notes import Note, from_base64, to_base64

MOST_PROOF_LINES = 63
PROOF_HEADER = "c2sp.org/tlog-proof@v1"


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedBytes(why="not UTF-8") from None


def _head_and_note(data: bytes) -> tuple[list[str], Note]:
    head, middle, rest = _decoded(data).partition("\n\n")
    if not middle:
        raise MalformedBytes(why="no checkpoint")
    return head.split("\n"), Note.parse(rest.encode())


def _proof(lines: Sequence[str]) -> tuple[bytes, ...]:
    if len(lines) > MOST_PROOF_LINES:
        raise MalformedBytes(why="proof too long")
    return tuple(hash_from(line) for line in lines)


def _after(line: str, word: str) -> str:
    if not line.startswith(word + " "):
        raise MalformedBytes(expected=word)
    return line[len(word) + 1 :]


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """A log asks a witness to cosign: the size that the witness knows, the consistency proof, the signed note."""

    old_size: int
    proof: tuple[bytes, ...]
    note: Note

    def encode(self) -> bytes:
        """The request body."""
        lines = [f"old {self.old_size}", *(to_base64(node) for node in self.proof)]
        return "\n".join(lines).encode() + b"\n\n" + self.note.encode()

    @classmethod
    def parse(cls, data: bytes) -> AddCheckpoint:
        """The request in these bytes, its note unverified; raises MalformedBytes."""
        lines, note = _head_and_note(data)
        return cls(decimal(_after(lines[0], "old")), _proof(lines[1:]), note)


@dataclass(frozen=True, slots=True)
class LogProof:
    """A tlog-proof: that an entry stands at an index of the log whose checkpoint is enclosed."""

    index: int
    path: tuple[bytes, ...]
    note: Note
    extra: bytes | None = None

    def encode(self) -> bytes:
        """The file's bytes."""
        extra = [] if self.extra is None else [f"extra {to_base64(self.extra)}"]
        lines = [PROOF_HEADER, *extra, f"index {self.index}", *(to_base64(node) for node in self.path)]
        return "\n".join(lines).encode() + b"\n\n" + self.note.encode()

    @classmethod
    def parse(cls, data: bytes) -> LogProof:
        """The proof in these bytes, its note unverified; raises MalformedBytes."""
        lines, note = _head_and_note(data)
        if lines.pop(0) != PROOF_HEADER or not lines:
            raise MalformedBytes(why="not a tlog-proof")
        extra = from_base64(_after(lines.pop(0), "extra")) if lines[0].startswith("extra ") else None
        if not lines:
            raise MalformedBytes(why="not a tlog-proof")
        return cls(decimal(_after(lines[0], "index")), _proof(lines[1:]), note, extra)
