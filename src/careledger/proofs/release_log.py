"""A custodian's release log: what a leaf is, what a tag is, the log itself, and what its cosigners check.

An entry of the RFC 9162 log is tag (32) ‖ digest of the sealed entry (32). Leaves look random and are public. The
checkpoint commits to the log's root and to the map from tag to leaf number.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from careledger.domain.errors import LogForked, MalformedBytes, ProofRefused, StoreCorrupt
from careledger.formats.digests import digest, uint
from careledger.proofs.checkpoints import Checkpoint
from careledger.proofs.kept import KeptMap, KeptTree, Lines
from careledger.proofs.merkle import Frontier, Tree, leaf_hash
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

    def __init__(
        self, origin: str, tree: Tree | KeptTree, size: int, tags: TagMap | KeptMap, entries: Entries
    ) -> None:
        self._tree = tree
        self._tags = tags
        self._entries = entries
        self.checkpoint = Checkpoint(origin, size, tree.root(size), tags.root())

    def line(self, tag: bytes) -> Line:
        """Proof that this tag is there, and its line; raises ProofRefused if it is not."""
        return self.lines([tag])[0]

    def lines(self, tags: Sequence[bytes]) -> list[Line]:
        """The same for many, which are looked up in their order, so that what lies together is read once."""
        proofs = {tag: self._tags.proof(tag) for tag in sorted(tags)}
        return [self._line(tag, proofs[tag]) for tag in tags]

    def _line(self, tag: bytes, proof: MapProof) -> Line:
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
    """A whole log in memory, for whoever has its entries and looks once; about 250 bytes for each line."""

    def __init__(self, origin: str, entries: Iterable[bytes] = ()) -> None:
        """The log with these entries of 64 bytes; raises MalformedBytes, ProofRefused (a tag twice)."""
        self.origin = origin
        self._own = list(entries)
        self._tags = TagMap()
        self._tags.extend([*_pairs(self._own)])
        self._tree = Tree(self._own)

    @property
    def size(self) -> int:
        """How many lines there are."""
        return self._tree.size

    def append(self, tag: bytes, sealed: bytes) -> int:
        """Adds a line; returns its number. Raises ProofRefused for a tag that is there, and adds nothing."""
        entry = log_entry(tag, sealed)
        self._tags.insert(tag, self.size)
        self._own.append(entry)
        return self._tree.append(entry)

    def entries(self, start: int, end: int) -> Sequence[bytes]:
        """Lines start to end − 1, as everybody may read them."""
        return self._own[start:end]

    def head(self) -> LogHead:
        """The log as it is now."""
        return LogHead(self.origin, self._tree, self.size, self._tags.copy(), self.entries)

    @property
    def tree(self) -> Tree:
        """The tree, for tiles and consistency proofs."""
        return self._tree


class KeptLog:
    """A custodian's own log, whose lines are where they are durable. Not to be asked for a head inside a transaction
    that may come to nothing."""

    def __init__(self, origin: str, lines: Lines) -> None:
        """Reads nothing yet."""
        self.origin = origin
        self._lines = lines
        self._tree, self._tags = KeptTree(lines.entries), KeptMap(lines)

    @property
    def size(self) -> int:
        """How many lines there are."""
        return self._lines.size()

    def entries(self, start: int, end: int) -> Sequence[bytes]:
        """Lines start to end − 1 of those under a head, as everybody may read them; raises StoreCorrupt for other lines
        than were written."""
        found = self._lines.entries(start, end)
        if [leaf_hash(each) for each in found] != [self._tree.node(0, at) for at in range(start, end)]:
            raise StoreCorrupt(why="lines of a release log are not those that were written")
        return found

    def has(self, tag: bytes) -> bool:
        """Whether there is a line with that tag now; raises as ``head`` does."""
        self.head()
        met = self._tags.proof(tag).met
        return met is not None and met[0] == tag

    def head(self, size: int | None = None) -> LogHead:
        """The log as it is now, or as it was at a size; keep the heads that were anchored to prove under them.

        Reads the lines since the last head, at first all. Raises ProofRefused (a tag twice), StoreCorrupt.
        """
        known, wanted = self._tree.size, self.size if size is None else size
        if wanted < known:
            return KeptLog(self.origin, self._lines).head(wanted)
        entries = self._lines.entries(known, wanted)
        if len(entries) != wanted - known:
            raise StoreCorrupt(why="lines of a release log are missing")
        tags = self._tags.copy()
        tags.extend(_pairs(entries, known))
        tags.lie_together()
        self._tree.extend(entries)
        self._tags = tags
        return LogHead(self.origin, self._tree, wanted, tags.copy(), self.entries)

    @property
    def tree(self) -> KeptTree:
        """The tree as far as heads were made, for tiles."""
        return self._tree


class Follower:
    """What a cosigner keeps of another custodian's log, and its check before each cosignature.

    It makes log root and map root again from the public leaves, so it needs no consistency proof: a checkpoint
    that passes continues every checkpoint that passed before.
    """

    def __init__(self, origin: str, lines: Lines) -> None:
        """Starts from the lines that were accepted before; raises MalformedBytes, LogForked."""
        self.origin = origin
        self._edge, self._tags = _grown(Frontier(), KeptMap(lines), lines.entries(0, lines.size()))

    @property
    def size(self) -> int:
        """How many lines it has accepted."""
        return self._edge.size

    def follow(self, checkpoint: Checkpoint, entries: Sequence[bytes]) -> None:
        """Accepts a checkpoint with the lines from ``size`` up to it, or changes nothing. They have to be durable
        before the next one is asked about, else it has to start anew.

        Raises LogForked if the checkpoint is smaller, has another number of lines, or its roots are not those of
        what was accepted before and these lines; keep the signed note then: it is evidence. Raises StoreCorrupt.
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


def _grown(edge: Frontier, tags: KeptMap, entries: Sequence[bytes]) -> tuple[Frontier, KeptMap]:
    try:
        tags.extend(_pairs(entries, edge.size))
    except ProofRefused as error:
        raise LogForked(**error.details) from None
    for entry in entries:
        edge.append(entry)
    return edge, tags


def _pairs(entries: Iterable[bytes], first: int = 0) -> Iterator[tuple[bytes, int]]:
    """Each line's tag and number; raises MalformedBytes."""
    return ((split_entry(entry)[0], number) for number, entry in enumerate(entries, first))
