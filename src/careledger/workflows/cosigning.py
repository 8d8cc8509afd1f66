"""Checkpoints of all release logs go on the ledger, and each is cosigned by the other custodians.

Whoever runs this is trusted with nothing: it carries public lines and signed notes from one to the other.
"""

from __future__ import annotations

from collections.abc import Iterator

from careledger.domain.errors import CareLedgerError, RequestRefused
from careledger.formats.custody import CosignRequest, CustodianKeys, log_origin
from careledger.ports import CustodianLink
from careledger.proofs.checkpoints import Checkpoint, open_checkpoint
from careledger.proofs.notes import KeyKind, Note, VerifierKey
from careledger.proofs.tiles import WIDTH, decode_bundle, entries_path
from careledger.workflows.network import Network


def checkpoint(link: CustodianLink) -> None:
    """A custodian does what is due and anchors its log; raises what ``call`` raises."""
    link.call("tend", b"")


def checkpoint_all(network: Network) -> dict[int, CareLedgerError]:
    """Every reachable custodian does what is due and anchors its log; returns what went wrong, by custodian."""
    failed: dict[int, CareLedgerError] = {}
    for number, link in network.custodians.items():
        try:
            checkpoint(link)
        except CareLedgerError as error:
            failed[number] = error
    return failed


def cosign_all(network: Network) -> dict[tuple[int, int], CareLedgerError]:
    """Has every anchored log cosigned by all others; returns failures by (log, cosigner). LogForked is an alarm."""
    failed: dict[tuple[int, int], CareLedgerError] = {}
    for number, link in network.custodians.items():
        if network.ledger.fresh_head().checkpoint(number) is None:
            continue
        for cosigner in network.custodians.values():
            if cosigner.party == number:
                continue
            try:
                cosign(network, link, cosigner)
            except CareLedgerError as error:
                failed[number, cosigner.party] = error
    return failed


def cosign(network: Network, log: CustodianLink, cosigner: CustodianLink) -> Note:
    """The log's newest anchored checkpoint with this cosigner's line; raises LogForked and what the two raise."""
    keys = CustodianKeys.decode(log.call("keys", b""))
    note = log.call("tile", b"checkpoint")
    origin = log_origin(network.ledger.deployment, log.party)
    checkpoint, _ = open_checkpoint(note, VerifierKey(origin, KeyKind.LOG, keys.log_key))
    try:
        return _ask(log, cosigner, keys, checkpoint, note, checkpoint.size)
    except RequestRefused as refusal:
        if refusal.details.get("reason") != "lines-missing":
            raise
        known = int(str(refusal.details["known"]))
    return _ask(log, cosigner, keys, checkpoint, note, min(known, checkpoint.size))


def _ask(
    log: CustodianLink,
    cosigner: CustodianLink,
    keys: CustodianKeys,
    checkpoint: Checkpoint,
    note: bytes,
    start: int,
) -> Note:
    lines = tuple(log_lines(log, checkpoint, start))
    request = CosignRequest(log.party, keys.log_key, note, start, lines)
    return Note.parse(cosigner.call("cosign", request.encode()))


def log_lines(log: CustodianLink, checkpoint: Checkpoint, start: int = 0) -> Iterator[bytes]:
    """The public lines of a log from ``start`` up to a checkpoint."""
    for index in range(start // WIDTH, -(-checkpoint.size // WIDTH)):
        width = min(WIDTH, checkpoint.size - index * WIDTH)
        bundle = decode_bundle(log.call("tile", entries_path(index, width).encode()))
        yield from bundle[max(0, start - index * WIDTH) :]
