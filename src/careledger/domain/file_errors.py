"""The refusals about files that are scanned before they are sealed; errors.py has them with all others."""

from __future__ import annotations

from careledger.domain.refusal import CareLedgerError


class FileRefused(CareLedgerError):
    """The scanner knows this file as harmful, so it was refused."""


class FileNotScanned(FileRefused):
    """The scanner cannot look through the whole of this file, so it was refused."""


class ScannerUnavailable(CareLedgerError):
    """The scanner of files does not answer, and nothing is taken unscanned."""
