"""A custodian's release log: what a leaf is, what a tag is, the log itself, and what its cosigners check.

An entry of the RFC 9162 log is tag (32) ‖ digest of the sealed entry (32). Leaves look random and are public. The
checkpoint commits to the log's root and to the map from tag to leaf number.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from careledger.domain.errors import LogForked, MalformedBytes, ProofRefused
from careledger.formats.digests import digest, uint
from careledger.proofs.checkpoints import Checkpoint
from careledger.proofs.merkle import Frontier, Tree
from careledger.proofs.tag_map import MapProof, TagMap

ENTRY = 64
Entries = Callable[[int, int], Sequence[bytes]]
"""A log's entries from one number to before another."""
NO_ENTRY = bytes(32)
"""What the first sealed entry of a patient names as the digest of the one before."""


def tag_of(audit_key: bytes, number: int) -> bytes:
    """The tag of a patient's entry number ``number`` (from 0): HMAC-SHA256(audit key, uint64 number)."""
    if len(audit_key) != 32:
        raise MalformedBytes(why="an audit key has 32 bytes")
    return hmac.new(audit_key, uint(number), hashlib.sha256).digest()


def sealed_digest(sealed: bytes) -> bytes:
    """``H("sealed-entry", sealed)``: what the leaf and the patient's next entry name."""
    return digest("sealed-entry", sealed)


def log_entry(tag: bytes, sealed: bytes) -> bytes:
    """The 64 bytes that are hashed into the log: tag ‖ digest of the sealed entry."""
    if len(tag) != 32 or len(sealed) != 32:
        raise MalformedBytes(why="a tag and a digest have 32 bytes")
    return tag + sealed


def split_entry(entry: bytes) -> tuple[bytes, bytes]:
    """Tag and digest of the sealed entry; raises MalformedBytes."""
    if len(entry) != ENTRY:
        raise MalformedBytes(why="a log entry has 64 bytes")
    return entry[:32], entry[32:]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the log, proved under a checkpoint: its place, what it commits to, and both paths."""

    number: int
    sealed: bytes
    path: tuple[bytes, ...]
    siblings: tuple[bytes, ...]


class LogHead:
    """A log as it stood at one size: makes its checkpoint and proofs under it, whatever was appended since."""

    def __init__(self, origin: str, tree: Tree, size: int, tags: TagMap, entries: Entries) -> None:
        self._tree = tree
        self._tags = tags
        self._entries = entries
        self.checkpoint = Checkpoint(origin, size, tree.root(size), tags.root())
        tags.lie_together()

    def line(self, tag: bytes) -> Line:
        """Proof that this tag is there, and its line; raises ProofRefused if it is not."""
        proof = self._tags.proof(tag)
        if proof.met is None or proof.met[0] != tag:
            raise ProofRefused(why="no line with this tag")
        number = proof.met[1]
        path = self._tree.path(number, self.checkpoint.size)
        return Line(number, split_entry(self._entries(number, number + 1)[0])[1], tuple(path), proof.siblings)

    def absence(self, tag: bytes) -> MapProof:
        """Proof that this tag is not there; raises ProofRefused if it is."""
        proof = self._tags.proof(tag)
        if proof.met is not None and proof.met[0] == tag:
            raise ProofRefused(why="there is a line with this tag")
        return proof


class ReleaseLog:
    """The whole log's hashes in memory, made again from its entries when a custodian starts; nothing here is durable.

    Appending costs O(log n); about 140 bytes for each line whose entry is read where it is kept.
    """

    def __init__(self, origin: str, entries: Iterable[bytes] = (), kept: Entries | None = None) -> None:
        """The log with these entries of 64 bytes; raises MalformedBytes, ProofRefused (a tag twice).

        ``kept`` reads entries where they are durable before they are appended here; without it they lie in memory too.
        """
        self.origin = origin
        known = list(entries)
        self._tags = TagMap()
        self._tags.extend([(split_entry(entry)[0], number) for number, entry in enumerate(known)])
        self._tree = Tree(known)
        self._own = known if kept is None else None
        self._kept = kept

    @property
    def size(self) -> int:
        """How many lines there are."""
        return self._tree.size

    def append(self, tag: bytes, sealed: bytes) -> int:
        """Adds a line; returns its number. Raises ProofRefused for a tag that is there, and adds nothing."""
        entry = log_entry(tag, sealed)
        self._tags.insert(tag, self.size)
        if self._own is not None:
            self._own.append(entry)
        return self._tree.append(entry)

    def entries(self, start: int, end: int) -> Sequence[bytes]:
        """Lines start to end − 1, as everybody may read them."""
        if self._own is not None:
            return self._own[start:end]
        return [] if self._kept is None else self._kept(start, end)

    def head(self) -> LogHead:
        """The log as it is now; keep the heads that were anchored to prove under them."""
        return LogHead(self.origin, self._tree, self.size, self._tags.copy(), self.entries)

    @property
    def tree(self) -> Tree:
        """The tree, for tiles and consistency proofs."""
        return self._tree


class Follower:
    """What a cosigner keeps of another custodian's log, and its check before each cosignature.

    It makes log root and map root again from the public leaves, so it needs no consistency proof: a checkpoint
    that passes continues every checkpoint that passed before.
    """

    def __init__(self, origin: str, entries: Iterable[bytes] = ()) -> None:
        """Starts from the entries that were accepted before (none); raises MalformedBytes, LogForked."""
        self.origin = origin
        self._edge, self._tags = _grown(Frontier(), TagMap(), entries)

    @property
    def size(self) -> int:
        """How many lines it has accepted."""
        return self._edge.size

    def follow(self, checkpoint: Checkpoint, entries: Sequence[bytes]) -> None:
        """Accepts a checkpoint with the lines from ``size`` up to it, or changes nothing.

        Raises LogForked if the checkpoint is smaller, has another number of lines, or its roots are not those of
        what was accepted before and these lines; keep the signed note then: it is evidence.
        """
        if checkpoint.origin != self.origin:
            raise LogForked(why="another log", origin=checkpoint.origin)
        if checkpoint.size != self.size + len(entries):
            raise LogForked(why="not the lines up to this size", size=checkpoint.size, known=self.size)
        edge, tags = _grown(Frontier(self.size, self._edge.edge), self._tags.copy(), entries)
        if edge.root() != checkpoint.root:
            raise LogForked(why="does not continue what was seen before", size=checkpoint.size)
        if tags.root() != checkpoint.map_root:
            raise LogForked(why="the map is not that of the lines", size=checkpoint.size)
        tags.lie_together()
        self._edge, self._tags = edge, tags


def _grown(edge: Frontier, tags: TagMap, entries: Iterable[bytes]) -> tuple[Frontier, TagMap]:
    numbered = list(enumerate(entries, start=edge.size))
    try:
        tags.extend([(split_entry(entry)[0], number) for number, entry in numbered])
    except ProofRefused as error:
        raise LogForked(**error.details) from None
    for _, entry in numbered:
        edge.append(entry)
    return edge, tags
