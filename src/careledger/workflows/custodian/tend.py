"""What a custodian does by itself, at least once a minute: look for the ledger, and do what waited for it."""

from __future__ import annotations

from careledger.workflows.custodian import checkpoint, emergencies, retained
from careledger.workflows.custodian.parts import Custody


def tend(custody: Custody, body: bytes) -> bytes:
    """Enters emergencies that were granted without the ledger, erases what has become due, anchors the log.

    Returns the signed note of the log's checkpoint.

    Raises what ``checkpoint`` raises. A look that finds no fresh head counts: five minutes of them, and break-glass
    goes on without the ledger.
    """
    emergencies.enter(custody)
    retained.carry_out(custody)
    return checkpoint.checkpoint(custody, body)
