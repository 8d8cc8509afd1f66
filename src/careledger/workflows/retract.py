"""Retract what one deposited: entered in error. Hidden from new readers; whoever read it keeps what they have."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from careledger.formats.custody import Receipt
from careledger.formats.deposits import Retraction, RetractRequest
from careledger.formats.patients import AliasStatement
from careledger.formats.signed import sign
from careledger.workflows.batches import Writer
from careledger.workflows.custody import receipts
from careledger.workflows.network import Network


def retract(
    network: Network,
    writer: Writer,
    statement: AliasStatement,
    handles: Sequence[bytes],
    successor: bytes | None = None,
) -> list[Receipt]:
    """Tells every custodian; raises WritingRefused for what another deposited, NotEnoughCustodians under n."""
    made = Retraction(
        secrets.token_bytes(16),
        statement.alias,
        writer.depositor,
        writer.post,
        tuple(handles),
        successor,
        network.clock.now(),
    )
    signed = sign(made, writer.key, network.ledger.deployment)
    proof = writer.session.proof if writer.session and writer.post else None
    request = RetractRequest(signed, proof).encode()
    return receipts(network, statement.custodians, "retract", request, network.thresholds.holding)
