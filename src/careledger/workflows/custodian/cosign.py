"""Another custodian's checkpoint is cosigned, after its log and map were made again from all its lines.

Order of effects: the lines durable (so that no other history is ever accepted), the ledger, the cosigned note.
"""

from __future__ import annotations

from careledger.domain.errors import DigestMismatch, LogForked, PartyNotFound, RequestRefused
from careledger.formats.custody import CosignRequest, log_origin
from careledger.formats.digests import digest
from careledger.proofs.checkpoints import Checkpoint, cosign, open_checkpoint
from careledger.proofs.notes import KeyKind, Note, VerifierKey
from careledger.proofs.release_log import Follower
from careledger.workflows.custodian.parts import Custody


def cosign_checkpoint(custody: Custody, body: bytes) -> bytes:
    """Takes a CosignRequest; returns the note with this custodian's cosignature.

    Raises DigestMismatch for another log key, SignatureRefused, LogForked (the request is kept as evidence),
    RequestRefused with ``known`` if lines are missing or the checkpoint is older than what was seen.
    """
    request = CosignRequest.decode(body)
    view = custody.fresh_head()
    facts = view.custodian(request.custodian)
    if facts is None:
        raise PartyNotFound(custodian=request.custodian)
    if digest("log-key", request.log_key) != facts.log_key:
        raise DigestMismatch(what="log key")
    origin = log_origin(custody.deployment, request.custodian)
    verified, note = open_checkpoint(request.note, VerifierKey(origin, KeyKind.LOG, request.log_key))
    try:
        _follow(custody, request, verified)
    except LogForked:
        with custody.journal.transaction():
            custody.journal.add_evidence("fork", body)
        raise
    on_ledger = view.checkpoint(request.custodian)
    same = on_ledger is not None and (on_ledger.size, on_ledger.root) == (verified.size, verified.root)
    if same and on_ledger is not None and custody.party not in on_ledger.cosigners:
        custody.ledger.cosign_checkpoint(
            request.custodian,
            verified.size,
            verified.root,
            verified.map_root,
            custody.party,
            custody.keys.signing,
        )
    return _cosigned(custody, note)


def _cosigned(custody: Custody, note: Note) -> bytes:
    line = cosign(note.text, custody.keys.cosigner, custody.clock.now())
    return note.with_signature(line).encode()


def _follow(custody: Custody, request: CosignRequest, claimed: Checkpoint) -> None:
    lines = custody.journal.followed(request.custodian)
    known = lines.size()
    if request.start > known or claimed.size < known:
        raise RequestRefused(reason="lines-missing", known=known)
    follower = custody.followers.get(request.custodian)
    if follower is None or follower.size != known:
        follower = Follower(claimed.origin, lines)
        custody.followers[request.custodian] = follower
    fresh = request.entries[known - request.start :]
    follower.follow(claimed, fresh)
    with custody.journal.transaction():
        custody.journal.follow(request.custodian, known, fresh)
