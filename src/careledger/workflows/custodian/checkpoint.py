"""The log's head goes on the ledger, and what everybody may read of the log is served.

Order of effects: the signed note durable, the ledger, the note marked as anchored. A crash after the ledger is
found at the next call, which looks there first.
"""

from __future__ import annotations

from careledger.domain.errors import (
    CustodianBehind,
    LedgerRefused,
    LedgerStale,
    ProofRefused,
    StoreUnavailable,
    TransactionRefused,
)
from careledger.domain.facts import CheckpointFacts
from careledger.proofs.checkpoints import Checkpoint
from careledger.proofs.release_log import LogHead
from careledger.proofs.tiles import HEIGHT, WIDTH, TileFile, encode_bundle
from careledger.workflows.custodian import erasures
from careledger.workflows.custodian.parts import AnchoredHead, Custody

WITHIN = 60
DAY = 24 * 3600


def checkpoint(custody: Custody, body: bytes) -> bytes:
    """Anchors everything in the log; returns the signed note. Attests erasures that are still owed.

    Raises LedgerRefused, LedgerStale, TransactionRefused, StoreUnavailable: repeat.
    """
    note = anchor(custody)
    erasures.attest_owed(custody)
    return note


def anchor(custody: Custody) -> bytes:
    """The signed note of a checkpoint over the whole log, which then stands on the ledger (unless the log is empty)."""
    custody.journal.forget(custody.clock.now() - DAY)
    head = custody.log.head()
    size = head.checkpoint.size
    if custody.anchored is not None and custody.anchored.size == size:
        return custody.anchored.note
    note = head.checkpoint.sign(custody.keys.log).encode()
    if size == 0:
        return note
    custody.journal.put_checkpoint(size, note, False)
    on_ledger = custody.fresh_head().checkpoint(custody.party)
    if not _same(on_ledger, head.checkpoint):
        made = head.checkpoint
        custody.ledger.anchor_checkpoint(
            custody.party, size, made.root, made.map_root, made.digest, custody.keys.signing
        )
    custody.journal.put_checkpoint(size, note, True)
    custody.anchored = AnchoredHead(head, note)
    return note


def _same(facts: CheckpointFacts | None, made: Checkpoint) -> bool:
    return facts is not None and (facts.size, facts.root, facts.map_root) == (
        made.size,
        made.root,
        made.map_root,
    )


def check_anchored_in_time(custody: Custody) -> None:
    """Catches up, if a line is older than 60 seconds and not under an anchored checkpoint; raises CustodianBehind
    if it cannot."""
    size = 0 if custody.anchored is None else custody.anchored.size
    oldest = custody.journal.oldest_since(size)
    if oldest is None or custody.clock.now() - oldest <= WITHIN:
        return
    try:
        anchor(custody)
    except (LedgerRefused, LedgerStale, TransactionRefused, StoreUnavailable):
        raise CustodianBehind(reason="log-not-anchored", lines=custody.log.size - size) from None


def restore_head(custody: Custody, on_ledger: CheckpointFacts | None) -> None:
    """After a start: the anchored head is made again from the log; raises CustodianBehind if the ledger is ahead.

    A log that is shorter than its anchored checkpoint, or another one, came from an old backup.
    """
    if on_ledger is None:
        return
    log, size = custody.log, on_ledger.size
    if log.size < size:
        raise CustodianBehind(reason="older-than-its-checkpoint", lines=size - log.size)
    head: LogHead = log.head(size)
    if not _same(on_ledger, head.checkpoint):
        raise CustodianBehind(reason="another-log-than-its-checkpoint")
    note = head.checkpoint.sign(custody.keys.log).encode()
    custody.journal.put_checkpoint(on_ledger.size, note, True)
    custody.anchored = AnchoredHead(head, note)


def tile(custody: Custody, body: bytes) -> bytes:
    """Takes a path as ASCII: ``checkpoint`` or a tile or entry bundle of C2SP tlog-tiles; returns the file.

    Covers the newest anchored checkpoint; raises ProofRefused for what is not under it.
    """
    path, anchored = body.decode("ascii", "replace"), custody.anchored
    if anchored is None:
        raise ProofRefused(why="nothing is anchored yet")
    if path == "checkpoint":
        return anchored.note
    file = TileFile.parse(path)
    if not file.under(anchored.size):
        raise ProofRefused(why="not under the anchored checkpoint")
    first, below = file.index * WIDTH, file.index * WIDTH + file.width
    if file.level is None:
        return encode_bundle(custody.log.entries(first, below))
    return b"".join(custody.log.tree.node(HEIGHT * file.level, at) for at in range(first, below))
