"""What a workflow may ask of the outside, and what it may rely on."""

from careledger.ports.ledger import Ledger, LedgerView
from careledger.ports.outside import (
    Blocks,
    Board,
    Books,
    Clock,
    CustodianLink,
    KeyFiles,
    Locator,
    Relay,
    Scanner,
    ScanningFile,
    WaitingClock,
)

__all__ = [
    "Blocks",
    "Board",
    "Books",
    "Clock",
    "CustodianLink",
    "KeyFiles",
    "Ledger",
    "LedgerView",
    "Locator",
    "Relay",
    "Scanner",
    "ScanningFile",
    "WaitingClock",
]
